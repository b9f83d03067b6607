"""What the layers of a viewer are to show, resolved from a session; no layer is touched here."""

from __future__ import annotations

from dataclasses import dataclass

from napari_pisam.predict.results import SegmentResult
from napari_pisam.prompts import Box, Click
from napari_pisam.session.plane import PlaneIndex
from napari_pisam.session.session import Session


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """What the person chose to see.

    show_doubt: colour the places where the model might as well be wrong. dragged_box: the box
    that is being dragged, shown in the place of the prompt's.
    """

    show_doubt: bool = False
    dragged_box: Box | None = None


@dataclass(frozen=True, slots=True)
class PlaneClicks:
    """Clicks (y, x, image pixels) and the plane of the image that they lie on."""

    index: PlaneIndex
    clicks: tuple[Click, ...]


@dataclass(frozen=True, slots=True)
class ViewState:
    """What is to be seen of a session over one image; equal states look the same.

    image: the lasting name of the image. index: the plane of it that is shown, None while none
    is. prompts, corrections: the clicks of every plane of the image that has some. box: on the
    plane that is shown. result, doubt: the result whose mask, and whose doubt, is drawn there.
    ring_size: the diameter of the ring round the mouse, image pixels, before the first click.
    """

    image: str | None = None
    index: PlaneIndex | None = None
    prompts: tuple[PlaneClicks, ...] = ()
    corrections: tuple[PlaneClicks, ...] = ()
    box: Box | None = None
    result: SegmentResult | None = None
    doubt: SegmentResult | None = None
    ring_size: float | None = None


def resolve(session: Session, image: str | None, options: ViewOptions) -> ViewState:
    """The state that layers are brought to.

    image: the lasting name of the chosen image; None, and a session that still works on a plane
    of another image, show no plane.
    """
    if image is None:
        return ViewState()
    states = [state for state in session.plane_states if state.plane.key.image == image]
    prompts, corrections = [], []
    for state in states:
        prompt, index = state.active_object.prompt, state.plane.key.index
        if prompt.points:
            prompts.append(PlaneClicks(index, prompt.points))
        if prompt.corrections:
            corrections.append(PlaneClicks(index, prompt.corrections))
    everywhere = ViewState(image, prompts=tuple(prompts), corrections=tuple(corrections))
    plane, active = session.plane, session.active_object
    if plane is None or active is None or plane.key.image != image:
        return everywhere
    return ViewState(
        image=image,
        index=plane.key.index,
        prompts=everywhere.prompts,
        corrections=everywhere.corrections,
        box=options.dragged_box or active.prompt.box,
        result=active.result,
        doubt=active.result if options.show_doubt else None,
        ring_size=session.typical_size if active.untouched else None,
    )
