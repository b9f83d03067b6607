"""What the panel shows follows from session, layers and options alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_pisam.prompts import Click
from napari_pisam.widgets.segment_dock import modes
from napari_pisam.widgets.segment_dock.dock_state import (
    NEW_LABELS,
    NO_IMAGES,
    Layers,
    dock_state,
)
from napari_pisam.widgets.segment_dock.modes import Situation, mode_of
from tests.session.test_session import Desktop

CELLS = Situation(image="cells", selected="Pi-SAM prompts")
ELSEWHERE = replace(CELLS, listens=False, selected="other")


@pytest.fixture
def desktop() -> Desktop:
    """A session on one plane, whose results come at once."""
    return Desktop()


def test_without_layers_there_is_nothing_to_choose_and_nothing_to_press(desktop: Desktop) -> None:
    desktop.session.look_at(None)
    state = dock_state(desktop.session, Situation(), Layers())
    assert state.mode is modes.NO_IMAGE
    assert (state.images.names, state.images.row) == ((NO_IMAGES,), 0)
    assert (state.labels.names, state.labels.row) == ((NEW_LABELS,), 0)
    assert state.enabled == {"unsure"}


def test_layers_are_offered_in_their_order_and_new_labels_last() -> None:
    layers = Layers(images=["b", "a"], image=1, labels=["mine"], target=None)
    state = dock_state(Desktop().session, CELLS, layers)
    assert (state.images.names, state.images.row) == (("b", "a"), 1)
    assert (state.labels.names, state.labels.row) == (("mine", NEW_LABELS), 1)
    assert dock_state(Desktop().session, CELLS, replace(layers, target=0)).labels.row == 0


def test_buttons_can_be_pressed_once_they_make_sense(desktop: Desktop) -> None:
    before = dock_state(desktop.session, CELLS, Layers()).enabled
    desktop.session.click(Click(20, 20, True))
    after = dock_state(desktop.session, CELLS, Layers()).enabled
    assert before == {"box", "unsure"}
    assert after - before == {"keep", "drop", "undo", "doubt"}


def test_the_last_result_stays_until_there_is_another(desktop: Desktop) -> None:
    desktop.session.click(Click(20, 20, True))
    shown = dock_state(desktop.session, CELLS, Layers()).result
    assert shown is not None
    desktop.session.drop()
    assert dock_state(desktop.session, CELLS, Layers()).result is None
    assert dock_state(desktop.session, CELLS, Layers(), last_result=shown).result is shown


@pytest.mark.parametrize(
    ("situation", "mode"),
    [
        (replace(CELLS, image=None), modes.NO_IMAGE),
        (replace(CELLS, clicks_on=False), modes.PAUSED),
        (replace(CELLS, listens=False, selected=None), modes.NO_IMAGE),
        (replace(CELLS, box_mode=True), modes.BOX),
        (CELLS, modes.START),
    ],
)
def test_the_mode_of_a_plane_on_which_nothing_was_clicked(
    desktop: Desktop, situation: Situation, mode: modes.Mode
) -> None:
    assert mode_of(desktop.session, situation) is mode


@pytest.mark.parametrize(
    ("situation", "words"),
    [
        (replace(ELSEWHERE, other_image=True), "Choose it as the image above"),
        (replace(ELSEWHERE, has_shapes=True), "Press Box"),
        (replace(ELSEWHERE, tool="paint"), "move tool"),
        (ELSEWHERE, "in the layer list"),
    ],
)
def test_where_clicks_go_to_another_layer_the_banner_says_what_to_do(
    desktop: Desktop, situation: Situation, words: str
) -> None:
    mode = mode_of(desktop.session, situation)
    assert mode.name == "paused"
    assert "other" in mode.title
    assert words in mode.hint


def test_while_a_result_is_awaited_the_banner_says_the_stage() -> None:
    desktop = Desktop(at_once=False)
    desktop.session.click(Click(20, 20, True))
    for stage, title in (("", "Looking …"), ("load", modes.STAGES["load"])):
        mode = mode_of(desktop.session, replace(CELLS, stage=stage))
        assert (mode.name, mode.title) == ("busy", title)


def test_with_a_mask_the_banner_says_what_a_click_would_do(desktop: Desktop) -> None:
    desktop.session.click(Click(20, 20, True))
    wanted = {"": modes.CORRECT, "adds": modes.ADDING, "removes": modes.REMOVING}
    for pointed, mode in wanted.items():
        assert mode_of(desktop.session, replace(CELLS, pointed=pointed)) is mode
