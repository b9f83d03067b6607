"""How long the window stands still, and how soon a click is a painted mask: a real window.

`python -m benchmarks.gui` runs in a process of its own, on the screen or under Xvfb: 100 clicks
with the mouse on an image of 4096 x 4096 pixels, answered by the embedded model. Beats that are
sent to the window every millisecond tell how long it did not listen.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.repaints import model_at_work, repaints

SIDE = 4096
CLICKS = 100
CLICKS_EACH = 4
WARM_UP = 8
STALL_MAX_SECONDS = 0.05
OPENING_MAX_SECONDS = 1.0
BEAT_SECONDS = 0.001
LOOK_SECONDS = 0.004
PAUSE_MILLISECONDS = 30
QUESTION_MAX_SECONDS = 120.0


@dataclass(slots=True)
class Fluency:
    """What was seen of the window, seconds.

    stalls: every time between two beats that was longer than 20 ms, with what went on. painted:
    from each click to the frame that shows its mask; first: those clicks alone that begin an
    object. worked: from each click to the result.
    opened: from choosing the widget to its first picture, its modules being imported already.
    alone, alone_busy: repaints of the window by napari alone, see `repaints`.
    stacks: where the window's thread was when it stood still, the most frequent first, if asked.
    """

    clicks: int = 0
    stalls: list[tuple[float, str]] = field(default_factory=list)
    painted: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)
    opened: float = 0.0
    alone: list[float] = field(default_factory=list)
    alone_busy: list[float] = field(default_factory=list)
    stacks: list[tuple[int, str]] = field(default_factory=list)

    @property
    def longest(self) -> float:
        """The longest time the window stood still."""
        return max((seconds for seconds, _ in self.stalls), default=0.0)


def why_no_window() -> str | None:
    """Why this cannot be measured here, in a sentence; None when it can."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY"):
        return None
    if shutil.which("xvfb-run") is None:
        return "The window is not measured: there is neither a screen nor xvfb-run here."
    return None


def measure_apart(*options: str) -> Fluency:
    """Everything in a fresh process with a screen and settings of its own."""
    command = [sys.executable, "-m", "benchmarks.gui", "--json", *options]
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        command = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *command]
    with tempfile.TemporaryDirectory() as folder:
        own = {"NAPARI_CONFIG": f"{folder}/settings.yaml", "PISAM_STATE_DIR": f"{folder}/state"}
        environment = {**os.environ, **own}
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, env=environment, text=True
        )
    return Fluency(**json.loads(done.stdout.splitlines()[-1]))


class Heartbeat:
    """Beats that a thread sends to the window's, as mouse and keys are sent to it.

    The next is sent a millisecond after one was heard; a longer pause between two is a stall, noted
    with what went on. (A clock of the window's own would be heard only when nothing else is left to
    be: after a picture and whatever came while it was drawn, though the window listens in between.)
    stacks: a second thread looks where the window's is while it stands still, which makes it stand
    still a little longer.
    """

    def __init__(self, seen: Fluency, *, stacks: bool = False) -> None:
        from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

        class Sender(QObject):
            beat = Signal()

        self.seen, self.doing, self.on = seen, "", False
        self._stacks: Counter[str] = Counter()
        self._last = time.perf_counter()
        self._sender = Sender()
        self._sender.beat.connect(self._on_beat)
        self._window = threading.get_ident()
        self._ended, self._heard = threading.Event(), threading.Event()
        self._heard.set()
        threading.Thread(target=self._send, daemon=True).start()
        if stacks:
            threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> None:
        """No more beats; put what was seen together."""
        self._ended.set()
        self._heard.set()
        self.seen.stacks = [(n, text) for text, n in self._stacks.most_common(12)]

    def _send(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            self._heard.clear()
            self._sender.beat.emit()
            self._heard.wait()

    def _on_beat(self) -> None:
        now = time.perf_counter()
        if self.on and now - self._last > 0.02:
            self.seen.stalls.append((now - self._last, self.doing))
        self._last = now
        self._heard.set()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            if self.on and time.perf_counter() - self._last > STALL_MAX_SECONDS * 0.6:
                frame = sys._current_frames().get(self._window)
                lines = traceback.extract_stack(frame)[-9:]
                text = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in lines)
                self._stacks[f"{self.doing}: {text}"] += 1


