"""From the options of the command line to clicks, boxes, channels and planes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_pisam.cli.messages import BadOptionError

if TYPE_CHECKING:
    from napari_pisam.prompts import Box, Click, Prompt

_SIGNS = {"+": True, "-": False}


def click_of(text: str, option: str, *, positive: bool) -> Click:
    """A click from "Y,X" in image pixels. Raises BadOptionError."""
    from napari_pisam.prompts import Click

    y, x = _numbers(text.split(","), text, f"{option} wants Y,X in image pixels, as in 120,200")
    return Click(y, x, positive)


def correction_of(text: str) -> Click:
    """A correction from "Y,X", "Y,X,+" or "Y,X,-"; without a sign the mask decides."""
    from napari_pisam.prompts import Click

    parts = text.split(",")
    sign = _SIGNS.get(parts[-1].strip()) if len(parts) == 3 else None
    place = parts[:-1] if sign is not None else parts
    wanted = "--correct wants Y,X in image pixels, as in 120,200, or with a sign, as in 120,200,+"
    y, x = _numbers(place, text, wanted)
    return Click(y, x, sign)


def box_of(text: str) -> Box:
    """A box from "Y0,X0,Y1,X1", any two opposite corners, in image pixels."""
    from napari_pisam.prompts import Box

    wanted = "--box wants Y0,X0,Y1,X1 in image pixels, as in 20,40,180,220"
    y0, x0, y1, x1 = _numbers(text.split(","), text, wanted, count=4)
    if y0 == y1 or x0 == x1:
        raise BadOptionError(f"{wanted}; the box '{text}' has no extent.")
    return Box(min(y0, y1), min(x0, x1), max(y0, y1), max(x0, x1))


def prompt_of(
    points: Sequence[str],
    not_points: Sequence[str],
    *,
    boxes: Sequence[str],
    corrections: Sequence[str],
) -> Prompt:
    """The one object that options describe. Raises BadOptionError when they do not say where."""
    from napari_pisam.prompts import Prompt

    if len(boxes) > 1:
        raise BadOptionError("An object has one --box; for several objects use --prompts FILE.csv.")
    prompt = Prompt(
        points=(
            *(click_of(text, "--point", positive=True) for text in points),
            *(click_of(text, "--not-point", positive=False) for text in not_points),
        ),
        box=box_of(boxes[0]) if boxes else None,
        corrections=tuple(correction_of(text) for text in corrections),
    )
    if prompt.empty:
        raise BadOptionError("Say where the object is: --point Y,X or --box Y0,X0,Y1,X1.")
    return prompt


def channels_of(text: str | None) -> tuple[int, ...] | None:
    """Channel numbers from "0,1"; None stays None."""
    if text is None:
        return None
    parts = text.split(",")
    if not 1 <= len(parts) <= 3 or not all(part.strip().isdecimal() for part in parts):
        raise BadOptionError(
            f"--channels wants one to three channel numbers, as in 0 or 2,0,1, not '{text}'."
        )
    return tuple(int(part) for part in parts)


def stack_plane_of(text: str | None) -> dict[str, int] | None:
    """The plane of a stack from "z=3" or "t=0,z=3"; None stays None."""
    if text is None:
        return None
    chosen = {}
    for part in text.split(","):
        axis, _, number = part.partition("=")
        if not axis.strip() or not number.strip().isdecimal():
            raise BadOptionError(f"--plane wants AXIS=NUMBER, as in z=3 or t=0,z=3, not '{text}'.")
        chosen[axis.strip()] = int(number)
    return chosen


def check_writable(folder: Path) -> None:
    """Raise BadOptionError where no file can be made, which else is found out after the work."""
    if not folder.resolve().is_dir():
        raise BadOptionError(f"There is no folder '{folder}': make it first.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadOptionError(
            f"Nothing can be written to the folder '{folder}' ({reason}): choose another."
        ) from None


def _numbers(parts: Sequence[str], text: str, wanted: str, *, count: int = 2) -> list[float]:
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    # Comparing with itself and with infinity leaves out what is no place in an image.
    if len(values) != count or not all(abs(v) < float("inf") for v in values):
        raise BadOptionError(f"{wanted}, not '{text}'.")
    return values
