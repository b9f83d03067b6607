"""Where model files are kept on this machine, and their downloads."""

from __future__ import annotations

import contextlib
import importlib.resources
import logging
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from napari_pisam.jobs import Progress, finish
from napari_pisam.zoo.models import ZOO, ModelNotFoundError, ZooEntry, find
from napari_pisam.zoo.transfer import DownloadError, Patience, fill

MIRROR_VARIABLE = "PISAM_MIRROR"
CACHE_VARIABLE = "PISAM_CACHE"


class DownloadCancelledError(DownloadError):
    """A download was stopped on request; what came so far is kept."""


def cache_dir() -> Path:
    """The folder of downloaded models: PISAM_CACHE, else the user's cache; may not exist yet."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import pooch  # a quarter of a second to import

    return Path(pooch.os_cache("napari-pisam"))


def weights_dir() -> Path:
    """The folder of the embedded models."""
    return Path(str(importlib.resources.files("napari_pisam"))) / "weights"


def local_path(entry: ZooEntry) -> Path:
    """The path of an entry's file, which need not be downloaded yet."""
    return (weights_dir() if entry.embedded else cache_dir()) / entry.filename


def is_at_hand(entry: ZooEntry) -> bool:
    """Whether the file is on this machine, of the right size where that is known."""
    path = local_path(entry)
    return path.is_file() and entry.size in (None, path.stat().st_size)


def source_url(entry: ZooEntry) -> str:
    """Where ``download`` takes the file from: the mirror if one is set, else its authors."""
    mirror = os.environ.get(MIRROR_VARIABLE, "").strip()
    if not mirror:
        return entry.url or ""
    if not mirror.startswith(("http://", "https://")):
        raise DownloadError(
            f"{MIRROR_VARIABLE} is '{mirror}'; an address that begins with https:// or http:// "
            "was expected."
        )
    return f"{mirror.rstrip('/')}/{entry.filename}"


def resolve(name_or_path: str | Path) -> Path:
    """The file behind a name of the zoo or a path; never downloads.

    Raises ModelNotFoundError, whose sentence says how to get the model.
    """
    if isinstance(name_or_path, Path) or name_or_path not in ZOO:
        path = Path(name_or_path).expanduser()
        if path.exists():
            return path
        if isinstance(name_or_path, str) and len(path.parts) == 1 and not path.suffix:
            find(name_or_path)
        raise ModelNotFoundError(f"There is no file '{path}'.")
    entry = ZOO[name_or_path]
    path = local_path(entry)
    if is_at_hand(entry):
        return path
    if entry.embedded:
        raise ModelNotFoundError(f"'{path}' is missing from this installation: install it again.")
    state = f"is {path.stat().st_size} bytes long, not {entry.size}" if path.exists() else "is not"
    raise ModelNotFoundError(
        f"'{path}' {state} there: run `pisam models download {entry.name}`, or put the file there."
    )


def fetch(model: str | ZooEntry) -> Path:
    """Download a model if need be, without looking at the progress; see ``download``."""
    return finish(download(model))


def download(
    model: str | ZooEntry,
    *,
    cancelled: Callable[[], bool] | None = None,
    patience: Patience | None = None,
) -> Generator[Progress, None, Path]:
    """Download a model, yielding the progress several times a second; return its path.

    An interrupted download is resumed where it stopped, in this call and in the next one: the
    bytes received are in a ``.part`` file. Stop it by closing the generator, or with ``cancelled``,
    called at each step (a stalled server delays that by ``patience.read``). Raises DownloadError.
    """
    entry = find(model) if isinstance(model, str) else model
    target = local_path(entry)
    if entry.embedded:
        return resolve(entry.name)
    if _is_sound(target, entry):
        return target
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"The folder '{target.parent}' cannot be made ({error.strerror}): name another one in "
            f"{CACHE_VARIABLE}."
        ) from error
    for progress in fill(part, source_url(entry), entry.size, patience=patience or Patience()):
        if cancelled is not None and cancelled():
            raise DownloadCancelledError(
                f"The download of {entry.name} was stopped; the next one goes on from there."
            )
        yield progress
    _adopt(part, target, entry)
    return target


def _is_sound(path: Path, entry: ZooEntry) -> bool:
    import pooch

    if not path.is_file():
        return False
    algorithm, _, digest = (entry.hash or "").partition(":")
    return bool(pooch.file_hash(str(path), alg=algorithm) == digest)


def _adopt(part: Path, target: Path, entry: ZooEntry) -> None:
    """Let pooch compare the checksum and move the complete file to its place."""
    import pooch

    def hand_over(url: str, output_file: str, caller: object) -> None:
        os.replace(part, output_file)

    try:
        with _quiet(pooch.get_logger()):
            pooch.retrieve(
                source_url(entry),
                known_hash=entry.hash,
                fname=target.name,
                path=target.parent,
                downloader=hand_over,
            )
    except ValueError as error:
        raise DownloadError(
            f"What {urlsplit(source_url(entry)).netloc} sent is not {entry.filename} (its checksum "
            "differs) and was removed: download it again, or from another place."
        ) from error


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    # pooch would announce a download at the moment when it has ended. Not setLevel: this logger
    # stands outside logging's tree, which would leave its cache of levels stale.
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
