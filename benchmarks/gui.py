"""How long the window stands still, and how soon a click is a painted mask: a real window.

`python -m benchmarks.gui` runs in a process of its own, on the screen or under Xvfb: 100 clicks
with the mouse on an image of 4096 x 4096 pixels, answered by the embedded model. Beats that are
sent to the window every millisecond tell how long it did not listen. The goal is relative to the
repaints of napari's window alone in the same run, see `repaints`. `--compare` adds what the plugin
leaves alone, one at a time, see `mechanisms`; `--busy` measures the first click of a fresh process
alone and beside two processes that take all the processor they get.
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
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fluency import STALL_SECONDS, Fluency, passed, sentences
from benchmarks.mechanisms import MECHANISMS
from benchmarks.repaints import model_at_work, repaints

SIDE = 4096
CLICKS = 100
CLICKS_EACH = 4
WARM_UP = 8
BUSY_PROCESSES = 2
SPIN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
"""A process that takes all the processor it gets until this one ends, however it ends."""
BUSY_MAX_TIMES = 3.0
BEAT_SECONDS = 0.001
LOOK_SECONDS = 0.004
PAUSE_MILLISECONDS = 30
QUESTION_MAX_SECONDS = 120.0


def why_no_window() -> str | None:
    """Why this cannot be measured here, in a sentence; None when it can."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY"):
        return None
    if shutil.which("xvfb-run") is None:
        return "The window is not measured: there is neither a screen nor xvfb-run here."
    return None


def measure_apart(*options: str) -> Fluency:
    """Everything in a fresh process with a screen and settings of its own."""
    return Fluency(**run_apart(*options))


def run_apart(*options: str) -> dict[str, Any]:
    """What such a process has written in its last line."""
    command = [sys.executable, "-m", "benchmarks.gui", "--json", *options]
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        command = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *command]
    with tempfile.TemporaryDirectory() as folder:
        own = {"NAPARI_CONFIG": f"{folder}/settings.yaml", "PISAM_STATE_DIR": f"{folder}/state"}
        environment = {**os.environ, **own}
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, env=environment, text=True
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


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
        pause = now - self._last
        if self.on and self.seen.of_clicks:
            self.seen.of_clicks[-1] = max(self.seen.of_clicks[-1], pause)
            if pause > STALL_SECONDS:
                self.seen.stalls.append((pause, self.doing))
        self._last = now
        self._heard.set()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            if self.on and time.perf_counter() - self._last > 1.5 * STALL_SECONDS:
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
            seen.of_clicks.append(0.0)
            if turn == 0:
                self._heart.doing = "moving"
                self._widget.view.camera.center = tuple(place)
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
                self._widget.view.camera.zoom *= 1.3 if number % 20 else 1 / 1.3
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


def measure(clicks: int, *, mechanism: str = "", stacks: bool = False) -> Fluency:
    """Open the viewer and the plugin, click, and tell what was seen."""
    import napari

    pixels, places = tissue_and_places()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1200, 800)
    layer = viewer.add_image(pixels, contrast_limits=(0, int(pixels.max())))
    seen = Fluency(alone=repaints(layer))
    dock, widget = opened_widget(viewer, seen)
    if mechanism:
        MECHANISMS[mechanism](viewer)
    heart = Heartbeat(seen, stacks=stacks)
    clicker = Clicker(viewer, widget, places, heart=heart)

    def steps() -> Iterator[None]:
        while widget.labels is None:
            yield
        widget.view.camera.zoom = 3.0
        yield from clicker.steps(WARM_UP)
        seen.clicks, heart.on = 0, True
        seen.of_clicks, seen.painted, seen.first, seen.worked = [], [], [], []
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


def first_click() -> float:
    """Seconds from the first click of a process, right after opening, to its painted mask."""
    import napari

    pixels, places = tissue_and_places()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1200, 800)
    viewer.add_image(pixels, contrast_limits=(0, int(pixels.max())))
    seen = Fluency()
    _, widget = opened_widget(viewer, seen)
    heart = Heartbeat(seen)
    clicker = Clicker(viewer, widget, places, heart=heart)

    def steps() -> Iterator[None]:
        while widget.labels is None:
            yield
        widget.view.camera.zoom = 3.0
        yield from clicker.steps(1)

    _live(steps())
    heart.stop()
    widget.close_work()
    viewer.close()
    return seen.painted[0]


def busy_sentence() -> str:
    """The first click alone and beside busy processes, measured one after the other."""
    alone = run_apart("--first")["seconds"]
    spin = [sys.executable, "-c", SPIN]
    others = [subprocess.Popen(spin) for _ in range(BUSY_PROCESSES)]
    try:
        beside = run_apart("--first")["seconds"]
    finally:
        for other in others:
            other.kill()
            other.wait()
    verdict = passed(beside <= BUSY_MAX_TIMES * alone)
    return (
        f"First click of a fresh process: {alone:.1f} s; beside {BUSY_PROCESSES} busy processes "
        f"{beside:.1f} s, {beside / alone:.1f} times (wanted: <= {BUSY_MAX_TIMES:g}): {verdict}."
    )


def comparison(clicks: int) -> list[str]:
    """A table in Markdown: nothing added, then each mechanism alone."""
    lines = [
        "| added | napari alone, at most | longest stall | 95 % of clicks | click to mask |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name in ("", *MECHANISMS):
        seen = measure_apart("--clicks", str(clicks), *(["--with", name] if name else []))
        painted = float(np.median(seen.painted))
        figures = (seen.repaint, seen.longest, seen.most, painted)
        cells = " | ".join(f"{1000 * seconds:.0f} ms" for seconds in figures)
        lines.append(f"| {name or 'nothing'} | {cells} |")
    return lines


def main() -> None:
    """Measure here, and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gui", description=__doc__)
    parser.add_argument("--clicks", type=int, default=CLICKS)
    parser.add_argument("--with", dest="mechanism", default="", choices=["", *MECHANISMS])
    parser.add_argument("--compare", action="store_true", help="what each mechanism would buy")
    parser.add_argument("--busy", action="store_true", help="the first click on a busy machine")
    parser.add_argument("--first", action="store_true", help="the first click, for a program")
    parser.add_argument("--json", action="store_true", help="one line for a program to read")
    parser.add_argument("--stacks", action="store_true", help="say where the window stood still")
    asked = parser.parse_args()
    reason = why_no_window()
    if reason is not None:
        sys.exit(reason)
    if asked.json:
        if asked.first:
            found = {"seconds": first_click()}
        else:
            found = asdict(measure(asked.clicks, mechanism=asked.mechanism, stacks=asked.stacks))
        sys.stdout.write(json.dumps(found) + "\n")
        return
    if asked.busy:
        lines = [busy_sentence()]
    elif asked.compare:
        lines = comparison(asked.clicks)
    else:
        options = ["--with", asked.mechanism] if asked.mechanism else []
        options += ["--stacks"] if asked.stacks else []
        seen = measure_apart("--clicks", str(asked.clicks), *options)
        lines = [*sentences(seen), *(f"{n:4d} x {text}" for n, text in seen.stacks)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
