"""The few colours that mean something, told apart with any kind of colour vision.

Blue against orange (Okabe and Ito, "Color Universal Design", 2008), and never colour alone: the
symbols differ too.
"""

from __future__ import annotations

ADDS = "#56b4e9"
REMOVES = "#e69f00"
UNDECIDED = "#f0f0f0"
BORDER = "#101010"
OUTLINE = "#f0e442"
FILL = "#0072b2"
DOUBT = "#d55e00"


def rgba(colour: str, alpha: float) -> tuple[float, float, float, float]:
    """A colour as four numbers in 0..1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue, alpha