class Clicker:
    """Clicks on one object after the other; `steps` waits where it yields."""

    def __init__(self, viewer: Any, widget: Any, places: Any, *, heart: Heartbeat) -> None:
        self._viewer, self._widget, self._places = viewer, widget, places
        self._heart = heart
        self._canvas = viewer.window._qt_viewer.canvas
        self._answered = self._drawn = 0.0
        self._fresh: Any = None
        widget.session.changed.connect(self._on_changed)
        self._canvas._scene_canvas.events.draw.connect(self._on_draw)

    def _on_changed(self) -> None:
        active = self._widget.session.active_object
        if active is not None and active.settled and active.result is not self._fresh:
            self._fresh, self._answered = active.result, time.perf_counter()

    def _on_draw(self, event: Any) -> None:
        self._drawn = time.perf_counter()

    def _spot(self, place: Any) -> Any:
        from qtpy.QtCore import QPoint

        transform = self._canvas.view.transform * self._canvas.view.scene.transform
        x, y, _, w = transform.map([place[1], place[0], 0, 1])
        return QPoint(round(x / w), round(y / w))

    def steps(self, clicks: int) -> Iterator[None]:
        """Four clicks on each object, then Enter; the mouse moves, the picture zooms meanwhile."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        tester: Any = QTest
        seen, native = self._heart.seen, self._canvas.native
        for number in range(clicks):
            place = self._places[number // CLICKS_EACH % len(self._places)]
            turn = number % CLICKS_EACH
            if turn == 0:
                self._heart.doing = "moving"
                self._widget.bridge.camera.center = tuple(place)
                yield
            offset = ((0, 0), (11, 3), (-9, 6), (4, -12))[turn]
            spot = self._spot((place[0] + offset[0], place[1] + offset[1]))
            self._heart.doing = "moving the mouse"
            tester.mouseMove(native, spot)
            yield
            self._heart.doing = "click" if turn == 0 else "correction"
            left, no_key = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
            tester.mousePress(native, left, no_key, spot)
            yield
            begun = time.perf_counter()
            tester.mouseRelease(native, left, no_key, spot)
            yield
            seen.clicks += 1
            yield from self._until_painted(begun)
            if turn == 0:
                seen.first.append(seen.painted[-1])
            if turn == CLICKS_EACH - 1:
                self._heart.doing = "keep"
                tester.keyClick(native, Qt.Key.Key_Return)
                yield
            elif number % 10 == 0:
                self._heart.doing = "zoom"
                self._widget.bridge.camera.zoom *= 1.3 if number % 20 else 1 / 1.3
                yield

    def _until_painted(self, begun: float) -> Iterator[None]:
        while self._widget.session.waiting or self._answered < begun:
            if time.perf_counter() - begun > QUESTION_MAX_SECONDS:
                raise TimeoutError(f"There was no mask within {QUESTION_MAX_SECONDS:g} s.")
            yield
        while self._drawn < self._answered:
            yield
        self._heart.seen.worked.append(self._answered - begun)
        self._heart.seen.painted.append(self._drawn - begun)


def tissue_and_places() -> tuple[Any, Any]:
    """The image, uint16 (4096, 4096), and where objects lie on it, (n, 2)."""
    from scipy import ndimage

    from napari_pisam import Window
    from napari_pisam.datasets.synthetic import SyntheticTissue

    region = SyntheticTissue(SIDE, SIDE, pitch=80).region(Window(0, 0, SIDE, SIDE))
    labels = np.unique(region.nuclei)[1:]
    middles = np.array(ndimage.center_of_mass(region.nuclei > 0, region.nuclei, labels))
    inside = ((middles > 300) & (middles < SIDE - 300)).all(1)
    return region.pixels[..., 0], np.random.default_rng(0).permutation(middles[inside])


def _live(steps: Iterator[None]) -> None:
    """Run the window; take a step each time that it has had some time, until there is none."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop: Any = QEventLoop()
    errors: list[TimeoutError] = []

    def go_on() -> None:
        try:
            next(steps)
        except StopIteration:
            loop.quit()
        except TimeoutError as error:
            errors.append(error)
            loop.quit()

    timer = QTimer()
    timer.timeout.connect(go_on)
    timer.start(PAUSE_MILLISECONDS)
    loop.exec()
    timer.stop()
    if errors:
        raise errors[0]


