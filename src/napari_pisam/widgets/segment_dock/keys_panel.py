"""All keys in a list, each of which can be changed."""

from __future__ import annotations

from qtpy.QtCore import QSettings, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QGridLayout, QKeySequenceEdit, QLabel, QWidget

from napari_pisam.widgets.viewer.keys import ACTIONS, Keys

MOUSE = (
    ("Click", "the object; then where the mask is wrong"),
    ("Shift click", "not the object; the right button too"),
    ("Ctrl click", "one more point on the object"),
    ("Shift drag", "a box round the object; Ctrl too"),
    ("Drag, wheel", "move and zoom the image"),
)
KEY_WIDTH = 16
"""Characters of the longest key."""


def settings() -> QSettings:
    """Where changed keys are kept."""
    return QSettings("napari-pisam", "napari-pisam")


def chosen_keys() -> dict[str, str]:
    """The keys that the person changed in earlier sessions, by action."""
    stored = settings()
    names = (action.name for action in ACTIONS)
    found = {name: stored.value(f"keys/{name}") for name in names}
    return {name: key for name, key in found.items() if isinstance(key, str) and key}


def to_napari(sequence: str) -> str:
    """Qt's spelling of a key ("Ctrl+Shift+Z") as napari writes it ("Control-Shift-Z")."""
    parts = sequence.split(",")[0].strip()
    head, plus, last = parts.rpartition("+")
    words = [*head.split("+")] if plus else []
    spelt = {"Ctrl": "Control", "Esc": "Escape", "Return": "Enter", "Del": "Delete"}
    return "-".join(spelt.get(word, word) for word in [*words, last] if word)


def to_qt(key: str) -> str:
    """napari's spelling of a key as Qt writes it."""
    spelt = {"Control": "Ctrl", "Escape": "Esc", "Delete": "Del"}
    return "+".join(spelt.get(word, word) for word in key.split("-"))


class KeysPanel(QWidget):
    """Shows the keys and changes them. Signals: changed(); message(level, sentence)."""

    changed = Signal()
    message = Signal(str, str)

    def __init__(self, keys: Keys, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keys = keys
        self.edits: dict[str, QKeySequenceEdit] = {}
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(3)
        layout.setColumnStretch(1, 1)
        for row, action in enumerate(ACTIONS):
            edit = QKeySequenceEdit(QKeySequence(to_qt(keys.keys[action.name])))
            edit.setToolTip(f"{action.title}: click here and press another key to change it.")
            edit.setFixedWidth(edit.fontMetrics().averageCharWidth() * KEY_WIDTH)
            edit.editingFinished.connect(lambda name=action.name: self._on_edited(name))
            self.edits[action.name] = edit
            layout.addWidget(edit, row, 0)
            layout.addWidget(_words(action.title), row, 1)
        for row, (hand, meaning) in enumerate(MOUSE, start=len(ACTIONS)):
            layout.addWidget(QLabel(hand), row, 0)
            layout.addWidget(_words(meaning), row, 1)

    def _on_edited(self, name: str) -> None:
        edit = self.edits[name]
        key, before = to_napari(edit.keySequence().toString()), self._keys.keys[name]
        reason = self._keys.choose(name, key) if key and key != before else None
        if reason is not None:
            self.message.emit("error", reason)
        if reason is not None or not key:
            edit.setKeySequence(QKeySequence(to_qt(before)))
            return
        if key != before:
            settings().setValue(f"keys/{name}", key)
            self.changed.emit()


def _words(text: str) -> QLabel:
    """A label that takes a second line where the dock is narrow."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    return label
