"""`pisam demo`: the main job on a real image that scikit-image ships; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_pisam.cli.messages import BadOptionError, progress, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_pisam.cli.demo_scene import DemoResult

_Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Made if need be.")]
_Model = Annotated[str, typer.Option(metavar="NAME|PATH", help="See `pisam models list`.")]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]


def demo(
    output: _Output = Path("pisam-demo"),
    model: _Model = "pisam-tiny",
    device: _Device = "auto",
) -> None:
    """Segment objects of a real image: points, boxes, corrections.

    Writes the image, the prompts (CSV), the labels (TIFF) and an overlay (PNG).
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOptionError(f"The folder '{output}' cannot be made: {error.strerror}.") from None
    from napari_pisam.cli import demo_scene
    from napari_pisam.cli.cutting import Cutter, predictor_for
    from napari_pisam.cli.opened import check_inside, open_image

    image = open_image(demo_scene.image_path())
    check_inside([one.given for one in demo_scene.OBJECTS], image)
    predictor = predictor_for(model, device=device)
    cutter = Cutter(predictor, image)
    results = [
        demo_scene.segment_object(cutter, one) for one in progress(demo_scene.OBJECTS, "Cutting")
    ]
    written = demo_scene.write_all(output, image, results)
    write(
        f"{demo_scene.IMAGE_IN_WORDS}; {predictor.name} on {predictor.device}, {predictor.dtype}."
    )
    _write_objects(results)
    _write_corrections(results)
    for path, what in written.items():
        write(f"{path}  {what}")
    write(
        f"The same from the shell: pisam segment {output / demo_scene.IMAGE_FILE} "
        f"--prompts {output / demo_scene.PROMPTS_FILE} -o labels.tif"
    )


def _write_objects(results: Sequence[DemoResult]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("id", justify="right")
    table.add_column("object")
    table.add_column("prompt")
    for name in ("area", "score", "window", "mask pixel", "seconds"):
        table.add_column(name, justify="right")
    for one in results:
        result = one.last
        table.add_row(
            str(one.object.given.id),
            one.object.name,
            one.object.in_words,
            f"{result.placed.mask.sum()} px",
            f"{result.score:.2f}",
            f"{result.window.height} px",
            f"{result.pixel_size:.2g} px",
            f"{sum(step.seconds for step in one.steps):.2f}",
        )
    write(table)


def _write_corrections(results: Sequence[DemoResult]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("correction")
    for name in ("at", "added", "removed", "seconds"):
        table.add_column(name, justify="right")
    for one in results:
        for change in one.changes():
            sign = "is" if change.click.positive else "is not"
            table.add_row(
                f"this {sign} object {one.object.given.id}",
                f"{change.click.y:g},{change.click.x:g}",
                f"{change.added} px",
                f"{change.removed} px",
                f"{change.seconds:.2f}",
            )
    write(table)
