"""The house rules that a machine can hold: what each room imports, and how long things may be.

import-linter (`tox run -e lint`) reads the sources; here each room is imported in a fresh process
and `sys.modules` is read, which also sees what a dependency drags in.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

import napari_pisam
from tests import house
from tests.house import Module

PACKAGE = Path(napari_pisam.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

QT = {"PyQt5", "PyQt6", "PySide2", "PySide6", "qtpy", "superqt"}
VIEWER = QT | {"napari", "magicgui", "vispy"}
FORBIDDEN = {
    "datasets": VIEWER | {"napari_pisam.export", "torch"},
    "geometry": VIEWER | {"scipy", "torch"},
    "export": VIEWER | {"torch", "napari_pisam.datasets", "napari_pisam.prompts"},
    "jobs": VIEWER | {"numpy", "torch"},
    "masks": VIEWER | {"napari_pisam.prompts", "torch"},
    "prompts": VIEWER | {"scipy", "torch"},
    "metrics": VIEWER | {"torch"},
    "simulate": VIEWER | {"torch"},
    "model": VIEWER | {"napari_pisam.images", "napari_pisam.prompts", "zarr", "tifffile"},
    "images": VIEWER | {"napari_pisam.prompts", "torch"},
    "zoo": VIEWER,
    "predict": VIEWER | {"napari_pisam.train"},
    "session": VIEWER | {"napari_pisam.train"},
    "train": VIEWER | {"napari_pisam.predict"},
    "evaluate": VIEWER | {"napari_pisam.session"},
    "cli": VIEWER | {"napari_pisam.widgets"},
    "widgets": {"napari_pisam.evaluate", "napari_pisam.train"},
}

# Today's longest chain of imports inside widgets; house.LEVELS_OF_WIDGETS is where it shall be.
LEVELS_TODAY = 8

# Functions whose positional parameters are laid down by somebody else's call.
FOREIGN = {
    "_BagDeform.forward",  # torch.autograd.Function.apply
}

IMPORT_ROOM = """
import importlib, json, pkgutil, sys
room = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(getattr(room, "__path__", ()), room.__name__ + "."):
    importlib.import_module(module.name)
