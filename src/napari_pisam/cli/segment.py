"""`pisam segment`: an image and prompts in, a labels TIFF out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_pisam.cli.messages import BadOptionError, progress, write, write_remark
from napari_pisam.cli.options import channels_of, check_writable, prompt_of, stack_plane_of
from napari_pisam.cli.tables import Coordinates, Ids

if TYPE_CHECKING:
    from napari_pisam.cli.cutting import Cutter
    from napari_pisam.cli.prompts_csv import ObjectPrompt
    from napari_pisam.geometry import Window
    from napari_pisam.predict.results import SegmentResult

_LABELS_SUFFIXES = (".tif", ".tiff")
# Up to so many covered objects get a sentence each.
_MOST_COVERED = 5

_Image = Annotated[str, typer.Argument(help="TIFF, OME-Zarr, PNG, JPEG or NPY.")]
_Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT.tif", help="Where the labels go.")
]
_Point = Annotated[list[str] | None, typer.Option(metavar="Y,X", help="On the object.")]
_NotPoint = Annotated[list[str] | None, typer.Option(metavar="Y,X", help="Beside the object.")]
_Box = Annotated[list[str] | None, typer.Option(metavar="Y0,X0,Y1,X1", help="Round the object.")]
_Correct = Annotated[
    list[str] | None,
    typer.Option(
        metavar="Y,X[,+|-]",
        help="Where the mask is wrong: + is the object, - is not; without a sign, the opposite "
        "of the mask there.",
    ),
]
_Prompts = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.csv",
        help="Many objects: columns id, kind (point, not-point, box, correct), y, x, y1, x1. "
        "Later objects cover earlier ones.",
    ),
]
_Ids = Annotated[
    Ids, typer.Option(help="What tells the objects of --prompts apart: a column, rows, or one.")
]
_Coordinates = Annotated[
    Coordinates | None,
    typer.Option(help="What y and x of --prompts are: pixels, or lengths in the image's unit."),
]
_Overlay = Annotated[Path | None, typer.Option(metavar="OUT.png", help="A picture with outlines.")]
_Model = Annotated[str, typer.Option(metavar="NAME|PATH", help="See `pisam models list`.")]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
_Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16, float16.")]
_ObjectSize = Annotated[
    float | None, typer.Option(metavar="PX", help="Longer side of an object that has no box.")
]
_Channels = Annotated[
    str | None, typer.Option(metavar="0,1", help="Which channels the model sees, up to three.")
]
_Plane = Annotated[str | None, typer.Option(metavar="z=3", help="Which plane of a stack.")]


def segment(  # noqa: PLR0913 - each parameter is an option
    image: _Image,
    output: _Output,
    *,
    point: _Point = None,
    not_point: _NotPoint = None,
    box: _Box = None,
    correct: _Correct = None,
    prompts: _Prompts = None,
    ids: _Ids = Ids.COLUMN,
    coordinates: _Coordinates = None,
    overlay: _Overlay = None,
    model: _Model = "pisam-tiny",
    device: _Device = "auto",
    dtype: _Dtype = "auto",
    object_size: _ObjectSize = None,
    channels: _Channels = None,
    plane: _Plane = None,
) -> None:
    """Segment objects of an image by points, a box and corrections.

    Coordinates are image pixels, Y,X, the centre of the first pixel being 0,0.
    Points and corrections may be given again and again.
    """
    _check_files(image, output, overlay)
    if object_size is not None and not 0 < object_size < float("inf"):
        raise BadOptionError(f"--object-size is a length in pixels above 0, not {object_size:g}.")
    written = {
        "points": point or (),
        "not_points": not_point or (),
        "boxes": box or (),
        "corrections": correct or (),
    }
    if prompts is not None and any(written.values()):
        raise BadOptionError("Either --prompts, or --point, --not-point, --box and --correct.")
    from napari_pisam.cli.opened import check_inside, open_image
    from napari_pisam.cli.prompts_csv import ObjectPrompt, TableFrame, read_prompts

    single = () if prompts else (ObjectPrompt(1, prompt_of(**written)),)
    opened = open_image(image, channels=channels_of(channels), plane=stack_plane_of(plane))
    frame = TableFrame(coordinates, opened.pixel_size)
    objects = read_prompts(prompts, ids=ids, frame=frame) if prompts else single
    check_inside(objects, opened)
    # Only now what takes seconds to import: a wrong option above is refused at once.
    from napari_pisam.cli.cutting import Cutter, predictor_for

    predictor = predictor_for(model, device=device, dtype=dtype)
    cutter = Cutter(predictor, opened, object_size=object_size)
    _cut_all(cutter, objects, output, overlay=overlay)


def _check_files(image: str, output: Path, overlay: Path | None) -> None:
    """Refuse what would be found out only after the work."""
    if output.suffix.lower() not in _LABELS_SUFFIXES:
        raise BadOptionError(f"--output is a TIFF: give '{output}' a name that ends in .tif.")
    if overlay is not None and overlay.suffix.lower() != ".png":
        raise BadOptionError(f"--overlay is a PNG: give '{overlay}' a name that ends in .png.")
    for path in (output, overlay):
        if path is None:
            continue
        if path.resolve() == Path(image).resolve():
            raise BadOptionError(f"'{path}' is the image itself: give the result another name.")
        if path.is_dir():
            raise BadOptionError(f"'{path}' is a folder: give the name of a file.")
        check_writable(path.parent)


@dataclass(frozen=True, slots=True)
class _CutObject:
    """The figures of one object; its mask, which is large, is in the labels."""

    area: int
    score: float
    window: Window
    pixel_size: float
    seconds: float
    blank: bool

    @classmethod
    def of(cls, result: SegmentResult) -> _CutObject:
        return cls(
            int(result.placed.mask.sum()),
            result.score,
            result.window,
            result.pixel_size,
            result.seconds,
            result.blank,
        )


def _cut_all(
    cutter: Cutter, objects: Sequence[ObjectPrompt], output: Path, *, overlay: Path | None
) -> None:
    from napari_pisam.cli.opened import paint
    from napari_pisam.export.labels_tiff import write_labels

    labels = cutter.image.empty_labels()
    cut: dict[int, _CutObject] = {}
    for one in progress(objects, "Cutting"):
        result = cutter.cut(one.prompt)
        paint(labels, one.id, result.placed)
        cut[one.id] = _CutObject.of(result)
    write_labels(output, labels)
    if overlay is not None:
        cutter.image.write_overlay(overlay, labels)
    left = labels.areas()
    _write_table(cut, left)
    _remark_on_losses(cut, left)
    write(" and ".join(f"{path}" for path in (output, overlay) if path) + " written.")


def _remark_on_losses(cut: dict[int, _CutObject], left: dict[int, int]) -> None:
    """Remarks on objects that were not found and on those that later ones cover."""
    found = {number: one.area for number, one in cut.items()}
    for number in (n for n, area in found.items() if not area):
        if cut[number].blank:
            write_remark(
                f"Object {number}: there is nothing to see there, all pixels round it have one "
                "value, or none."
            )
        else:
            write_remark(f"Object {number}: nothing was found there; try a box, or --object-size.")
    covered = {n: area - left.get(n, 0) for n, area in found.items() if left.get(n, 0) < area}
    if len(covered) > _MOST_COVERED:
        worst = sorted(covered, key=lambda n: covered[n] / found[n], reverse=True)[:_MOST_COVERED]
        named = ", ".join(f"{n} ({covered[n]} of {found[n]} pixels)" for n in worst)
        write_remark(
            f"Later objects cover parts of {len(covered)} objects, most of all of {named}."
        )
        return
    for number, lost in covered.items():
        write_remark(f"Object {number}: later objects cover {lost} of its {found[number]} pixels.")


def _write_table(cut: dict[int, _CutObject], left: dict[int, int]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("id", "area", "score", "window", "mask pixel", "seconds"):
        table.add_column(name, justify="right")
    for number, one in cut.items():
        window = one.window
        table.add_row(
            str(number),
            f"{left.get(number, 0)} px",
            f"{one.score:.2f}",
            f"{window.height} x {window.width} at {window.y},{window.x}",
            f"{one.pixel_size:.2g} px",
            f"{one.seconds:.2f}",
        )
    write(table)
