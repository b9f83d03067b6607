"""One file over HTTP into a ``.part`` file, resumed where it stopped."""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections.abc import Generator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from napari_pisam.jobs import Progress

if TYPE_CHECKING:
    from requests import Response

_CHUNK = 1 << 16
# Room left on the disk beside the download itself, bytes.
_SPARE = 16 << 20
# Seconds between two reports of progress.
_REPORT_INTERVAL = 0.1
_WAYS_OUT = "try again later, set PISAM_MIRROR, or see the offline recipe in the documentation"


class DownloadError(OSError):
    """A download failed; the message is one sentence for the user."""


class _Interrupted(Exception):  # noqa: N818 - it is no error before all attempts are used up
    """The server stalled, broke off or was busy: another attempt may succeed."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, seconds, and how often to try while nothing new comes."""

    connect: float = 10.0
    read: float = 20.0
    attempts: int = 3
    pause: float = 1.0


def fill(
    part: Path, url: str, size: int | None, *, patience: Patience
) -> Generator[Progress, None, None]:
    """Complete ``part`` with what lies at ``url``, from where it ends, yielding bytes done.

    size: bytes that the whole file must have, None if unknown. Breaks are mended as long as each
    try brings something new. What came is kept whenever this ends early, except where the file
    turns out to be longer than the whole. Raises DownloadError.
    """
    best, fruitless = _length(part), 0
    while True:
        try:
            yield from _stream(part, url, size, patience=patience)
            return
        except _Interrupted as broken:
            done = _length(part)
            fruitless = 0 if done > best else fruitless + 1
            best = max(best, done)
            if fruitless >= patience.attempts:
                raise DownloadError(
                    f"{urlsplit(url).netloc} {broken}; the {done} bytes that came are kept: "
                    f"{_WAYS_OUT}."
                ) from broken
        yield Progress(done, size)
        time.sleep(patience.pause)


def _stream(
    part: Path, url: str, size: int | None, *, patience: Patience
) -> Generator[Progress, None, None]:
    """One request: the rest of the file, or all of it where the server knows no ranges."""
    import requests  # slow to import, and most sessions download nothing

    start = _length(part)
    if start == size:
        return
    # Compressed on the way, a range would count other bytes than those of the file.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    waits = (patience.connect, patience.read)
    try:
        with requests.get(url, headers=headers, stream=True, timeout=waits) as response:
            _refuse_other_answers(response)
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                _settle_unsatisfiable(response, part, start)
                return
            start, total = _span(response, part, start)
            _refuse_wrong_total(response, total, size)
            whole = size if total is None else total
            yield from _save(response, part, start, total=whole)
    except requests.exceptions.SSLError as error:
        raise DownloadError(
            f"The secure connection to {urlsplit(url).netloc} failed: check the clock and the "
            "certificates of this machine."
        ) from error
    except requests.exceptions.Timeout as error:
        raise _Interrupted("does not answer") from error
    except (
        requests.exceptions.ConnectionError,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        stalled = "timed out" in str(error)
        raise _Interrupted("stalls" if stalled else "cannot be reached or broke off") from error
    except requests.exceptions.RequestException as error:
        raise DownloadError(f"'{url}' cannot be downloaded: {error}.") from error


def _refuse_other_answers(response: Response) -> None:
    host, code = urlsplit(response.url).netloc, response.status_code
    if code == 429 or code >= 500:
        raise _Interrupted(f"answers {code} ({response.reason})")
    if code not in (200, 206, 416):
        raise DownloadError(
            f"{host} has no such file to give ({code} {response.reason}): {_WAYS_OUT}."
        )
    if "text/html" in response.headers.get("Content-Type", ""):
        raise DownloadError(
            f"{host} sends a web page instead of the file; perhaps this network asks for a login "
            "first."
        )


def _settle_unsatisfiable(response: Response, part: Path, start: int) -> None:
    """The server has no bytes from ``start`` on: all is here, or something else is."""
    if response.headers.get("Content-Range", "").strip() == f"bytes */{start}":
        return
    part.unlink()
    raise _Interrupted("holds a shorter file than the part that came before")


def _span(response: Response, part: Path, start: int) -> tuple[int, int | None]:
    """Where the coming bytes belong, and the length of the whole file if the server says."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    found = re.fullmatch(
        r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip()
    )
    if not found or int(found[1]) != start:
        part.unlink(missing_ok=True)
        raise _Interrupted("sends another range than it was asked for")
    return start, int(found[2]) if found[2] != "*" else None


def _refuse_wrong_total(response: Response, total: int | None, size: int | None) -> None:
    if None not in (total, size) and total != size:
        raise DownloadError(
            f"{urlsplit(response.url).netloc} offers {total} bytes where the file has {size}: it "
            "is another file; check PISAM_MIRROR."
        )


def _save(
    response: Response, part: Path, start: int, *, total: int | None
) -> Generator[Progress, None, None]:
    _refuse_full_disk(part, start, total)
    done, reported = start, time.monotonic()
    yield Progress(done, total)
    with _opened(part, start) as stream:
        for chunk in response.iter_content(_CHUNK):
            _write(stream, chunk, part)
            done += len(chunk)
            if total is not None and done > total:
                break
            if time.monotonic() - reported >= _REPORT_INTERVAL:
                yield Progress(done, total)
                reported = time.monotonic()
    if total is not None and done < total:
        raise _Interrupted("broke off")
    yield Progress(done, total)


def _opened(part: Path, start: int) -> FileIO:
    # Unbuffered, so that a refusal of the disk comes from write() and nowhere later.
    try:
        return part.open("ab" if start else "wb", buffering=0)
    except OSError as error:
        raise DownloadError(f"'{part}' cannot be written: {error.strerror}.") from error


def _write(stream: FileIO, chunk: bytes, part: Path) -> None:
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[stream.write(rest) :]
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        reason = "the disk is full" if full else error.strerror
        raise DownloadError(
            f"'{part}' cannot be written further, {reason}: make room, or name another folder in "
            "PISAM_CACHE, and start again; what came is kept."
        ) from error


def _refuse_full_disk(part: Path, start: int, total: int | None) -> None:
    # A file that starts anew gives back the room of its old part.
    free = shutil.disk_usage(part.parent).free + (0 if start else _length(part))
    if total is not None and total - start + _SPARE > free:
        raise DownloadError(
            f"The disk of '{part.parent}' has {free >> 20} MB free and {(total - start) >> 20} MB "
            "are to come: make room, or name another folder in PISAM_CACHE."
        )


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
