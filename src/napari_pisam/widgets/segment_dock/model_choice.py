"""Which model answers: those at hand, others once they are downloaded, or a file."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from napari_pisam import zoo
from napari_pisam.widgets.qt.busy_bar import BusyBar
from napari_pisam.widgets.viewer.model_loading import sentence_of

OTHER_FILE = "Weights from a file …"
MEGABYTE = 1e6


class Download(QObject):
    """Brings one model here in a thread of its own.

    Signals, on the main thread: progress(done, total) in bytes, total 0 when unknown;
    arrived(name); failed(sentence).
    """

    progress = Signal(object, object)
    arrived = Signal(str)
    failed = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pi-sam download", daemon=True)

    def start(self) -> None:
        """Begin, or go on where the last try stopped."""
        self._thread.start()

    def cancel(self) -> None:
        """Stop; what has come stays for the next try."""
        self._stop.set()

    def wait(self, timeout: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            for step in zoo.download(self.name, cancelled=self._stop.is_set):
                self._announce(self.progress, step.done, step.total or 0)
        except Exception as error:  # noqa: BLE001 - whatever it was, the person gets a sentence
            self._announce(self.failed, sentence_of(error))
        else:
            self._announce(self.arrived, self.name)

    def _announce(self, signal: Any, *values: object) -> None:
        try:
            signal.emit(*values)
        except RuntimeError:
            # The window was closed in the meantime.
            self._stop.set()


def entry_text(entry: zoo.ZooEntry) -> str:
    """How a model is named in the list."""
    if entry.embedded or zoo.is_at_hand(entry):
        return entry.name
    size = f" {entry.size / MEGABYTE:.0f} MB" if entry.size else ""
    return f"{entry.name} (download{size})"


class ModelChoice(QComboBox):
    """The models by name.

    busy_bar: shows a download; whoever lays the panel out gives it its place. Signals: chosen(name
    or path), a model that is at hand; message(level, sentence).
    """

    chosen = Signal(str)
    message = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model_name = zoo.DEFAULT_MODEL
        self._download: Download | None = None
        self.busy_bar = BusyBar()
        self.busy_bar.cancelled.connect(self.cancel_download)
        self.setToolTip(
            "The model that draws the masks. Models that are not here yet are downloaded when "
            "they are chosen; work goes on meanwhile."
        )
        self._files: list[Path] = []
        self.refresh()
        self.activated.connect(self._on_activated)

    def refresh(self) -> None:
        """List the models again."""
        self.blockSignals(True)
        self.clear()
        for entry in zoo.ZOO.values():
            self.addItem(entry_text(entry), entry.name)
            self.setItemData(self.count() - 1, entry.description, 3)
        for path in self._files:
            self.addItem(path.name, str(path))
        self.addItem(OTHER_FILE, None)
        self.setCurrentIndex(max(self.findData(self.model_name), 0))
        self.blockSignals(False)

    def choose(self, name: str) -> None:
        """Use that model: of the zoo or the path of a file; it is downloaded when it must be."""
        entry = zoo.ZOO.get(name)
        if entry is None:
            path = Path(name).expanduser()
            if not path.is_file():
                self.message.emit("error", f"There is no file {path}: choose another model.")
                self.refresh()
                return
            if path not in self._files:
                self._files.append(path)
            self._use(str(path))
        elif entry.embedded or zoo.is_at_hand(entry):
            self._use(name)
        else:
            self._fetch(name)

    def close_downloads(self) -> None:
        """Stop what is being downloaded."""
        self.cancel_download()
        if self._download is not None:
            self._download.wait(0.5)

    def cancel_download(self) -> None:
        """Stop the download; the next one goes on from there."""
        if self._download is not None:
            self._download.cancel()

    def _use(self, name: str) -> None:
        self.model_name = name
        self.refresh()
        notice = zoo.notice(zoo.ZOO[name]) if name in zoo.ZOO else None
        if notice:
            self.message.emit("info", notice)
        self.chosen.emit(name)

    def _fetch(self, name: str) -> None:
        if self._download is not None:
            self.message.emit(
                "info", f"{self._download.name} is being downloaded: wait or cancel it."
            )
            self.refresh()
            return
        self._download = Download(name)
        self._download.progress.connect(self._on_progress)
        self._download.arrived.connect(self._on_arrived)
        self._download.failed.connect(self._on_failed)
        self._download.start()
        self.message.emit(
            "info", f"{name} is being downloaded; {self.model_name} answers meanwhile."
        )
        self.refresh()

    def _on_activated(self, row: int) -> None:
        name = self.itemData(row)
        if name is None:
            path, _ = QFileDialog.getOpenFileName(
                self, "Weights of a model", "", "Weights (*.safetensors *.pth *.pt);;All files (*)"
            )
            name = path or self.model_name
        if name != self.model_name:
            self.choose(name)
        else:
            self.refresh()

    def _on_progress(self, done: int, total: int) -> None:
        if self._download is not None:
            title = f"Downloading {self._download.name}"
            self.busy_bar.show_progress(title, done=done, total=total)

    def _on_arrived(self, name: str) -> None:
        self._end_download()
        self._use(name)

    def _on_failed(self, sentence: str) -> None:
        self._end_download()
        self.message.emit("error", sentence)
        self.refresh()

    def _end_download(self) -> None:
        self.busy_bar.finish()
        if self._download is not None:
            self._download.wait(0.5)
        self._download = None
