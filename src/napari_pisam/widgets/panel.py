"""The controls of the dock widget and how they are laid out; what they do is elsewhere."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_pisam.widgets.banner import Banner, StatusLine
from napari_pisam.widgets.keys import Keys
from napari_pisam.widgets.keys_panel import KeysPanel, to_qt
from napari_pisam.widgets.model_choice import ModelChoice
from napari_pisam.widgets.object_table import ObjectTable
from napari_pisam.widgets.options_panel import KeepingOptions, LookOptions, form, narrow

DOCK_MIN_WIDTH = 300


def _section(title: str, content: QWidget) -> QCollapsible:
    """A heading that shows and hides its content; hidden at first."""
    section = QCollapsible(title)
    section.setContent(content)
    section.setDuration(0)
    inside = section.layout()
    if inside is not None:
        inside.setContentsMargins(0, 0, 0, 0)
    section.collapse(animate=False)
    return section


class Panel(QWidget):
    """Everything that is seen in the dock.

    keys: their names are shown on the buttons.
    """

    def __init__(self, keys: Keys, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keys = keys
        self.models = ModelChoice()
        self.setMinimumWidth(DOCK_MIN_WIDTH)
        # napari adds an empty stretch below a widget that does not ask for the height itself.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        layout.addWidget(self._build_choices())
        self.banner = Banner()
        layout.addWidget(self.banner)
        layout.addLayout(self._build_buttons())
        layout.addWidget(self._build_notices())
        self.objects_title = QLabel("Objects")
        self.table = ObjectTable()
        layout.addWidget(self.objects_title)
        layout.addWidget(self.table, 1)
        layout.addLayout(self._build_object_buttons())
        self.keeping, self.looks = KeepingOptions(), LookOptions()
        self.unsure = QCheckBox("Show where the model is unsure")
        self.unsure.setToolTip("A layer that is strong where the model might as well be wrong.")
        look = QWidget()
        looks = QVBoxLayout(look)
        looks.setContentsMargins(0, 0, 0, 0)
        looks.addWidget(self.looks)
        looks.addWidget(self.unsure)
        self.keys_panel = KeysPanel(keys)
        for title, content in (
            ("How objects are kept", self.keeping),
            ("What the model sees", look),
            ("Keys and mouse", self.keys_panel),
        ):
            layout.addWidget(_section(title, content))
        self.status = StatusLine()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidget(inner)
        outer.addWidget(scroll, 1)
        outer.addWidget(self.status)

    def _build_choices(self) -> QWidget:
        choices = QWidget()
        layout = form(choices)
        self.image_choice, self.labels_choice = narrow(QComboBox()), narrow(QComboBox())
        self.image_choice.setToolTip("The image whose objects are cut out.")
        self.labels_choice.setToolTip(
            "The labels layer that objects are kept in. A new layer is made when it is needed."
        )
        narrow(self.models)
        layout.addRow("Image", self.image_choice)
        layout.addRow("Labels", self.labels_choice)
        layout.addRow("Model", self.models)
        return choices

    def _button(self, title: str, tooltip: str) -> QPushButton:
        button = QPushButton(title)
        # The canvas keeps the keys: Enter on a focused button would press it again.
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setProperty("pisamTip", tooltip)
        button.setToolTip(tooltip)
        return button

    def _build_buttons(self) -> QGridLayout:
        self.buttons = {
            "keep": self._button("Keep", "Keep the object and go on to the next."),
            "drop": self._button("Drop", "Throw the object away."),
            "undo": self._button("Undo", "Take the last click or kept object back."),
            "redo": self._button("Redo", "Do again what was undone."),
            "flip": self._button("Flip", "The last correction adds instead of removes."),
            "box": self._button("Box", "The next drag draws a box round the object."),
            "doubt": self._button("Next doubt", "Go to the most doubtful place of the mask."),
        }
        self.buttons["box"].setCheckable(True)
        self.clicking = self._button(
            "Click to segment", "On: clicks segment. Off: clicks are napari's."
        )
        self.clicking.setCheckable(True)
        self.clicking.setChecked(True)
        grid = QGridLayout()
        grid.setSpacing(4)
        grid.addWidget(self.buttons["keep"], 0, 0, 1, 2)
        grid.addWidget(self.buttons["drop"], 0, 2, 1, 2)
        for column, name in enumerate(("undo", "redo", "flip", "box")):
            grid.addWidget(self.buttons[name], 1, column)
        grid.addWidget(self.buttons["doubt"], 2, 0, 1, 2)
        grid.addWidget(self.clicking, 2, 2, 1, 2)
        self.show_keys()
        return grid

    def _build_notices(self) -> QWidget:
        """What can be brought back: a deleted layer, an earlier session's objects."""
        self.notices = QWidget()
        layout = QVBoxLayout(self.notices)
        layout.setContentsMargins(0, 0, 0, 0)
        self.put_back = self._button("", "Bring the deleted labels layer back.")
        self.restore = self._button("", "Bring these objects back in a new labels layer.")
        for button in (self.put_back, self.restore):
            button.setVisible(False)
            layout.addWidget(button)
        return self.notices

    def _build_object_buttons(self) -> QHBoxLayout:
        self.reopen = self._button("Correct", "Open the selected object again for correction.")
        self.remove = self._button("Delete", "Delete the selected object from the labels.")
        row = QHBoxLayout()
        row.addWidget(self.reopen)
        row.addWidget(self.remove)
        return row

    def show_keys(self) -> None:
        """Write the keys on the buttons' tooltips, and on the two that matter most."""
        for name, button in self.buttons.items():
            key = to_qt(self._keys.keys[name])
            button.setToolTip(f"{button.property('pisamTip')}  [{key}]")
        for name, title in (("keep", "Keep"), ("drop", "Drop")):
            self.buttons[name].setText(f"{title}  ({to_qt(self._keys.keys[name])})")
