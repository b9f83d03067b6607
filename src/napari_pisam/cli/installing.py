"""What to type to install what is missing."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

DISTRIBUTION = "napari-pisam"


def how_to_install(extra: str) -> str:
    """The command that adds an extra, from the checkout where the package came from one."""
    checkout = _checkout()
    return f'pip install "{checkout or DISTRIBUTION}[{extra}]"'


def _checkout() -> Path | None:
    """The folder that the package was installed from, if it is still there."""
    try:
        about = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        where = urlparse(json.loads(about or "{}").get("url", ""))
    except (importlib.metadata.PackageNotFoundError, ValueError, AttributeError):
        return None
    folder = Path(url2pathname(where.path))
    return folder if where.scheme == "file" and (folder / "pyproject.toml").is_file() else None