def opened_widget(viewer: Any, seen: Fluency) -> tuple[Any, Any]:
    """Choose the widget as from the menu and wait for its picture, by the clock: dock, widget."""
    from qtpy.QtWidgets import QApplication

    import napari_pisam.widgets.segment_dock.segment_widget  # noqa: F401 - a warm import

    QApplication.processEvents()
    begun = time.perf_counter()
    dock, widget = viewer.window.add_plugin_dock_widget("napari-pisam", "Pi-SAM")
    QApplication.processEvents()
    seen.opened = time.perf_counter() - begun
    return dock, widget


def measure(clicks: int, *, stacks: bool = False) -> Fluency:
    """Open the viewer and the plugin, click, and tell what was seen."""
    import napari

    pixels, places = tissue_and_places()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1200, 800)
    layer = viewer.add_image(pixels, contrast_limits=(0, int(pixels.max())))
    seen = Fluency(alone=repaints(layer))
    dock, widget = opened_widget(viewer, seen)
    heart = Heartbeat(seen, stacks=stacks)
    clicker = Clicker(viewer, widget, places, heart=heart)

    def steps() -> Iterator[None]:
        while widget.labels is None:
            yield
        widget.bridge.camera.zoom = 3.0
        yield from clicker.steps(WARM_UP)
        seen.clicks, seen.painted, seen.first, seen.worked, heart.on = 0, [], [], [], True
        yield from clicker.steps(clicks)
        heart.on = False

    _live(steps())
    heart.stop()
    widget.close_work()
    viewer.window.remove_dock_widget(dock)
    with model_at_work(pixels, places):
        seen.alone_busy = repaints(layer)
    viewer.close()
    return seen


def sentences(seen: Fluency) -> list[str]:
    """What was seen, for people."""
    worst = Counter(what for seconds, what in seen.stalls if seconds > STALL_MAX_SECONDS)
    where = ", ".join(f"{what} {n}" for what, n in worst.most_common()) or "none"
    idle, busy = (np.array(found) * 1000 for found in (seen.alone, seen.alone_busy))
    return [
        f"napari alone, one layer changed: drawn again within {np.median(idle):.0f} ms (median; "
        f"{idle.max():.0f} ms at most); while the model computes {np.median(busy):.0f} ms "
        f"({busy.max():.0f} ms at most).",
        f"The widget opens within {seen.opened:.2f} s of a warm import (wanted: "
        f"<= {OPENING_MAX_SECONDS:g} s).",
        f"{seen.clicks} clicks on {SIDE} x {SIDE} pixels; the longest stall of the window was "
        f"{1000 * seen.longest:.0f} ms (wanted: <= {1000 * STALL_MAX_SECONDS:.0f} ms).",
        f"Stalls beyond that: {where}.",
        f"From click to answer {1000 * float(np.median(seen.worked)):.0f} ms, to painted mask "
        f"{1000 * float(np.median(seen.painted)):.0f} ms (medians); of a click that begins an "
        f"object {1000 * float(np.median(seen.first)):.0f} ms.",
    ]


def main() -> None:
    """Measure here, and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gui", description=__doc__)
    parser.add_argument("--clicks", type=int, default=CLICKS)
    parser.add_argument("--json", action="store_true", help="one line for a program to read")
    parser.add_argument("--stacks", action="store_true", help="say where the window stood still")
    asked = parser.parse_args()
    reason = why_no_window()
    if reason is not None:
        sys.exit(reason)
    if asked.json:
        sys.stdout.write(json.dumps(asdict(measure(asked.clicks, stacks=asked.stacks))) + "\n")
        return
    looks = ["--stacks"] if asked.stacks else []
    seen = measure_apart("--clicks", str(asked.clicks), *looks)
    lines = [*sentences(seen), *(f"{n:4d} x {text}" for n, text in seen.stacks)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
