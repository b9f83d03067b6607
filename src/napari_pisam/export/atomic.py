"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class SaveError(OSError):
    """A file that could not be written; its message is one sentence for the user."""


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends well, else vanishes.

    Whatever happens, `path` holds either all of the old or all of the new. Raises SaveError, one
    sentence: disk full, no permission, no such folder.
    """
    target = Path(path).resolve()
    draft = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        with open(draft, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except OSError as error:
        raise SaveError(_cannot_save(target, error)) from error
    finally:
        draft.unlink(missing_ok=True)


def _cannot_save(target: Path, error: OSError) -> str:
    kept = " The file that was there is unchanged." if target.exists() else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        reason = "the disk is full: free some space, or save elsewhere."
    elif isinstance(error, FileNotFoundError):
        reason = f"the folder {target.parent} does not exist: create it, or save elsewhere."
    elif isinstance(error, PermissionError):
        reason = "writing there is not permitted: save elsewhere, or close what holds the file."
    elif isinstance(error, IsADirectoryError):
        reason = "it is a folder: give the name of a file."
    else:
        reason = f"{error.strerror or error}: save elsewhere."
    return f"{target.name} was not saved, {reason}{kept}"
