"""How objects are kept and how the image is shown to the model: the quieter controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QSpinBox, QWidget

from napari_pisam.masks.cleaning import Cleaning
from napari_pisam.session.label_edit import Overlap
from napari_pisam.session.options import Options
from napari_pisam.widgets.viewer.image_plane import ChannelChoice

if TYPE_CHECKING:
    from napari.layers import Image

OVERLAP_TEXTS = {
    Overlap.PROTECT: "Protect finished objects",
    Overlap.OVERWRITE: "Overwrite finished objects",
    Overlap.CUT_OUT: "Cut out: erase below the mask",
}
SIZE_MAX = 100_000
AREA_MAX = 10_000_000


def narrow(box: QComboBox) -> QComboBox:
    """A combo box that may be narrower than its longest entry."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    return box


def form(parent: QWidget) -> QFormLayout:
    """A form that fits a narrow dock."""
    layout = QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    return layout


def _spin(maximum: int, suffix: str, tooltip: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(0, maximum)
    box.setSuffix(suffix)
    box.setToolTip(tooltip)
    # A number that is being typed is not yet a number.
    box.setKeyboardTracking(False)
    return box


class KeepingOptions(QWidget):
    """Cleaning and typical size; overlaps too, whose box the panel places where it is always seen.

    Signal: changed(Options).
    """

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.overlap = narrow(QComboBox())
        self.overlap.setToolTip(
            "What happens where a new mask lies on finished objects: they stay as they are, or "
            "give way, or the mask only erases and becomes no object."
        )
        for policy, text in OVERLAP_TEXTS.items():
            self.overlap.addItem(text, policy)
        self.holes = _spin(AREA_MAX, " px", "Fill holes up to this many image pixels on keeping.")
        self.specks = _spin(
            AREA_MAX, " px", "Remove loose pieces up to this many image pixels on keeping."
        )
        for box in (self.holes, self.specks):
            box.setSpecialValueText("off")
        self.object_size = _spin(
            SIZE_MAX,
            " px",
            "The typical length of an object in image pixels, drawn as a ring at the mouse. "
            "Automatic takes it from the objects kept so far once they are alike, and until then "
            "looks for the size of each object anew.",
        )
        self.object_size.setSpecialValueText("automatic")
        layout = form(self)
        layout.addRow("Object size", self.object_size)
        layout.addRow("Fill holes", self.holes)
        layout.addRow("Remove specks", self.specks)
        self.overlap.currentIndexChanged.connect(self._tell)
        for box in (self.holes, self.specks, self.object_size):
            box.valueChanged.connect(self._tell)

    @property
    def options(self) -> Options:
        """What is chosen."""
        return Options(
            overlap=Overlap(self.overlap.currentData()),
            cleaning=Cleaning(holes=self.holes.value(), specks=self.specks.value()),
            object_size=float(self.object_size.value()) or None,
        )

    def show_automatic_size(self, size: float | None) -> None:
        """Say what the automatic size is at the moment."""
        text = "automatic" if size is None else f"automatic: {size:.0f} px"
        if self.object_size.specialValueText() != text:
            self.object_size.setSpecialValueText(text)

    def _tell(self, value: Any = None) -> None:
        self.changed.emit(self.options)


class LookOptions(QWidget):
    """Channels and intensities. Signal: changed(ChannelChoice)."""

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.intensity = narrow(QComboBox())
        self.intensity.setToolTip(
            "Which values become black and white for the model. “Whole image” leaves out one "
            "pixel in a thousand at either end; “as displayed” takes the contrast limits of the "
            "layer at this moment."
        )
        self.intensity.addItems(["Whole image", "As displayed"])
        self.bands = [narrow(QComboBox()) for _ in range(3)]
        colours = ("red", "green", "blue")
        for box, colour in zip(self.bands, colours, strict=True):
            box.setToolTip(f"The gray layer that the model sees as {colour}.")
        self.note = QCheckBox("Combine layers as channels")
        self.note.setToolTip(
            "Show the model up to three gray layers of the same size as red, green and blue."
        )
        layout = form(self)
        layout.addRow("Intensity", self.intensity)
        layout.addRow(self.note)
        for box, colour in zip(self.bands, colours, strict=True):
            layout.addRow(colour.capitalize(), box)
        self._layout = layout
        self._layers: list[Image] = []
        self._filling = False
        self.note.toggled.connect(self._on_toggled)
        self.intensity.currentIndexChanged.connect(self._tell)
        for box in self.bands:
            box.currentIndexChanged.connect(self._tell)
        self._on_toggled(False)

    def show_layers(self, image: Image | None, layers: Sequence[Image]) -> None:
        """Offer the gray layers that fit the image."""
        if image is None or image.rgb:
            fitting: list[Image] = []
        else:
            shape = _shape(image)
            fitting = [i for i in layers if not i.rgb and _shape(i) == shape]
        names = [layer.name for layer in fitting]
        shown = [self.bands[0].itemText(i) for i in range(1, self.bands[0].count())]
        if names == shown and [id(i) for i in fitting] == [id(i) for i in self._layers]:
            return
        self._filling = True
        chosen = [box.currentData() for box in self.bands]
        self._layers = fitting
        for box, before in zip(self.bands, chosen, strict=True):
            box.clear()
            box.addItem("nothing", None)
            for layer in fitting:
                box.addItem(layer.name, layer)
            at = next((i + 1 for i, layer in enumerate(fitting) if layer is before), 0)
            box.setCurrentIndex(at)
        self.note.setEnabled(len(fitting) > 1)
        if len(fitting) < 2:
            self.note.setChecked(False)
        self._filling = False

    @property
    def look(self) -> ChannelChoice:
        """What is chosen."""
        bands = tuple(box.currentData() for box in self.bands) if self.note.isChecked() else ()
        named = tuple(band for band in bands if band is not None)
        return ChannelChoice(bands=named, as_displayed=self.intensity.currentIndex() == 1)

    def _on_toggled(self, on: bool) -> None:
        for box in self.bands:
            box.setVisible(on)
            label = self._layout.labelForField(box)
            if label is not None:
                label.setVisible(on)
        self._tell()

    def _tell(self, value: Any = None) -> None:
        if not self._filling:
            self.changed.emit(self.look)


def _shape(image: Image) -> tuple[int, ...]:
    data = image.data[0] if image.multiscale else image.data
    return tuple(data.shape)
