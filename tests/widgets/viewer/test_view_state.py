"""What is to be seen, from a session alone: no viewer, no layer."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from napari_pisam.images.source import as_source
from napari_pisam.prompts import Box, Click
from napari_pisam.session.label_store import ArrayLabelStore
from napari_pisam.session.options import Options
from napari_pisam.session.plane import ImagePlane, PlaneKey
from napari_pisam.session.session import Session
from napari_pisam.widgets.viewer.view_state import PlaneClicks, ViewOptions, ViewState, resolve
from tests.session.discs import DiscEngine

SEEN = ViewOptions()


def plane(position: int = 0, *, image: str = "cells") -> ImagePlane:
    source = as_source(np.zeros((60, 80), np.uint8))
    return ImagePlane(PlaneKey(image, (position, None, None)), source, "")


def a_session(*, answered: bool = True) -> Session:
    """A session on plane 0 of "cells", whose requests are answered at once, or never."""
    session = Session(ArrayLabelStore(np.zeros((3, 60, 80), np.uint16)))
    if answered:
        session.requested.connect(lambda found: session.accept(DiscEngine().at_once(found)))
    session.look_at(plane())
    return session


def test_without_an_image_nothing_is_seen() -> None:
    assert resolve(a_session(), None, SEEN) == ViewState()


def test_the_same_session_resolves_to_equal_states() -> None:
    session = a_session()
    session.click(Click(20, 30))
    state = resolve(session, "cells", SEEN)
    assert state == resolve(session, "cells", SEEN)
    session.click(Click(20, 60, None))
    assert state != resolve(session, "cells", SEEN)


def test_clicks_of_every_plane_of_the_image_are_seen_and_the_result_of_the_one_shown() -> None:
    session = a_session()
    session.click(Click(20, 30))
    first = resolve(session, "cells", SEEN).result
    session.look_at(plane(2))
    session.click(Click(40, 50))
    state = resolve(session, "cells", SEEN)
    assert state.index == (2, None, None)
    assert state.prompts == (
        PlaneClicks((0, None, None), (Click(20, 30),)),
        PlaneClicks((2, None, None), (Click(40, 50),)),
    )
    assert state.corrections == ()
    active = session.active_object
    assert active is not None
    assert state.result is active.result
    assert state.result is not first


def test_a_session_that_still_works_on_another_image_shows_no_plane_of_this_one() -> None:
    session = a_session()
    session.click(Click(20, 30))
    session.set_box(Box(10, 10, 30, 40))
    state = resolve(session, "tissue", SEEN)
    assert state == ViewState("tissue")


def test_doubt_is_seen_only_when_it_is_chosen() -> None:
    session = a_session()
    session.click(Click(20, 30))
    hidden = resolve(session, "cells", SEEN)
    shown = resolve(session, "cells", ViewOptions(show_doubt=True))
    assert hidden.doubt is None
    assert shown.doubt is shown.result is hidden.result is not None


def test_a_box_that_is_dragged_is_seen_in_the_place_of_the_prompts() -> None:
    session = a_session()
    session.set_box(Box(10, 10, 30, 40))
    dragged = Box(1, 2, 3, 4)
    assert resolve(session, "cells", SEEN).box == Box(10, 10, 30, 40)
    assert resolve(session, "cells", ViewOptions(dragged_box=dragged)).box == dragged


def test_the_ring_of_the_typical_size_is_there_before_the_first_click_only() -> None:
    session = a_session()
    assert resolve(session, "cells", SEEN).ring_size is None
    session.options = Options(object_size=20)
    assert resolve(session, "cells", SEEN).ring_size == 20
    session.click(Click(40, 60))
    assert resolve(session, "cells", SEEN).ring_size is None


def test_no_plane_is_shown_while_the_session_has_none() -> None:
    session = a_session()
    session.click(Click(20, 30))
    session.look_at(None)
    state = resolve(session, "cells", SEEN)
    assert (state.index, state.result, state.box) == (None, None, None)
    assert [p.clicks for p in state.prompts] == [(Click(20, 30),)]


def test_it_imports_neither_napari_nor_qt() -> None:
    script = (
        "import sys, napari_pisam.widgets.viewer.view_state; "
        "print({'napari', 'qtpy', 'vispy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
