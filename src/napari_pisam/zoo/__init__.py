"""The named models: where their weights are, their licences, and their downloads.

Downloads are verified by checksums, are resumed, and can come from a mirror. Nothing is downloaded
unless ``download`` or ``fetch`` is called.
"""

from __future__ import annotations

from napari_pisam.zoo.models import (
    DEFAULT_MODEL,
    ZOO,
    ModelNotFoundError,
    ZooEntry,
    find,
    notice,
)
from napari_pisam.zoo.store import (
    CACHE_VARIABLE,
    MIRROR_VARIABLE,
    DownloadCancelledError,
    cache_dir,
    download,
    fetch,
    is_at_hand,
    local_path,
    resolve,
    source_url,
    weights_dir,
)
from napari_pisam.zoo.transfer import DownloadError, Patience

__all__ = [
    "CACHE_VARIABLE",
    "DEFAULT_MODEL",
    "MIRROR_VARIABLE",
    "ZOO",
    "DownloadCancelledError",
    "DownloadError",
    "ModelNotFoundError",
    "Patience",
    "ZooEntry",
    "cache_dir",
    "download",
    "fetch",
    "find",
    "is_at_hand",
    "local_path",
    "notice",
    "resolve",
    "source_url",
    "weights_dir",
]
