"""Starting the command: what it loads, how it fails, its version and help."""

from __future__ import annotations

import subprocess
import sys

import pytest

import napari_pisam
from napari_pisam import cli
from tests.cli.toy import one_sentence, run

Capture = pytest.CaptureFixture[str]
HEAVY = ("torch", "numpy", "scipy", "zarr", "PIL", "skimage", "napari", "qtpy")

LOADED = """
import sys
from napari_pisam.cli import main
code = main(sys.argv[1:])
sys.stderr.write(" ".join(sys.modules))
sys.exit(code)
"""


def modules_after(*words: str) -> set[str]:
    """Names in `sys.modules` of a fresh process after `pisam WORDS`, which must succeed."""
    command = [sys.executable, "-c", LOADED, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip()
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "words", [("--help",), ("--version",), ("segment", "--help"), (), ("models", "--help")]
)
def test_help_and_version_load_nothing_heavy(words: tuple[str, ...]) -> None:
    assert not modules_after(*words) & set(HEAVY)


def test_the_list_of_models_loads_no_torch() -> None:
    assert "torch" not in modules_after("models", "list")


def test_a_wrong_command_line_is_refused_before_torch_is_loaded() -> None:
    command = [sys.executable, "-c", LOADED, "segment", "absent.tif", "-o", "o.tif"]
    done = subprocess.run([*command, "--point", "1,2"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "absent.tif does not exist" in done.stderr
    assert "torch" not in done.stderr.split()


def test_segmenting_loads_no_viewer(tmp_path: object) -> None:
    command = [sys.executable, "-c", "import sys, napari_pisam.cli.cutting; print(*sys.modules)"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & {"napari", "qtpy", "skimage", "zarr", "lightning_fabric", "pooch"}


def test_the_module_runs_as_the_command() -> None:
    command = [sys.executable, "-m", "napari_pisam.cli", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"napari-pisam {napari_pisam.__version__}\n"


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_the_help_names_every_command(capsys: Capture, words: tuple[str, ...]) -> None:
    written = run(capsys, *words)
    assert written.code == 0
    for name in ("segment", "models", "doctor", "demo", "train", "evaluate"):
        assert f" {name} " in written.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("segmnt",), "No such command 'segmnt'"),
        (("segment", "--pont", "1,2"), "No such option: --pont"),
        (("segment",), "`pisam segment --help`"),
        (("models", "info"), "`pisam models info --help`"),
    ],
)
def test_a_typing_error_is_one_sentence(
    capsys: Capture, words: tuple[str, ...], sentence: str
) -> None:
    written = run(capsys, *words)
    assert written.code == 2
    assert sentence in one_sentence(written)


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (MemoryError(), 1, "The memory does not suffice"),
        (RuntimeError("CUDA out of memory.\nTried to allocate"), 1, "The memory does not suffice"),
        (OSError(30, "Read-only file system", "/x"), 1, "/x: Read-only file system."),
        (ImportError("No module named 'zarr'"), 1, "`pisam doctor`"),
        (KeyError("bug"), 1, "This should not happen (KeyError: 'bug')"),
    ],
)
def test_every_error_is_one_sentence(
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    sentence: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("napari_pisam.zoo.is_at_hand", fail)
    written = run(capsys, "models", "list")
    assert written.code == code
    assert sentence in one_sentence(written)


def test_ctrl_c_gives_the_shells_exit_code_and_no_message(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_pisam.zoo.is_at_hand", stop)
    written = run(capsys, "models", "list")
    assert (written.code, written.err) == (130, "")


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m napari_pisam.cli models list | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_a_console_that_lacks_characters_loses_no_work() -> None:
    command = [sys.executable, "-c", "from napari_pisam.cli import main; main(['models', 'list'])"]
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert b"pisam-tiny" in done.stdout


def test_the_entry_point_is_a_function_that_returns_an_exit_code() -> None:
    assert cli.main(["--version"]) == 0
