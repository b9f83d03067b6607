"""The widget "Segment points" in Layers > Segment: `segment_points` in a thread, with a bar."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from napari_pisam.widgets.viewer.model_loading import sentence_of
from napari_pisam.widgets.viewer.segment_points import Batch

if TYPE_CHECKING:
    import napari

logger = logging.getLogger(__name__)


def segment_points_widget() -> Any:
    """The magicgui widget of `segment_points`: computes in the background, adds the labels.

    While it computes its button stops it; what was cut until then is added.
    """
    from magicgui import magicgui
    from napari.utils.notifications import show_error

    from napari_pisam import zoo

    workers: list[Any] = []

    def ended() -> None:
        workers.clear()
        widget.call_button.text = "Segment"

    # The annotations are what magicgui makes the controls from; it reads them as text.
    def segment(
        viewer: napari.viewer.Viewer,
        image: napari.layers.Image,
        prompts: napari.layers.Points,
        *,
        corrections: napari.layers.Points | None,
        model: str,
    ) -> None:
        if workers:
            workers[0].quit()
            return
        if image is None or prompts is None:
            show_error("Open an image, and add a points layer with a point on each object.")
            return
        try:
            batch = Batch(image, prompts, corrections, model=model)
        except ValueError as error:
            show_error(sentence_of(error))
            return
        workers.append(in_background(viewer, batch, ended))
        widget.call_button.text = "Stop"

    at_hand = [entry.name for entry in zoo.ZOO.values() if entry.embedded or zoo.is_at_hand(entry)]
    widget: Any = magicgui(
        segment,
        call_button="Segment",
        image={"tooltip": "The image whose objects are cut out."},
        prompts={"tooltip": "Points on the objects; a feature “group” tells objects apart."},
        corrections={"tooltip": "Points where the mask would be wrong, if there are any."},
        model={"choices": at_hand, "tooltip": "The model that draws the masks."},
    )
    return widget


def in_background(viewer: Any, batch: Batch, ended: Callable[[], None] | None = None) -> Any:
    """Run a batch in a thread, with a bar in the activity dock; returns the worker.

    The labels are added when it ends, those that there are when `quit` stops it. What goes wrong
    is told in a sentence. ended: called then, on the main thread.
    """
    from napari.qt.threading import create_worker
    from napari.utils.notifications import show_error, show_info, show_warning

    def run() -> Generator[tuple[int, int], None, str]:
        try:
            yield from batch.steps()
        except Exception as error:
            logger.warning("Points could not be segmented.", exc_info=True)
            return sentence_of(error)
        return ""

    def add() -> None:
        viewer.add_layer(batch.layer())
        for sentence in batch.left_out:
            show_warning(sentence)

    def returned(failure: str) -> None:
        if failure:
            show_error(failure)
        else:
            add()

    def aborted() -> None:
        if batch.done:
            add()
        show_info(f"Stopped after {batch.done} of {batch.count} objects.")

    connected: dict[str, Any] = {"returned": returned, "aborted": aborted}
    if ended is not None:
        connected["finished"] = ended
    return create_worker(
        run,
        _connect=connected,
        _progress={"desc": "Pi-SAM: segmenting points", "total": batch.count},
    )
