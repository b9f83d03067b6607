"""Anything may happen to any layer at any moment: a sentence at most, no kept object is lost.

Two viewer models with a workspace each, layers that both show, and answers that come when they
like. Thousands of random actions; what must hold is checked after each.
"""

from __future__ import annotations

import gc
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points

from napari_pisam.masks.cleaning import Cleaning
from napari_pisam.masks.packed import PackedMask
from napari_pisam.predict.request import SegmentRequest
from napari_pisam.prompts import Box, Click
from napari_pisam.session.journal import read_journal
from napari_pisam.session.label_edit import Overlap
from napari_pisam.session.objects import ObjectEdit
from napari_pisam.session.options import Options
from napari_pisam.widgets.viewer.prompt_layers import CORRECTIONS, PROMPTS, plane_clicks
from napari_pisam.widgets.viewer.workspace import Workspace
from tests.session.discs import DiscEngine
from tests.widgets.viewer.chances import (
    HEIGHT,
    MAY_TAKE_AWAY,
    WEIGHTS,
    WIDTH,
    Chance,
    chances,
    names,
)

EXAMPLES, STEPS = 20, 120


def kept_in(work: Workspace) -> dict[Any, PackedMask]:
    """Every kept object by its labels, number and plane, with its mask."""
    return {(o.store, o.label, o.index): o.mask for o in work.session.registry.everywhere()}


