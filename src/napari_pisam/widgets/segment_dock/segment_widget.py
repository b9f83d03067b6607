"""The dock widget "Pi-SAM": choose, click, look, correct, keep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QApplication, QComboBox, QVBoxLayout, QWidget

from napari_pisam.session.journal import ImageIdentity, Restored, tidy
from napari_pisam.session.objects import KeptObject
from napari_pisam.session.options import Options
from napari_pisam.widgets.qt.busy import BusyBar
from napari_pisam.widgets.qt.runner import Runner, SegmentEngine
from napari_pisam.widgets.qt.scheduler import QtScheduler
from napari_pisam.widgets.segment_dock.banner import STAGES, WORKING, Mode, mode_of
from napari_pisam.widgets.segment_dock.ending import Ending
from napari_pisam.widgets.segment_dock.keys_panel import chosen_keys
from napari_pisam.widgets.segment_dock.object_table import count_of
from napari_pisam.widgets.segment_dock.panel import Panel
from napari_pisam.widgets.viewer.model_loading import engine_for
from napari_pisam.widgets.viewer.prompt_layers import CORRECTIONS, PROMPTS
from napari_pisam.widgets.viewer.scheduling import begin
from napari_pisam.widgets.viewer.workspace import Workspace

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Labels, Points

    from napari_pisam.predict.request import SegmentRequest
    from napari_pisam.predict.results import SegmentResult

NEW_LABELS = "New layer"
NO_IMAGES = "no image is open"
OPENING_STEPS = 20
"""Turns of the window's loop after which the model is loaded, whatever else is ready."""


class _Earlier(QObject):
    """Looks for objects of an earlier session in a thread. Signal: found(Restored)."""

    found = Signal(object)

    def __init__(self, work: Workspace) -> None:
        super().__init__()
        self._work = work

    def look(self, identity: ImageIdentity) -> None:
        """Look for objects of that image; `found` tells if there are any."""
        threading.Thread(target=self._look, args=(identity,), daemon=True).start()

    def _look(self, identity: ImageIdentity) -> None:
        earlier = self._work.earlier_work(identity)
        if earlier is None:
            return
        try:
            self.found.emit(earlier)
        except RuntimeError:
            # The window was closed in the meantime.
            return


