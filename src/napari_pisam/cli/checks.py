"""The checks of `pisam doctor`. napari and Qt are not imported, only looked for."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_pisam.cli.installing import DISTRIBUTION, how_to_install

Mark = Literal["ok", "note", "MISSING"]

_OLDEST_PYTHON = (3, 11)
_QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
# Room for the smallest model to download, bytes.
_USEFUL_SPACE = 400_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check, a line of the report; MISSING: nothing works without it."""

    mark: Mark
    what: str
    words: str


def all_checks() -> Iterator[Check]:
    """Every line of the report, in its order."""
    yield _python()
    yield from packages()
    yield from _torch()
    yield from embedded_model()
    yield from viewer()
    yield _training()
    yield from _downloads()


def _python() -> Check:
    words = f"{platform.python_version()} on {platform.platform(terse=True)}"
    if sys.version_info < _OLDEST_PYTHON:
        oldest = ".".join(map(str, _OLDEST_PYTHON))
        return Check("MISSING", "Python", f"{words}; Python {oldest} or newer is needed")
    return Check("ok", "Python", words)


def packages() -> Iterator[Check]:
    """This package and each one that it requires without an extra: its version, or its absence."""
    version = _version(DISTRIBUTION)
    if version is None:
        words = f"not installed as a package: pip install {DISTRIBUTION}"
        yield Check("MISSING", DISTRIBUTION, words)
        return
    yield Check("ok", DISTRIBUTION, version)
    required = importlib.metadata.requires(DISTRIBUTION) or []
    names = dict.fromkeys(_name(line) for line in required if "extra ==" not in line)
    found = {name: _version(name) for name in names}
    there = ", ".join(f"{name} {found[name]}" for name in names if found[name])
    yield Check("ok", "packages", there or "none")
    for name in names:
        if found[name] is None:
            yield Check("MISSING", name, f"not installed: pip install {name}")


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return match[0] if match else requirement


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _torch() -> Iterator[Check]:
    try:
        import torch
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        yield Check("MISSING", "torch", f"cannot be imported: {reason}")
        return
    from napari_pisam.model.policy import choose_device, choose_dtype

    device = choose_device("auto")
    dtype = str(choose_dtype("auto", device)).removeprefix("torch.")
    yield Check("ok", "device", _device_in_words(device.type))
    yield Check("ok", "number format", f"{dtype}, because {_reason(device.type, dtype)}")
    yield threads(torch.get_num_threads(), os.cpu_count() or 1)


def _device_in_words(kind: str) -> str:
    import torch

    if kind == "cuda":
        return f"cuda ({torch.cuda.get_device_name()}), the quickest that is there"
    if kind == "mps":
        return "mps (Apple's graphics), the quickest that is there"
    built = "this build of torch is for the CPU" if torch.version.cuda is None else "none is found"
    capability = torch.backends.cpu.get_cpu_capability()
    return f"cpu ({platform.machine()}, {capability}); a graphics card would be used, but {built}"


def _reason(device: str, dtype: str) -> str:
    if dtype == "bfloat16":
        return "this device multiplies bfloat16 in hardware"
    if dtype == "float16":
        return "this graphics card is quick in float16 and has no bfloat16"
    if device == "cpu":
        return "this CPU has no bfloat16 arithmetic (AVX512-BF16 or AMX), where float32 is quicker"
    return "it is exact, and nothing shorter is known to be quicker there"


def threads(used: int, cores: int) -> Check:
    """How many threads torch takes; a note where it is one although there are more cores."""
    words = f"torch uses {used} of {cores} cores"
    limit = os.environ.get("OMP_NUM_THREADS")
    if limit:
        words += f" (OMP_NUM_THREADS is {limit})"
    return Check("note" if used == 1 < cores else "ok", "threads", words)


def embedded_model() -> Iterator[Check]:
    """Whether the model that comes with the package is there and readable, and which others are."""
    from napari_pisam import zoo

    entry = zoo.ZOO[zoo.DEFAULT_MODEL]
    try:
        from napari_pisam.model.checkpoint import read_state

        path = zoo.resolve(entry.name)
        read_state(path)
    except (ImportError, OSError, ValueError) as error:
        yield Check("MISSING", "model", " ".join(str(error).split()))
    else:
        size = path.stat().st_size / 1e6
        yield Check("ok", "model", f"{entry.name}, {size:.1f} MB, part of the package")
    others = [e.name for e in zoo.ZOO.values() if not e.embedded and zoo.is_at_hand(e)]
    if others:
        yield Check("ok", "more models", ", ".join(others))


def viewer() -> Iterator[Check]:
    """Whether napari can open a window: its version, a Qt binding, a screen."""
    version = _version("napari")
    if version is None:
        yield Check("note", "napari", "not installed; the shell and Python work without it")
        return
    yield Check("ok", "napari", version)
    bindings = [name for name in _QT_BINDINGS if importlib.util.find_spec(name) is not None]
    if bindings:
        yield Check("ok", "Qt", ", ".join(f"{b} {_version(b) or ''}".strip() for b in bindings))
    else:
        words = f"no Qt binding, so no viewer: {how_to_install('qt')}"
        yield Check("note", "Qt", words)
    screens = (os.environ.get("DISPLAY"), os.environ.get("WAYLAND_DISPLAY"))
    if sys.platform == "linux" and not any(screens):
        yield Check("note", "screen", "none (DISPLAY is not set), so no viewer from this shell")


def _training() -> Check:
    needed = {"lightning_fabric": "lightning-fabric", "tensorboard": "tensorboard"}
    lacking = [name for module, name in needed.items() if importlib.util.find_spec(module) is None]
    if lacking:
        words = f"{', '.join(lacking)} not installed: {how_to_install('train')}"
        return Check("note", "training", words)
    return Check("ok", "training", f"lightning-fabric {_version('lightning-fabric') or ''}")


def _downloads() -> Iterator[Check]:
    try:
        from napari_pisam import zoo

        folder = zoo.cache_dir()
    except ImportError as error:
        yield Check("MISSING", "downloads", " ".join(str(error).split()))
        return
    yield cache_folder(folder)
    free = shutil.disk_usage(_nearest(folder)).free
    mark: Mark = "ok" if free > _USEFUL_SPACE else "note"
    yield Check(mark, "free disk", f"{free / 1e9:.1f} GB where models are kept")


def cache_folder(folder: Path) -> Check:
    """Whether downloaded models can be written where they are kept."""
    nearest = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        words = f"{folder} cannot be written ({error.strerror}): set PISAM_CACHE to another folder"
        return Check("note", "models folder", words)
    made = "" if nearest == folder else " (made at the first download)"
    return Check("ok", "models folder", f"{folder}{made}")


def _nearest(folder: Path) -> Path:
    """The folder itself, or the first one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())