sys.stdout.write("\\n" + json.dumps(sorted(sys.modules)))
"""


def modules_after_importing(name: str) -> set[str]:
    """Names in `sys.modules` of a fresh process that imported that module and all under it."""
    # The warnings of other packages' import time are not what is tested here.
    command = [sys.executable, "-W", "ignore", "-c", IMPORT_ROOM, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_imports_nothing_heavy() -> None:
    command = [sys.executable, "-c", "import sys, napari_pisam; print(*sys.modules)"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & (VIEWER | {"torch", "numpy", "scipy", "zarr", "skimage", "typer"})


@pytest.mark.parametrize(
    "room",
    [*sorted(FORBIDDEN.keys() - {"widgets"}), pytest.param("widgets", marks=pytest.mark.viewer)],
)
def test_a_room_loads_nothing_that_is_forbidden_to_it(room: str) -> None:
    assert not modules_after_importing(f"napari_pisam.{room}") & FORBIDDEN[room]


def table_of_imports() -> dict[str, set[str]]:
    """Who may import whom, as docs/architecture.md says."""
    rows = [line.split("|")[1:-1] for line in house.PAGE.read_text("utf-8").splitlines()]
    floors = [row for row in rows if len(row) == 4 and row[0].strip().isdecimal()]
    allowed = {}
    for _, rooms, named, _ in floors:
        words = set(re.findall(r"[a-z]+", named.partition(";")[0]))
        everything = FORBIDDEN.keys() - {"session", "widgets"}
        for room in re.findall(r"`([a-z]+)`", rooms):
            allowed[room] = set(everything) if "everything" in words else words & FORBIDDEN.keys()
    return allowed


def test_the_floors_of_the_page_are_those_of_the_contract() -> None:
    settings = tomllib.loads((house.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["id"] == "layers")
    of_contract = {
        room: number
        for number, floor in enumerate(reversed(layers), 1)
        for room in floor.split(" | ")
    }
    rows = re.findall(r"^\| (\d) \| `([a-z]+)` \|", house.PAGE.read_text(encoding="utf-8"), re.M)
    assert {room: int(number) for number, room in rows} == of_contract


def rooms_imported_by(room: str) -> set[str]:
    """The other rooms that its modules name in their import statements."""
    paths = [path for path in SOURCES if path.relative_to(PACKAGE).parts[0] in (room, f"{room}.py")]
    names: set[str] = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "napari_pisam":
                names |= {f"napari_pisam.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
    found = {name.split(".")[1] for name in names if name.startswith("napari_pisam.")}
    return (found & FORBIDDEN.keys()) - {room}


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_a_room_imports_only_the_rooms_that_the_page_names(room: str) -> None:
    assert rooms_imported_by(room) <= table_of_imports()[room]


def test_every_room_has_its_rule() -> None:
    rooms = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists())
    }
    assert rooms - {"__init__"} == set(FORBIDDEN)


@pytest.mark.parametrize("name", [n for n in napari_pisam.__all__ if n != "__version__"])
def test_a_public_name_is_found_where_it_lives(name: str) -> None:
    assert getattr(napari_pisam, name).__name__ == name
    assert getattr(napari_pisam, name).__module__.startswith("napari_pisam.")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = napari_pisam.nonsense


def test_the_version_is_the_distributions() -> None:
    assert distribution("napari-pisam").version == napari_pisam.__version__


def test_the_command_and_the_plugin_are_registered() -> None:
    points = {
        (point.group, point.name): point.value
        for point in distribution("napari-pisam").entry_points
    }
    assert points["console_scripts", "pisam"] == "napari_pisam.cli:main"
    assert points["napari.manifest", "napari-pisam"] == "napari_pisam:napari.yaml"


@pytest.mark.parametrize("file", ["napari.yaml", "py.typed", "weights"])
def test_the_package_carries_its_data(file: str) -> None:
    assert (PACKAGE / file).exists()


def test_no_qt_binding_is_among_the_dependencies() -> None:
    required = [r for r in distribution("napari-pisam").requires or () if "extra ==" not in r]
    assert required
    assert not [r for r in required if r.lower().startswith(("pyqt", "pyside", "napari["))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_has_at_most_400_lines_and_a_function_50(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 400
    too_long = [
        f"{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > 50
    ]
    assert not too_long


@pytest.fixture(scope="module")
def modules() -> dict[str, Module]:
    return house.read_modules()


def test_parameters_after_the_third_are_keyword_only(modules: dict[str, Module]) -> None:
    assert not [name for name in house.many_positional(modules) if name not in FOREIGN]


def test_a_class_has_at_most_250_lines(modules: dict[str, Module]) -> None:
    assert not house.long_classes(modules)


def test_no_state_is_kept_on_a_class(modules: dict[str, Module]) -> None:
    assert not house.class_state(modules)


def test_no_function_changes_what_its_module_keeps(modules: dict[str, Module]) -> None:
    assert not house.module_state(modules)


def test_modules_import_each_other_in_no_circle_even_lazily(modules: dict[str, Module]) -> None:
    assert not house.circles(house.import_graph(modules))


def test_imports_inside_widgets_have_few_levels(modules: dict[str, Module]) -> None:
    chain = house.levels_of_widgets(modules)
    assert len(chain) <= LEVELS_TODAY, chain


def test_the_page_shows_the_figures_of_today(modules: dict[str, Module]) -> None:
    page = house.PAGE.read_text(encoding="utf-8")
    assert house.figures_table(modules) in page, "run: python -m tests.house --write"


@pytest.mark.viewer
def test_the_viewer_wing_needs_no_qt() -> None:
    assert not modules_after_importing("napari_pisam.widgets.viewer") & QT


def test_no_file_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"util", "utils", "misc", "common", "helper", "helpers"}
    assert not [path for path in SOURCES if path.stem.strip("_") in drawers]
