"""Outlines of drawn objects in window pixels, so that their truth is exact at any size.

Every kind is a function of a random generator, the window's side and the object's span; it gives
the objects of a scene, the one to ask for first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import Voronoi

Points = NDArray[np.float64]
MOST_OBJECTS = 24
OVERSAMPLE = 2


@dataclass(frozen=True, eq=False)
class Part:
    """A piece of an object, (n, 2) points as (x, y) in pixels.

    width: of a line through the points; 0 for a filled polygon. hole: takes away what is under it.
    """

    points: Points
    width: float = 0.0
    hole: bool = False


@dataclass(frozen=True, eq=False)
class Outline:
    """One object, its parts drawn in order."""

    parts: tuple[Part, ...]

    def moved(self, x: float, y: float) -> Outline:
        """The same object somewhere else."""
        shift = np.array([x, y])
        return Outline(tuple(Part(p.points + shift, p.width, p.hole) for p in self.parts))


@dataclass(frozen=True, eq=False)
class Coverage:
    """share uint8 (h, w), 0..255 for the covered share of a pixel; its first pixel is at (y, x)."""

    y: int
    x: int
    share: NDArray[np.uint8]


def rasterised(outline: Outline, size: int) -> Coverage | None:
    """The covered share of the window's pixels on the object's own rectangle; None outside."""
    low = np.min([p.points.min(0) - p.width for p in outline.parts if not p.hole], 0) - 1
    high = np.max([p.points.max(0) + p.width for p in outline.parts if not p.hole], 0) + 2
    x0, y0 = (int(v) for v in np.clip(np.floor(low), 0, size))
    x1, y1 = (int(v) for v in np.clip(np.ceil(high), 0, size))
    if x1 <= x0 or y1 <= y0:
        return None
    canvas = Image.new("L", ((x1 - x0) * OVERSAMPLE, (y1 - y0) * OVERSAMPLE))
    draw = ImageDraw.Draw(canvas)
    for part in outline.parts:
        points = (part.points - (x0, y0) + 0.5) * OVERSAMPLE
        path = [(float(x), float(y)) for x, y in points]
        fill = 0 if part.hole else 255
        if part.width:
            width = max(1, round(part.width * OVERSAMPLE))
            draw.line(path, fill=fill, width=width, joint="curve" if width > 4 else None)
        elif len(path) > 2:
            draw.polygon(path, fill=fill)
    return Coverage(y0, x0, np.asarray(canvas.reduce(OVERSAMPLE)))


def _smooth(rng: np.random.Generator, count: int, spread: float, *, wrap: bool = True) -> Points:
    """Correlated noise of unit deviation along `count` places."""
    mode = "wrap" if wrap else "nearest"
    field: Points = ndimage.gaussian_filter1d(rng.standard_normal(count), spread, mode=mode)
    unit: Points = field / (field.std() + 1e-9)
    return unit


def _round(rng: np.random.Generator, span: float, *, rough: float | None = None) -> Points:
    """A closed curve about the origin: an ellipse with smooth bulges."""
    n = 72
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    rough = float(rng.uniform(0, 0.22)) if rough is None else rough
    radius = 1 + rough * _smooth(rng, n, rng.uniform(2, 12))
    radius = np.clip(radius, 0.3, 2)
    flat = rng.uniform(0.35, 1)
    curve = np.stack([np.cos(angle) * radius, np.sin(angle) * radius * flat], 1)
    curve = _turned(curve, rng.uniform(0, 2 * np.pi))
    scaled: Points = curve * span / np.ptp(curve, 0).max()
    return scaled


def _turned(points: Points, angle: float) -> Points:
    c, s = np.cos(angle), np.sin(angle)
    turned: Points = points @ np.array([[c, -s], [s, c]])
    return turned


def _blob(rng: np.random.Generator, span: float) -> Outline:
    return Outline((Part(_round(rng, span)),))


def _ring(rng: np.random.Generator, span: float) -> Outline:
    outer = _round(rng, span)
    inner = outer * rng.uniform(0.4, 0.9) + rng.normal(0, 0.02, 2) * span
    return Outline((Part(outer), Part(inner, hole=True)))


def _holed(rng: np.random.Generator, span: float) -> Outline:
    outer = _round(rng, span)
    holes = []
    for _ in range(int(rng.integers(1, 7))):
        at = outer[rng.integers(len(outer))] * rng.uniform(0, 0.75)
        holes.append(Part(_round(rng, span * rng.uniform(0.06, 0.25)) + at, hole=True))
    return Outline((Part(outer), *holes))


def _leaf(rng: np.random.Generator, span: float) -> Outline:
    """A pointed blade with teeth along its rim, on a stalk."""
    n = 160
    along = np.linspace(0, 1, n)
    half = np.sin(np.pi * along ** rng.uniform(0.6, 1.3)) * rng.uniform(0.12, 0.4)
    teeth = int(rng.integers(5, 26))
    tooth = 1 + rng.uniform(0.03, 0.3) * (1 - (along * teeth) % 1)
    bend = rng.normal(0, 0.12) * np.sin(np.pi * along)
    upper = np.stack([along, bend + half * tooth], 1)
    lower = np.stack([along, bend - half * tooth], 1)[::-1]
    stalk = np.array([[-rng.uniform(0.1, 0.5), bend[0]], [0.05, bend[0]]])
    angle = rng.uniform(0, 2 * np.pi)
    blade = _turned(np.concatenate([upper, lower]) - (0.5, 0), angle) * span
    stem = _turned(stalk - (0.5, 0), angle) * span
    return Outline((Part(blade), Part(stem, width=rng.uniform(1, max(1.5, span / 40)))))


def _walk(
    rng: np.random.Generator, start: Points, angle: float, *, length: float, sharp: bool
) -> Points:
    """A path of given length: a crack's with sharp turns, else a filament's with smooth ones."""
    n = int(np.clip(length / 5, 8, 60))
    if sharp:
        turns = rng.normal(0, 0.5, n)
        turns -= np.cumsum(turns) * 0.4
    else:
        turns = 0.18 * _smooth(rng, n, rng.uniform(1, 5), wrap=False)
    angles = angle + np.cumsum(turns)
    steps = np.stack([np.cos(angles), np.sin(angles)], 1) * length / n
    path: Points = np.concatenate([start[None], start + np.cumsum(steps, 0)])
    return path


def _branching(rng: np.random.Generator, span: float, *, sharp: bool) -> Outline:
    """Paths that leave a trunk and get thinner, down to a pixel."""
    parts: list[Part] = []
    width = float(np.exp(rng.uniform(np.log(1.5), np.log(max(2.0, min(span / 14, 16))))))
    first = np.zeros(2) - span * np.array([0.5, 0.0])
    waiting = [(first, 0.0, span, width, 0)]
    thinner, most = rng.uniform(0.5, 0.8), int(rng.integers(1, 4))
    while waiting and len(parts) < 120:
        start, angle, length, thick, level = waiting.pop(0)
        path = _walk(rng, start, angle, length=length, sharp=sharp)
        runs = np.array_split(np.arange(len(path) - 1), 3)
        for i, run in enumerate(runs):
            taper = 1 - (1 - thinner) * i / 2
            parts.append(Part(path[run[0] : run[-1] + 2], width=max(1.0, thick * taper)))
        if level >= most or thick < 1.2:
            continue
        for _ in range(int(rng.integers(1, 5))):
            at = int(rng.integers(1, len(path) - 1))
            step = path[at + 1] - path[at]
            turn = rng.choice((-1, 1)) * rng.uniform(0.4, 1.2)
            waiting.append(
                (
                    path[at],
                    float(np.arctan2(step[1], step[0]) + turn),
                    length * rng.uniform(0.3, 0.7),
                    thick * thinner,
                    level + 1,
                )
            )
    angle = rng.uniform(0, 2 * np.pi)
    return Outline(tuple(Part(_turned(p.points, angle), p.width) for p in parts))


def _tree(rng: np.random.Generator, span: float) -> Outline:
    return _branching(rng, span, sharp=False)


def _crack(rng: np.random.Generator, span: float) -> Outline:
    return _branching(rng, span, sharp=True)


def _mesh(rng: np.random.Generator, span: float) -> Outline:
    """Jittered lines of a grid."""
    n = int(rng.integers(3, 7))
    steps = np.linspace(-span / 2, span / 2, n)
    nodes = np.stack(np.meshgrid(steps, steps), -1) + rng.normal(0, span / n / 6, (n, n, 2))
    width = float(np.exp(rng.uniform(np.log(1), np.log(max(1.5, span / n / 4)))))
    return Outline(tuple(Part(p, width=width) for p in (*nodes, *nodes.transpose(1, 0, 2))))


Single = Callable[[np.random.Generator, float], Outline]


def _scattered(
    single: Single, rng: np.random.Generator, size: int, *, span: float
) -> list[Outline]:
    """The asked object about the middle of the window, others of its kind anywhere."""
    middle = size / 2 + rng.normal(0, 0.04, 2) * size
    found = [single(rng, span).moved(*middle)]
    room = 2 + int(0.8 * (size / max(span, 8)) ** 2)
    count = min(int(rng.integers(0, room)), MOST_OBJECTS)
    for _ in range(count):
        found.append(single(rng, span * rng.uniform(0.5, 1.3)).moved(*rng.uniform(0, size, 2)))
    return found


def _voronoi(rng: np.random.Generator, size: int, span: float, *, gap: float) -> list[Outline]:
    """Cells between seeds that share their borders, which are bent."""
    pitch = max(span, 12.0) / 1.15
    n = int(np.ceil(size / pitch)) + 4
    grid = np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 2) - (n - 1) / 2
    seeds = (grid + rng.uniform(-0.42, 0.42, grid.shape) * rng.uniform(0.3, 1)) * pitch + size / 2
    cells = Voronoi(seeds)
    bend, borders = rng.uniform(0, 0.09), dict[tuple[int, int], Points]()
    order = np.argsort(((seeds - size / 2) ** 2).sum(1))
    found = []
    for seed in order[:MOST_OBJECTS]:
        corners = cells.regions[cells.point_region[seed]]
        if -1 in corners or len(corners) < 3:
            continue
        rim = np.concatenate(
            [
                _border(cells.vertices, a, b, rng=rng, bend=bend, known=borders)
                for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)
            ]
        )
        centre = rim.mean(0)
        reach = np.abs(rim - centre).max()
        found.append(Outline((Part(centre + (rim - centre) * max(0.2, 1 - gap / reach)),)))
    return found


def _border(
    vertices: Points,
    a: int,
    b: int,
    *,
    rng: np.random.Generator,
    bend: float,
    known: dict[tuple[int, int], Points],
) -> Points:
    """The bent way from one corner to the next, the same for both cells that it parts."""
    key = (min(a, b), max(a, b))
    if key not in known:
        first, last = vertices[key[0]], vertices[key[1]]
        t = np.linspace(0, 1, 8)[:, None]
        across = np.array([first[1] - last[1], last[0] - first[0]])
        wave = bend * _smooth(rng, 8, 1.0, wrap=False)[:, None] * np.sin(np.pi * t)
        known[key] = first + (last - first) * t + across * wave
    way = known[key] if key[0] == a else known[key][::-1]
    return way[:-1]


def _grains(rng: np.random.Generator, size: int, span: float) -> list[Outline]:
    return _voronoi(rng, size, span, gap=0.0)


def _cells(rng: np.random.Generator, size: int, span: float) -> list[Outline]:
    return _voronoi(rng, size, span, gap=float(rng.uniform(0.5, 4)))


def _lamellae(rng: np.random.Generator, size: int, span: float) -> list[Outline]:
    """Wavy layers across the window, of which every second is an object."""
    n, reach = 48, size * 0.75
    along = np.linspace(-reach, reach, n)
    thick = max(3.0, span * rng.uniform(0.08, 0.5))
    wave = _smooth(rng, n, rng.uniform(4, 12), wrap=False) * size * rng.uniform(0, 0.06)
    angle, found, at = rng.uniform(0, np.pi), list[Outline](), -thick / 2
    sides = [at]
    while len(sides) < 2 * MOST_OBJECTS and at < reach:
        at += thick * rng.uniform(0.6, 1.4)
        sides.append(at)
    lines = []
    for side in sides:
        own = side + wave + _smooth(rng, n, 3, wrap=False) * thick * rng.uniform(0, 0.12)
        lines.append(_turned(np.stack([along, own], 1), angle) + size / 2)
    for upper, lower in zip(lines[::2], lines[1::2], strict=False):
        found.append(Outline((Part(np.concatenate([upper, lower[::-1]])),)))
    return found


def _alone(single: Single) -> Callable[[np.random.Generator, int, float], list[Outline]]:
    def scene(rng: np.random.Generator, size: int, span: float) -> list[Outline]:
        return _scattered(single, rng, size, span=span)

    return scene


KINDS: dict[str, tuple[float, Callable[[np.random.Generator, int, float], list[Outline]]]] = {
    "blobs": (2.0, _alone(_blob)),
    "rings": (1.0, _alone(_ring)),
    "holed": (1.0, _alone(_holed)),
    "leaves": (1.2, _alone(_leaf)),
    "trees": (2.0, _alone(_tree)),
    "cracks": (1.5, _alone(_crack)),
    "meshes": (0.5, _alone(_mesh)),
    "cells": (1.5, _cells),
    "grains": (1.5, _grains),
    "lamellae": (0.8, _lamellae),
}
"""What is drawn: how often, and the function that gives a scene's outlines."""
