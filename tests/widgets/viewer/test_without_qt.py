"""The viewer wing works without Qt: no module of it names Qt, and importing it loads none."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from napari_pisam.widgets import viewer

QT = (
    "PyQt5",
    "PyQt6",
    "PySide2",
    "PySide6",
    "magicgui",
    "napari._qt",
    "napari.qt",
    "qtpy",
    "superqt",
)
MODULES = sorted(Path(viewer.__file__).parent.glob("*.py"))


def names_in(source: str) -> set[str]:
    """Every module that import statements name, at the top and inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def qt_in(names: set[str]) -> set[str]:
    return {name for name in names if any(f"{name}.".startswith(f"{qt}.") for qt in QT)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_names_no_qt(path: Path) -> None:
    assert not qt_in(names_in(path.read_text(encoding="utf-8")))


def test_the_qt_part_of_napari_would_be_found() -> None:
    assert qt_in(names_in("def f():\n    from napari.qt.threading import create_worker"))
    assert not qt_in(names_in("from napari.layers import Labels"))


def test_importing_all_of_it_loads_no_qt() -> None:
    script = """
import importlib, pkgutil, sys
room = importlib.import_module("napari_pisam.widgets.viewer")
for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
    importlib.import_module(module.name)
print(*sys.modules)
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not qt_in(set(done.stdout.split()))
