"""The list of kept objects: click to see one, double-click to correct it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QGuiApplication, QPainter, QPaintEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_pisam.session.objects import KeptObject

COLUMNS = ("Id", "Area", "Time", "Clicks")
TOOLTIPS = (
    "The object's value in the labels.",
    "Its size in image pixels.",
    "How long it took from the first click to keeping it.",
    "How many clicks, boxes and corrections it took.",
)
ERASED = "erased"
ERASED_TIP = (
    "Nothing of it is left in the labels. “Correct” opens it again with its clicks, “Delete” "
    "takes it off the list."
)
EMPTY = "Objects that you keep are listed here."

RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

Colour = tuple[int, int, int]
Colours = Callable[[KeptObject], Colour | None]
"""The colour in which the labels show an object, None while they do not show it."""


def cell_of(kept: KeptObject, column: int) -> str:
    """The text of one cell."""
    minutes, seconds = divmod(round(kept.seconds), 60)
    spent = f"{minutes}:{seconds:02}" if minutes else f"{kept.seconds:.1f} s"
    area = f"{kept.area:,}" if kept.area else ERASED
    return (str(kept.label), area, spent, str(kept.clicks))[column]


def count_of(objects: Sequence[KeptObject]) -> str:
    """How many there are, in words."""
    erased = sum(not kept.area for kept in objects)
    count = len(objects) - erased
    found = f"{count or 'No'} object{'s' * (count != 1)}"
    return f"{found}, {erased} erased" if erased else found


class ObjectModel(QAbstractTableModel):
    """Kept objects as Qt's views take them, the newest first."""

    def __init__(self) -> None:
        super().__init__()
        self._objects: list[KeptObject] = []
        self.colours: Colours = lambda kept: None

    def show(self, objects: Sequence[KeptObject]) -> None:
        """Show those objects."""
        newest_first = list(reversed(objects))
        if [id(o) for o in newest_first] == [id(o) for o in self._objects]:
            return
        self.beginResetModel()
        self._objects = newest_first
        self.endResetModel()

    def object_at(self, row: int) -> KeptObject | None:
        """The object of a row."""
        return self._objects[row] if 0 <= row < len(self._objects) else None

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """See Qt."""
        return len(self._objects)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """See Qt."""
        return len(COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """See Qt."""
        kept = self.object_at(index.row())
        if kept is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return cell_of(kept, index.column())
        if not kept.area and role == Qt.ItemDataRole.ForegroundRole:
            return QGuiApplication.palette().placeholderText().color()
        if not kept.area and role == Qt.ItemDataRole.ToolTipRole:
            return ERASED_TIP
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0:
            colour = self.colours(kept)
            return QColor(*colour) if colour is not None else None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return RIGHT
        return None

    def headerData(  # noqa: N802 - Qt's name
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """See Qt."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return RIGHT
        return TOOLTIPS[section] if role == Qt.ItemDataRole.ToolTipRole else None


class ObjectTable(QTableView):
    """The finished objects.

    Signals: picked(KeptObject), a row was clicked; opened(KeptObject), double-clicked; chose(),
    another row is selected, or none.
    """

    chose = Signal()
    picked = Signal(object)
    opened = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.objects = ObjectModel()
        self.setModel(self.objects)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setMinimumHeight(self.fontMetrics().height() * 7)
        self.setToolTip(
            "Kept objects, the newest first, each with its colour in the labels. Click to see "
            "one, double-click to correct it."
        )
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        if rows is not None:
            rows.setVisible(False)
            rows.setDefaultSectionSize(self.fontMetrics().height() + 6)
        if columns is not None:
            columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
            columns.setMinimumSectionSize(40)
        selection = self.selectionModel()
        if selection is not None:
            selection.currentChanged.connect(lambda now, before: self.chose.emit())
        self.clicked.connect(lambda index: self._tell(self.picked, index))
        self.doubleClicked.connect(lambda index: self._tell(self.opened, index))

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """See Qt; an empty list says what it is for."""
        super().paintEvent(event)
        area = self.viewport()
        if self.objects.rowCount() or area is None:
            return
        painter = QPainter(area)
        painter.setPen(self.palette().placeholderText().color())
        around = area.rect().adjusted(8, 8, -8, -8)
        painter.drawText(around, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, EMPTY)
        painter.end()

    def chosen(self) -> KeptObject | None:
        """The object whose row is selected."""
        return self.objects.object_at(self.currentIndex().row())

    def _tell(self, signal: Any, index: QModelIndex) -> None:
        kept = self.objects.object_at(index.row())
        if kept is not None:
            signal.emit(kept)
