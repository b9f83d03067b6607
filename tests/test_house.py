"""The readers of `tests.house` find what they are for, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import house

STATE = """
from itertools import count
SEEN = {}
NUMBERS = count()
NAMES = ["a"]

def remember(key, value):
    SEEN[key] = value
    NAMES.sort

def number():
    return next(NUMBERS)

def copy():
    NAMES = []
    NAMES.append("b")
    return NAMES

class Kept:
    shared = []
    constant = ("a", "b")

    def set_it(self):
        self.mine = []
        Kept.constant = ()
        type(self).other = 1
"""

PARAMETERS = """
def four(a, b, c, d): ...
def three(a, b, c, *, d): ...
class Owner:
    def four(self, a, b, c, d): ...
    def three(self, a, b, c): ...
    @staticmethod
    def bare(a, b, c, d): ...
    @classmethod
    def of(cls, a, b, c): ...
"""


@pytest.fixture
def modules(tmp_path: Path) -> dict[str, house.Module]:
    files = {
        "it/__init__.py": "from it import alone\n",
        "it/alone.py": "",
        "it/first.py": "from it.second import thing\nfrom it import alone\n",
        "it/second.py": "def later():\n    from it import third\n",
        "it/third.py": "from . import first\n",
        "it/typed.py": "from it import used\n",
        "it/used.py": "if TYPE_CHECKING:\n    from it.typed import Thing\n",
        "it/state.py": STATE,
        "it/parameters.py": PARAMETERS,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return house.read_modules(tmp_path)


def test_a_circle_is_found_through_lazy_and_relative_imports(
    modules: dict[str, house.Module],
) -> None:
    found = house.circles(house.import_graph(modules))
    assert found == [["it.first", "it.second", "it.third"]]


def test_the_longest_chain_ends_where_nothing_more_is_imported() -> None:
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": {"d"}, "d": set(), "e": {"d"}}
    assert house.longest_chain(graph) == ["a", "b", "c", "d"]


def test_state_of_a_class_is_told_from_its_constants(modules: dict[str, house.Module]) -> None:
    assert house.class_state(modules) == ["Kept.constant", "Kept.shared", "type(...).other"]


def test_state_of_a_module_is_what_its_functions_change(modules: dict[str, house.Module]) -> None:
    assert house.module_state(modules) == ["state.NUMBERS", "state.SEEN"]


def test_self_and_cls_are_not_counted_as_parameters(modules: dict[str, house.Module]) -> None:
    assert house.many_positional(modules) == ["four", "Owner.four", "Owner.bare"]
