"""Whether this machine can open a viewer: Qt's system libraries, and a screen or Xvfb.

The engine and the command line need neither, so a machine without them still runs their tests;
what is left out is said at the top of the run. With CI set nothing may be left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

REMEDY = "On Debian or Ubuntu .ci/run installs what is missing; elsewhere its list is a guide."

# Qt aborts the process when a library of its screen plugin is missing: ask the loader instead.
_LOAD_QT = """
import ctypes, pathlib, PyQt6
from PyQt6 import QtWidgets
plugin = pathlib.Path(PyQt6.__file__).parent / "Qt6/plugins/platforms/libqxcb.so"
if plugin.exists():
    ctypes.CDLL(str(plugin))
"""


def why_no_viewer() -> str | None:
    """One sentence that says why no viewer can be opened here, or None."""
    loaded = subprocess.run(
        [sys.executable, "-c", _LOAD_QT], capture_output=True, text=True, check=False
    )
    if loaded.returncode:
        last = (loaded.stderr.strip() or "it ended without a word").splitlines()[-1]
        return f"Qt does not load here ({last})."
    screenless = sys.platform.startswith("linux") and not os.environ.get("DISPLAY")
    if screenless and shutil.which("Xvfb") is None:
        return "There is neither a screen (DISPLAY) nor Xvfb here."
    return None
