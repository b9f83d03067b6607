"""The dock widget "Pi-SAM": choose, click, look, correct, keep."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_pisam.session.journal import tidy
from napari_pisam.session.objects import KeptObject
from napari_pisam.session.options import Options
from napari_pisam.widgets.qt.runner import Runner
from napari_pisam.widgets.qt.scheduler import QtScheduler
from napari_pisam.widgets.segment_dock.dock_view import DockView
from napari_pisam.widgets.segment_dock.keys_panel import chosen_keys
from napari_pisam.widgets.segment_dock.lifetime import Connections, PanelLifetime
from napari_pisam.widgets.segment_dock.model_requests import ModelRequests
from napari_pisam.widgets.segment_dock.panel import Panel
from napari_pisam.widgets.segment_dock.restore import EarlierObjects
from napari_pisam.widgets.viewer.model_loading import SegmentEngine, engine_for
from napari_pisam.widgets.viewer.prompt_layers import CORRECTIONS, PROMPTS
from napari_pisam.widgets.viewer.workspace import Workspace

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Labels, Points

    from napari_pisam.predict.results import SegmentResult

OPENING_STEPS = 20
"""Turns of the event loop after which the model is loaded, whatever else is ready."""


class SegmentWidget(QWidget):
    """Segments objects of an image layer by pointing.

    napari_viewer: the viewer. engine: used instead of the chosen model, for tests.
    """

    def __init__(self, napari_viewer: Viewer, *, engine: SegmentEngine | None = None) -> None:
        super().__init__()
        self.scheduler = QtScheduler()
        self.work = Workspace(napari_viewer, keys=chosen_keys(), scheduler=self.scheduler)
        self.session, self.view = self.work.session, self.work.view
        self.panel = Panel(self.work.keys)
        self.models = self.panel.models
        self._fixed_engine = engine
        self.runner = Runner(engine or engine_for(self.models.model_name), self.session.is_wanted)
        self._requests = ModelRequests(self.session, self.runner, self.scheduler)
        self._earlier = EarlierObjects(self.work)
        self._dock_view = DockView(
            self.panel,
            self.view,
            self.work.mouse,
            scheduler=self.scheduler,
            requests=self._requests,
            earlier=self._earlier,
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.panel)
        self.setSizePolicy(self.panel.sizePolicy())
        self.panel.table.objects.colours = self.work.colour_of
        connections = Connections()
        self._connect_session(connections)
        self._connect_panel(connections)
        # The panel is destroyed when its dock is closed and with the window; by then only what
        # does not belong to it can be called.
        self._lifetime = PanelLifetime(
            self.runner, self.work, self.scheduler, connections=connections
        )
        self.destroyed.connect(self._lifetime.end)
        tidy(self.work.journaling.journal.path.parent)
        self.scheduler.request("load the model", self._load_model)
        self._on_image()

    # For scripts.

    @property
    def image(self) -> Image | None:
        """The image layer that is segmented; set it to choose another."""
        return self.view.image

    @image.setter
    def image(self, layer: Image | None) -> None:
        self.view.image_choice.choose(layer)

    @property
    def labels(self) -> Labels | None:
        """The labels layer that objects are kept in; set it to choose, None for a new one."""
        return self.view.label_layers.layer

    @labels.setter
    def labels(self, layer: Labels | None) -> None:
        self.view.label_layers.choose(layer)

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
        self._requests.failure = ""
        end = time.monotonic() + timeout
        QApplication.processEvents()
        while self.session.busy or self.drawing:
            QApplication.processEvents()
            if time.monotonic() > end:
                raise TimeoutError(f"There was no mask within {timeout:g} s.")
            if self.session.busy:
                time.sleep(0.002)
        QApplication.processEvents()
        if self._requests.failure:
            raise RuntimeError(self._requests.failure)

    def close_work(self) -> None:
        """Stop the worker and give the viewer back; called when the panel goes."""
        self.models.close_downloads()
        self._lifetime.end()

    # Wiring.

    def _connect_session(self, to: Connections) -> None:
        """What session, layers and model tell the panel, and each other."""
        session, work, runner, requests = self.session, self.work, self.runner, self._requests
        view, banner = self._dock_view, self.panel.banner
        to.add(session.requested, requests.request)
        to.add(session.requested, lambda request: banner.clear_message())
        to.add(session.changed, requests.on_session)
        to.add(runner.finished, session.accept)
        to.add(runner.failed, requests.on_failed)
        to.add(runner.stage, requests.on_stage)
        to.add(requests.changed, view.show_soon)
        to.add(requests.failed, lambda sentence: banner.show_message("error", sentence))
        to.add(work.changed, view.show_soon)
        to.add(work.message, banner.show_message)
        to.add(work.hovered, view.point)
        to.add(self._earlier.changed, view.show_soon)
        to.add(self.view.image_choice.changed, self._on_image)
        # Whoever chooses one of the layers chooses among those that are there.
        to.add(self.view.layers_changed, view.show)

    def _connect_panel(self, to: Connections) -> None:
        """What the panel's controls do."""
        work, panel = self.work, self.panel
        for name, command in work.commands.items():
            if name in panel.buttons:
                to.add(panel.buttons[name].clicked, lambda checked, command=command: command())
        to.add(panel.clicking.toggled, lambda on: work.pause(not on))
        to.add(panel.image_choice.activated, self._on_image_chosen)
        to.add(panel.labels_choice.activated, self._on_labels_chosen)
        to.add(panel.keeping.changed, self._on_options)
        to.add(panel.looks.changed, self.view.image_choice.choose_channels)
        to.add(panel.models.chosen, self._on_model)
        to.add(panel.models.message, panel.banner.show_message)
        to.add(panel.keys_panel.message, panel.banner.show_message)
        to.add(panel.keys_panel.changed, panel.show_keys)
        to.add(panel.table.picked, work.show_object)
        to.add(panel.table.opened, work.reopen)
        to.add(panel.reopen.clicked, lambda checked: self._on_selected_object(work.reopen))
        to.add(panel.remove.clicked, lambda checked: self._on_selected_object(work.remove))
        to.add(panel.put_back.clicked, lambda checked: self.view.label_layers.put_back())
        to.add(panel.restore.clicked, lambda checked: self._earlier.accept())

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """See Qt; only now is it known which window the panel is in, and on which screen."""
        self._lifetime.watch(self)
        self.view.layer_sync.pixel_ratio = self.devicePixelRatioF()
        super().showEvent(event)

    def _load_model(self) -> Generator[None, None, None]:
        """Once the window has been drawn and its layers made: importing torch slows all else."""
        for _ in range(OPENING_STEPS):
            yield
            if self.labels is not None:
                break
        self.runner.prepare()

    def _points(self, role: str) -> Any:
        if self.view.image is None:
            raise ValueError("There is no image: open one first.")
        return self.view.helpers.get(role, self.view.image)

    # What happens.

    def _on_image(self) -> None:
        image = self.view.image
        self._earlier.look_for(self.work.journaling.identity(image) if image is not None else None)
        self._dock_view.show()

    def _on_selected_object(self, command: Callable[[KeptObject], None]) -> None:
        kept = self.panel.table.chosen()
        if kept is None:
            self.panel.banner.show_message("info", "Select an object in the list first.")
        else:
            command(kept)

    def _on_image_chosen(self, row: int) -> None:
        images = self.view.image_choice.images()
        if 0 <= row < len(images):
            self.view.image_choice.choose(images[row])

    def _on_labels_chosen(self, row: int) -> None:
        layers = self.view.label_layers.layers()
        self.view.label_layers.choose(layers[row] if row < len(layers) else None)
        if self.view.label_layers.layer is None and self.view.image is not None:
            self.view.label_layers.prepare(self.view.image)

    def _on_options(self, options: Options) -> None:
        self.session.options = options
        self.work.cursor.refresh()

    def _on_model(self, name: str) -> None:
        if self._fixed_engine is None:
            self._dock_view.forget_result()
            self.runner.use(engine_for(name))
            self.session.request_again()
        self._dock_view.show()