class SegmentWidget(QWidget):
    """Segments objects of an image layer by pointing.

    napari_viewer: the viewer. engine: takes the place of the chosen model, for tests.
    """

    def __init__(self, napari_viewer: Viewer, *, engine: SegmentEngine | None = None) -> None:
        super().__init__()
        self.scheduler = QtScheduler()
        self.work = Workspace(
            napari_viewer, keys=chosen_keys(), when_free=partial(begin, self.scheduler)
        )
        self.session, self.bridge = self.work.session, self.work.bridge
        self.panel = Panel(self.work.keys)
        self.models = self.panel.models
        self._fixed_engine = engine
        self.runner = Runner(engine or engine_for(self.models.model_name), self.session.is_wanted)
        self._over, self._stage, self._failed = "", "", ""
        self._last_result: SegmentResult | None = None
        self._earlier: Restored | None = None
        self._looking = _Earlier(self.work)
        self._bar = BusyBar(self, cancelled=self.session.drop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.panel)
        self.setSizePolicy(self.panel.sizePolicy())
        self._connect()
        tidy(self.work.journal.path.parent)
        self.scheduler.request("load the model", self._load_model)
        self._on_image()

    # For scripts.

    @property
    def image(self) -> Image | None:
        """The image layer that is segmented; set it to choose another."""
        return self.bridge.image

    @image.setter
    def image(self, layer: Image | None) -> None:
        self.bridge.choose_image(layer)

    @property
    def labels(self) -> Labels | None:
        """The labels layer that objects are kept in; set it to choose, None for a new one."""
        return self.bridge.targets.layer

    @labels.setter
    def labels(self, layer: Labels | None) -> None:
        self.bridge.targets.choose(layer)

    @property
    def prompts(self) -> Points:
        """The points layer of the prompts: add points to it."""
        return self._points(PROMPTS)

    @property
    def corrections(self) -> Points:
        """The points layer of the corrections: add points to it."""
        return self._points(CORRECTIONS)

    @property
    def result(self) -> SegmentResult | None:
        """The newest mask of the active object."""
        return self.session.active_object.result if self.session.active_object is not None else None

    @property
    def objects(self) -> tuple[KeptObject, ...]:
        """The objects kept in the chosen labels."""
        return self.work.objects

    def keep(self) -> None:
        """Keep the active object and go on to the next."""
        self.work.keep()

    def drop(self) -> None:
        """Throw the active object away."""
        self.session.drop()

    def undo(self) -> None:
        """Take the last click or kept object back."""
        self.session.undo()

    def redo(self) -> None:
        """Do it again."""
        self.session.redo()

    @property
    def drawing(self) -> bool:
        """Whether layers or panel do not show yet what the session has."""
        return not self.scheduler.idle

    def wait_idle(self, timeout: float = 60.0) -> None:
        """Wait until every result has come and is drawn; the window stays alive meanwhile.

        timeout: seconds. Raises TimeoutError when it takes longer, RuntimeError with the sentence
        that the panel shows when the model failed.
        """
        self._failed = ""
        end = time.monotonic() + timeout
        QApplication.processEvents()
        while self.session.busy or self.drawing:
            QApplication.processEvents()
            if time.monotonic() > end:
                raise TimeoutError(f"There was no mask within {timeout:g} s.")
            if self.session.busy:
                time.sleep(0.002)
        QApplication.processEvents()
        if self._failed:
            raise RuntimeError(self._failed)

    def close_work(self) -> None:
        """Stop the worker and give the viewer back; called when the panel goes."""
        self.models.close_downloads()
        self._bar.close()
        self._ending.end()

    def _load_model(self) -> Generator[None, None, None]:
        """Once the window has been drawn and its layers made: importing torch slows all else."""
        for _ in range(OPENING_STEPS):
            yield
            if self.labels is not None:
                break
        self.runner.prepare()

    def _points(self, role: str) -> Any:
        if self.bridge.image is None:
            raise ValueError("There is no image: open one first.")
        return self.bridge.helpers.get(role, self.bridge.image)

    # What happens.

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """See Qt; only now is it known which window the panel is in, and on which screen."""
        self._ending.watch(self)
        self.bridge.display.pixel_ratio = self.devicePixelRatioF()
        super().showEvent(event)

    def _connect(self) -> None:
        work, panel, runner = self.work, self.panel, self.runner
        panel.table.objects.colours = work.colour_of
        self.session.requested.connect(self._request)
        self.session.requested.connect(lambda request: panel.banner.clear_message())
        self.session.changed.connect(self._rest)
        runner.finished.connect(self.session.accept)
        runner.failed.connect(self._on_failed)
        runner.stage.connect(self._on_stage)
        work.changed.connect(self._show_soon)
        work.message.connect(self._say)
        work.hovered.connect(self._on_hover)
        self.bridge.image_changed.connect(self._on_image)
        # Whoever chooses one of the layers chooses among those that are there.
        self.bridge.layers_changed.connect(self._show_layers)
        self._looking.found.connect(self._on_earlier)
        for name, command in work.commands.items():
            if name in panel.buttons:
                panel.buttons[name].clicked.connect(lambda checked, command=command: command())
        panel.clicking.toggled.connect(lambda on: work.pause(not on))
        panel.image_choice.activated.connect(self._on_image_chosen)
        panel.labels_choice.activated.connect(self._on_labels_chosen)
        panel.keeping.changed.connect(self._on_options)
        panel.looks.changed.connect(self.bridge.choose_look)
        panel.models.chosen.connect(self._on_model)
        panel.models.message.connect(self._say)
        panel.keys_panel.message.connect(self._say)
        panel.keys_panel.changed.connect(panel.show_keys)
        panel.table.picked.connect(work.show_object)
        panel.table.opened.connect(work.reopen)
        panel.reopen.clicked.connect(lambda checked: self._on_chosen_object(work.reopen))
        panel.remove.clicked.connect(lambda checked: self._on_chosen_object(work.remove))
        panel.put_back.clicked.connect(lambda checked: self.bridge.targets.put_back())
        panel.restore.clicked.connect(lambda checked: self._on_restore())
        # The panel is destroyed when its dock is closed and with the window; by then only what
        # does not belong to it can be called.
        self._ending = Ending(runner, work, self.scheduler)
        self.destroyed.connect(self._ending.end)

    def _request(self, request: SegmentRequest) -> None:
        # An object that is kept before its mask has come waits for a result beside the newest one.
        self.scheduler.request(("submit", request.id), lambda: self._submit(request))

    def _submit(self, request: SegmentRequest) -> Generator[None, None, None]:
        """Have the model begin once the click is drawn: at the same time, both take longer."""
        while self.bridge.display.undrawn:
            yield
        # What was drawn in this turn is painted before the next one.
        yield
        self.runner.submit(request)

    def _on_failed(self, request_id: int, sentence: str) -> None:
        self._failed = sentence
        if request_id:
            self.session.fail(request_id, sentence)
        else:
            self._say("error", sentence)
        self._stage = ""
        self._show()

    def _on_stage(self, request_id: int, word: str) -> None:
        # One of a request that was dropped may still have been on its way.
        if self.session.is_wanted(request_id):
            self._stage = word
            self._bar.show(f"Pi-SAM: {STAGES.get(word, WORKING.title)}")
        self.scheduler.request("banner", self._show_mode)

    def _rest(self) -> None:
        """At once, not when the panel is painted: by then there may be another request."""
        if not self.session.busy:
            self._stage = ""
            self._bar.close()

    def _on_hover(self, over: str) -> None:
        if over != self._over:
            self._over = over
            self._show_mode()

    def _on_image(self) -> None:
        self._earlier = None
        self.panel.restore.setVisible(False)
        if self.bridge.image is not None:
            self._looking.look(self.work.identity(self.bridge.image))
        self._show()

    def _on_earlier(self, found: Restored) -> None:
        image = self.bridge.image
        if image is None or self.work.identity(image) != found.identity or self.objects:
            return
        self._earlier = found
        when = time.strftime("%d %b, %H:%M", time.localtime(found.written))
        self.panel.restore.setText(f"Restore {count_of(found.objects)} of {when}")
        self.panel.restore.setVisible(True)

    def _on_restore(self) -> None:
        found, self._earlier = self._earlier, None
        self.panel.restore.setVisible(False)
        if found is not None:
            self.work.restore(found)

    def _on_chosen_object(self, command: Callable[[KeptObject], None]) -> None:
        kept = self.panel.table.chosen()
        if kept is None:
            self._say("info", "Select an object in the list first.")
        else:
            command(kept)

    def _on_image_chosen(self, row: int) -> None:
        images = self.bridge.images()
        if 0 <= row < len(images):
            self.bridge.choose_image(images[row])

    def _on_labels_chosen(self, row: int) -> None:
        layers = self.bridge.targets.layers()
        self.bridge.targets.choose(layers[row] if row < len(layers) else None)
        if self.bridge.targets.layer is None and self.bridge.image is not None:
            self.bridge.targets.prepare(self.bridge.image)

    def _on_options(self, options: Options) -> None:
        self.session.options = options
        self.work.cursor.refresh()

    def _on_model(self, name: str) -> None:
        if self._fixed_engine is None:
            self._last_result = None
            self.runner.use(engine_for(name))
            self.session.request_again()
        self._show()

    def _say(self, level: str, sentence: str) -> None:
        self.panel.banner.show_message(level, sentence)

    # What is shown.

    def _show_mode(self) -> None:
        mode = mode_of(self.work, over=self._over)
        if mode is WORKING:
            mode = Mode(mode.name, mode.colour, STAGES.get(self._stage, mode.title), mode.hint)
        self.panel.banner.show_mode(mode)

    def _show_soon(self) -> None:
        self.scheduler.request("panel", self._show_in_steps)

    def _show_in_steps(self) -> Generator[None, None, None]:
        """The list of objects last: it is looked at least."""
        self._show()
        yield
        self.panel.show_objects(self.work)

    def _show(self) -> None:
        self._show_mode()
        self._show_layers()
        self.panel.show_work(self.work)
        self._last_result = self.result or self._last_result
        self.panel.status.show_result(self._last_result, self.models.model_name)

    def _show_layers(self) -> None:
        images, layers = self.bridge.images(), self.bridge.targets.layers()
        panel = self.panel
        names = [image.name for image in images]
        fill(panel.image_choice, names or [NO_IMAGES], max(_place(images, self.bridge.image), 0))
        target = self.bridge.targets.layer
        names = [*(layer.name for layer in layers), NEW_LABELS]
        fill(panel.labels_choice, names, _place(layers, target) if target else len(layers))
        panel.looks.show_layers(self.bridge.image, images)


def fill(box: QComboBox, names: list[str], current: int) -> None:
    """Give a combo box its entries without telling anybody."""
    if [box.itemText(i) for i in range(box.count())] != names:
        box.blockSignals(True)
        box.clear()
        box.addItems(names)
        box.blockSignals(False)
    if box.currentIndex() != current:
        box.blockSignals(True)
        box.setCurrentIndex(current)
        box.blockSignals(False)


def _place(layers: Sequence[Any], layer: Any) -> int:
    return next((i for i, found in enumerate(layers) if found is layer), -1)