class LayersMachine(RuleBasedStateMachine):
    folder: Path
    actions = 0
    objects = 0
    done: ClassVar[Counter[str]] = Counter()

    @initialize()
    def begin(self) -> None:
        self.viewer, self.other = ViewerModel(), ViewerModel()
        self.engine = DiscEngine()
        self.message: list[str] = []
        self.open: list[SegmentRequest] = []
        self._open_workspace()
        self.elsewhere, self.open_elsewhere = self.work, self.open
        self.viewer, self.other = self.other, self.viewer
        self._open_workspace()
        self.add_image(Chance(0, 0, 0, 0, True))

    def _open_workspace(self) -> None:
        self.work = Workspace(self.viewer, folder=self.folder)
        self.open = []
        self.work.session.requested.connect(self.open.append)
        self.work.session.written.connect(self._count)
        self.work.message.connect(lambda level, text: self.message.append(text))

    def _count(self, edit: ObjectEdit) -> None:
        LayersMachine.objects += len(edit.added) > len(edit.removed)

    @rule(name=names, chance=chances)
    def act(self, name: str, chance: Chance) -> None:
        LayersMachine.actions += 1
        LayersMachine.done[name] += 1
        works = (self.work, self.elsewhere)
        before = [kept_in(work) for work in works]
        getattr(self, name)(chance)
        if name not in MAY_TAKE_AWAY:
            for work, kept in zip(works, before, strict=True):
                now = kept_in(work)
                lost = [key for key, mask in kept.items() if now.get(key) != mask]
                assert not lost, f"{name} lost or changed the kept objects {lost}"

    # What people do with the plugin.

    def make_an_object(self, chance: Chance) -> None:
        if self.work.view.image is None:
            self.add_image(chance)
        self.viewer.dims.ndisplay = 2
        self.work.session.drop()
        self.work.session.click(Click(chance.y, chance.x, None))
        if not chance.flag:
            self.answers_arrive(chance)
        self.work.session.click(Click(chance.pick, chance.to, None))
        self.work.keep()
        if not chance.flag:
            self.answers_arrive(chance)

    def click(self, chance: Chance) -> None:
        sign = (None, None, True, False)[chance.pick % 4]
        self.work.session.click(Click(chance.y, chance.x, sign), prompt=chance.flag)

    def answers_arrive(self, chance: Chance) -> None:
        for _ in range(1 if chance.flag else len(self.open)):
            if self.open:
                request = self.open.pop(-1 if chance.to % 2 else 0)
                self.work.session.accept(self.engine.at_once(request))

    def an_answer_fails(self, chance: Chance) -> None:
        if self.open:
            self.work.session.fail(self.open.pop(0).id, "It failed.")

    def keep_or_drop(self, chance: Chance) -> None:
        if chance.flag:
            self.work.keep()
        else:
            self.work.drop()

    def undo_or_redo(self, chance: Chance) -> None:
        session = self.work.session
        for _ in range(1 + chance.to % 3):
            (session.undo, session.undo, session.redo, session.flip)[chance.pick % 4]()

    def box(self, chance: Chance) -> None:
        self.work.view.layer_sync.show_dragged_box(
            Box(chance.y, chance.x, chance.y + 1, chance.x + 1)
        )
        self.work.view.layer_sync.show_dragged_box(None)
        side = 1 + chance.pick
        self.work.session.set_box(Box(chance.y, chance.x, chance.y + side, chance.x + side))

    def refine(self, chance: Chance) -> None:
        leading = (0.0,) * (self.viewer.dims.ndim - 2)
        self.viewer.cursor.position = (*leading, float(chance.y), float(chance.x))
        self.work.refine_under_cursor()

    def object_list(self, chance: Chance) -> None:
        kept = chance.of(self.work.objects)
        if kept is not None:
            (self.work.reopen, self.work.remove, self.work.show_object)[chance.to % 3](kept)

    def options(self, chance: Chance) -> None:
        area = chance.pick % 9
        self.work.session.options = Options(
            overlap=list(Overlap)[chance.to % 3], cleaning=Cleaning(area, area)
        )

    def choose_image(self, chance: Chance) -> None:
        self.work.view.image_choice.choose(chance.of(self.work.view.image_choice.images()))

    def choose_target(self, chance: Chance) -> None:
        layers: list[Labels | None] = [None, *self.work.view.label_layers.layers()]
        self.work.view.label_layers.choose(chance.of(layers))

    def put_back(self, chance: Chance) -> None:
        self.work.view.label_layers.put_back()

    def switch(self, chance: Chance) -> None:
        commands = (
            self.work.toggle_unsure,
            self.work.toggle_box_mode,
            self.work.go_to_doubt,
            self.work.session.request_again,
        )
        commands[chance.pick % 4]()

    def close_and_open_again(self, chance: Chance) -> None:
        if not chance.flag:
            return
        late, asks = self.work, list(self.open)
        self._journal_tells_what_was_kept()
        late.close()
        for request in asks:
            late.session.accept(self.engine.at_once(request))
        self._open_workspace()

    def go_to_the_other_viewer(self, chance: Chance) -> None:
        self.viewer, self.other = self.other, self.viewer
        self.work, self.elsewhere = self.elsewhere, self.work
        self.open, self.open_elsewhere = self.open_elsewhere, self.open

    # What people do to layers.

    def add_image(self, chance: Chance) -> None:
        if len(self.work.view.image_choice.images()) > 2:
            return
        kind = chance.pick % 4
        shape = [(HEIGHT, WIDTH), (3, HEIGHT, WIDTH), (HEIGHT, WIDTH, 3), (HEIGHT, WIDTH)][kind]
        data = np.zeros(shape, np.uint8)
        if kind == 3:
            self.viewer.add_image([data, data[::2, ::2]], multiscale=True, contrast_limits=(0, 1))
            return
        scale = (2.0, 0.5, 0.5)[-3 if kind == 1 else -2 :]
        self.viewer.add_image(data, scale=scale, rgb=kind == 2, contrast_limits=(0, 1))

    def add_labels(self, chance: Chance) -> None:
        if len(self.work.view.label_layers.layers()) < 3:
            shape = (HEIGHT, WIDTH) if chance.flag else (7, 9)
            self.viewer.add_labels(np.zeros(shape, np.uint8))

    def delete_a_layer(self, chance: Chance) -> None:
        layer = chance.of(self.viewer.layers)
        if layer is not None:
            self.viewer.layers.remove(layer)

    def delete_all_layers(self, chance: Chance) -> None:
        if chance.flag:
            self.viewer.layers.clear()
            self.other.layers.clear()

    def change_a_layer(self, chance: Chance) -> None:
        layers, layer = list(self.viewer.layers), chance.of(self.viewer.layers)
        if layer is None:
            return
        what = chance.to % 8
        if what == 0:
            layer.name = ("", "x", "Pi-SAM prompts", "Pi-SAM mask")[chance.y % 4]
        elif what == 1:
            self.viewer.layers.move(chance.pick % len(layers), chance.to % len(layers))
        elif what == 2:
            layer.visible = not layer.visible
        elif what == 3 and len(layers) < 12:
            # As napari duplicates: with data of its own.
            data, *rest = layer.as_layer_data_tuple()
            self.viewer.add_layer(Layer.create(deepcopy(data), *rest))
        elif what == 4 and all(found is not layer for found in self.other.layers):
            self.other.layers.append(layer)
        elif what == 5:
            self.viewer.layers.selection.active = layer
        elif what == 6 and isinstance(layer, Image | Points):
            layer.scale = [(0.5, 1.0, 3.0)[chance.y % 3]] * layer.ndim
        elif what == 7 and isinstance(layer, Image) and not layer.multiscale:
            layer.data = np.ones_like(layer.data)

    def move_sliders(self, chance: Chance) -> None:
        self.viewer.dims.ndisplay = 3 if chance.to % 5 == 0 else 2
        if self.viewer.dims.ndim > 2:
            self.viewer.dims.set_current_step(0, chance.pick % 4)
        if chance.to % 7 == 0:
            self.viewer.dims.roll()

    def points_by_hand(self, chance: Chance) -> None:
        layer = self.work.view.helpers.find(PROMPTS if chance.flag else CORRECTIONS)
        if layer is None:
            return
        row = (chance.pick % 3, chance.y, chance.x)[-layer.ndim :]
        what = chance.to % 4
        if what < 2:
            layer.add(row)
        elif what == 2 and len(layer.data):
            layer.selected_data = {chance.pick % len(layer.data)}
            layer.remove_selected()
        elif what == 3:
            layer.data = np.array([row] * (chance.pick % 3), float).reshape(-1, layer.ndim)

    def brush_by_hand(self, chance: Chance) -> None:
        layer = self.work.view.label_layers.layer
        if layer is None:
            return
        place = (
            chance.pick % 3,
            min(max(chance.y, 0), HEIGHT - 1),
            min(max(chance.x, 0), WIDTH - 1),
        )
        layer.brush_size, layer.n_edit_dimensions = 1 + chance.pick, 2 + chance.flag
        what, label = chance.to % 6, chance.pick % 4
        if what < 4:
            # As napari's tools do it: one entry of the history for all of a stroke.
            with layer.block_history():
                (layer.paint, layer.fill)[what % 2](place[-layer.ndim :], label)
        elif layer.visible:
            (layer.undo, layer.redo)[what - 4]()

    # What must hold.

    @invariant()
    def every_kept_object_is_in_its_labels(self) -> None:
        for kept in self.work.session.registry.everywhere():
            store = self.work.view.label_layers.find(kept.store)
            assert store is not None
            where = tuple(slice(None) if p is None else p for p in kept.index)
            plane = np.asarray(store.layer.data[where])
            placed = kept.mask.placed().in_image(*plane.shape)
            assert np.array_equal(plane == kept.label, placed)

    @invariant()
    def kept_labels_are_in_the_viewer_or_can_be_put_back(self) -> None:
        targets = self.work.view.label_layers
        held = {targets.store_of(layer).key for layer in targets.layers()}
        held |= {targets.store_of(layer).key for layer in targets.orphans}
        assert {kept.store for kept in self.work.session.registry.everywhere()} <= held

    @invariant()
    def the_points_are_the_prompt(self) -> None:
        view, session = self.work.view, self.work.session
        if session.plane is None or session.active_object is None:
            return
        prompt, index = session.active_object.prompt, session.plane.key.index
        for role, clicks in ((PROMPTS, prompt.points), (CORRECTIONS, prompt.corrections)):
            layer = view.helpers.find(role)
            if layer is not None:
                seen = plane_clicks(layer, role, index)
                assert [(c.y, c.x) for c in seen] == [(c.y, c.x) for c in clicks]

    @invariant()
    def the_chosen_image_is_in_the_viewer(self) -> None:
        image = self.work.view.image
        assert image is None or any(layer is image for layer in self.viewer.layers)

    @invariant()
    def what_is_said_is_a_sentence(self) -> None:
        assert all("\n" not in text and text.endswith((".", "!")) for text in self.message)

    def _journal_tells_what_was_kept(self) -> None:
        """After a crash at this moment every object would be offered again, pixel for pixel."""
        told = {}
        path = self.work.journaling.journal.path
        for found in read_journal(path) if path.exists() else ():
            for o in found.objects:
                told[o.store, o.label, o.index] = o.mask
        assert told == kept_in(self.work)

    def teardown(self) -> None:
        if hasattr(self, "work"):
            self._journal_tells_what_was_kept()
            self.work.close()
            self.elsewhere.close()
        gc.collect()


def test_layers_survive_everything(tmp_path: Path) -> None:
    class Machine(LayersMachine):
        folder = tmp_path

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            # Making a failure smaller takes minutes: allow Phase.shrink when there is one.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert LayersMachine.actions >= 2000
    assert set(LayersMachine.done) == set(WEIGHTS)
    assert LayersMachine.objects >= 100, "hardly anything was kept: the actions prove little"
