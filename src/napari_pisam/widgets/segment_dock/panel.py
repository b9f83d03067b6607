"""The controls of the dock widget and how they are laid out; what they do is elsewhere."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
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

from napari_pisam.widgets.segment_dock.banner import Banner, StatusLine
from napari_pisam.widgets.segment_dock.keys_panel import KeysPanel, to_qt
from napari_pisam.widgets.segment_dock.model_choice import ModelChoice
from napari_pisam.widgets.segment_dock.object_table import ObjectTable, count_of
from napari_pisam.widgets.segment_dock.options_panel import (
    KeepingOptions,
    LookOptions,
    form,
    narrow,
)
from napari_pisam.widgets.segment_dock.restore import date_of
from napari_pisam.widgets.segment_dock.section import Section
from napari_pisam.widgets.viewer.keys import Keys

if TYPE_CHECKING:
    from napari_pisam.widgets.segment_dock.dock_state import Choice, DockState

DOCK_MIN_WIDTH = 300
SPANS = ((12, 12), (6, 6, 6, 6), (7, 7, 10))
"""Of the buttons in each row, in 24ths of the width."""


SECTIONS = (
    ("Object size and cleaning", "How large objects are, and what is tidied up on keeping."),
    ("What the model sees", "Which intensities and channels the model is shown."),
    ("Keys and mouse", "All keys, which you can change, and what the mouse does."),
)


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
        self.keeping, self.looks = KeepingOptions(), LookOptions()
        self.keys_panel = KeysPanel(keys)
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
        self.table.chose.connect(self.show_choice_of_object)
        contents = (self.keeping, self.looks, self.keys_panel)
        self.sections = tuple(
            Section(title, content, tooltip=tooltip)
            for (title, tooltip), content in zip(SECTIONS, contents, strict=True)
        )
        for section in self.sections:
            layout.addWidget(section)
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
        layout.addRow("Overlaps", self.keeping.overlap)
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
            "box": self._button(
                "Box",
                "The next drag draws a box round the object. With a shapes layer selected, its "
                "shape gives the box.",
            ),
            "doubt": self._button("Next doubt", "Go to the most doubtful place of the mask."),
            "unsure": self._button(
                "Show doubt", "Colour the places where the model might as well be wrong."
            ),
        }
        for name in ("box", "unsure"):
            self.buttons[name].setCheckable(True)
        self.clicking = self._button(
            "Click to segment", "On: clicks segment. Off: clicks go to napari."
        )
        self.clicking.setCheckable(True)
        self.clicking.setChecked(True)
        rows = (
            (self.buttons["keep"], self.buttons["drop"]),
            tuple(self.buttons[name] for name in ("undo", "redo", "flip", "box")),
            (self.buttons["doubt"], self.buttons["unsure"], self.clicking),
        )
        grid = QGridLayout()
        grid.setSpacing(4)
        for row, (buttons, spans) in enumerate(zip(rows, SPANS, strict=True)):
            places = accumulate(spans[:-1], initial=0)
            for button, place, span in zip(buttons, places, spans, strict=True):
                grid.addWidget(button, row, place, 1, span)
        self.show_keys()
        return grid

    def _build_notices(self) -> QWidget:
        """A download, a deleted layer that can be brought back, an earlier session's objects."""
        self.notices = QWidget()
        layout = QVBoxLayout(self.notices)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.models.busy_bar)
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

    def show_state(self, state: DockState) -> None:
        """Show it; what is shown already is left alone."""
        self.banner.show_mode(state.mode)
        fill(self.image_choice, state.images)
        fill(self.labels_choice, state.labels)
        for name, button in self.buttons.items():
            button.setEnabled(name in state.enabled)
        self.buttons["box"].setChecked(state.box_mode)
        self.buttons["unsure"].setChecked(state.show_unsure)
        self.put_back.setVisible(bool(state.deleted))
        names = ", ".join(f"“{name}”" for name in state.deleted)
        self.put_back.setText(f"Put back the deleted {names}")
        self.restore.setVisible(state.offer is not None)
        if state.offer is not None:
            count, date = count_of(state.offer.objects), date_of(state.offer)
            self.restore.setText(f"Restore {count} of {date}")
        self.table.objects.show(state.objects)
        self.objects_title.setText(count_of(state.objects))
        self.show_choice_of_object()
        self.keeping.show_automatic_size(state.size)
        self.status.show_result(state.result, self.models.model_name)

    def show_choice_of_object(self) -> None:
        """Objects can be corrected and deleted once one is selected."""
        chosen = self.table.chosen() is not None
        self.reopen.setEnabled(chosen)
        self.remove.setEnabled(chosen)

    def show_keys(self) -> None:
        """Write the keys on the buttons' tooltips, and on the two that matter most."""
        for name, button in self.buttons.items():
            key = to_qt(self._keys.keys[name])
            button.setToolTip(f"{button.property('pisamTip')}  [{key}]")
        for name, title in (("keep", "Keep"), ("drop", "Drop")):
            self.buttons[name].setText(f"{title}  ({to_qt(self._keys.keys[name])})")


def fill(box: QComboBox, choice: Choice) -> None:
    """Give a combo box its entries without a signal."""
    before = box.blockSignals(True)
    if [box.itemText(i) for i in range(box.count())] != list(choice.names):
        box.clear()
        box.addItems(choice.names)
    if box.currentIndex() != choice.row:
        box.setCurrentIndex(choice.row)
    box.blockSignals(before)
