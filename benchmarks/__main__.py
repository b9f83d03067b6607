"""`python -m benchmarks`: run the cases, each in a process of its own; a table and a JSON file."""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Measured:
    """Median and all of the seconds of one case, and the process's peak memory in MB.

    above_mb: of the peak, what the case took beyond what it stands on, such as the loaded model.
    """

    case: str
    seconds: float
    runs: tuple[float, ...]
    peak_mb: float
    above_mb: float


@dataclass(frozen=True, slots=True)
class Goal:
    """A case against the published one: at least `times` as quick; `scale` of the published.

    times: None only compares.
    """

    case: str
    published: str
    times: float | None
    scale: float = 1.0


GOALS = (
    Goal("encode, float32", "encode, published, float32", 3),
    Goal("encode, auto dtype", "encode, published, float32", 6),
    Goal("first prompt", "first prompt, published", 4),
    Goal("correction", "correction, published", 45),
    Goal("ten prompts", "correction, published", 25, scale=10),
    Goal("first prompt, small object", "first prompt, published", 10),
    Goal("correction, small object", "correction, published", 100),
    Goal("ten prompts, small objects", "correction, published", 25, scale=10),
    Goal("encode, its products of matrices alone, float32", "encode, published, float32", None),
    Goal("encode, its products of matrices alone, auto dtype", "encode, published, float32", None),
)
LIMITS = {
    "tiny: embed and first click": 0.6,
    "tiny: correction": 0.2,
    "tiny: pisam segment, process": 4.0,
    "tiny: pisam segment, imports": 2.5,
    "import napari_pisam, process": 0.05,
    "tiny: box of 20,000 px": 5.0,
    "tiny: mask of 20,000 px as a prompt": 5.0,
}
"""Seconds that two cores should not need more than."""
PEAK_MB = 1600
"""Memory that none of `GOALS` should need more than."""
ABOVE_MB = {"tiny: box of 20,000 px": 700, "tiny: mask of 20,000 px as a prompt": 700}
"""Memory that a case may take beyond the loaded model."""

WINDOW = "window"
"""What `--only` names the clicks in a real window by."""


def measure_here(case: str, repeats: int) -> Measured:
    """One case in this process: once to warm up, then `repeats` times."""
    import torch

    from benchmarks.cases import CASES

    with torch.inference_mode():
        run = CASES[case]()
        who = resource.RUSAGE_CHILDREN if "process" in case else resource.RUSAGE_SELF
        made = _peak_mb(who)
        run()
        seconds = []
        for _ in range(repeats):
            begun = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - begun)
    peak = _peak_mb(who)
    return Measured(case, statistics.median(seconds), tuple(seconds), peak, peak - made)


def _peak_mb(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 1024


def measure_apart(case: str, repeats: int) -> Measured:
    """One case in a fresh process, so that peak memory is its own."""
    command = [sys.executable, "-m", "benchmarks", "--case", case, "--repeats", str(repeats)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    fields = json.loads(done.stdout.splitlines()[-1])
    return Measured(**{**fields, "runs": tuple(fields["runs"])})


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    import torch

    from napari_pisam.model.policy import choose_device, choose_dtype

    device = choose_device()
    return {
        "machine": platform.machine(),
        "device": str(device),
        "auto dtype": str(choose_dtype("auto", device)),
        "cpu capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def table_of(found: dict[str, Measured]) -> Table:
    """Seconds, ratios against the published program in this run, memory, and what is wanted."""
    table = Table(title="medians; ratios are of this run alone")
    for column in ("case", "seconds", "times quicker", "wanted", "peak MB", "room"):
        table.add_column(column, justify="left" if column == "case" else "right")
    goals = {goal.case: goal for goal in GOALS}
    for case, measured in found.items():
        ratio = wanted = ""
        goal = goals.get(case)
        if goal is not None and goal.published in found:
            ratio = f"{found[goal.published].seconds * goal.scale / measured.seconds:.1f}"
            wanted = "" if goal.times is None else f">= {goal.times:g}"
        elif case in LIMITS:
            wanted = f"<= {LIMITS[case]:g} s"
        room = f"<= {PEAK_MB} MB" if goal is not None and goal.times is not None else ""
        if case in ABOVE_MB:
            room = f"{measured.above_mb:.0f} above the model, <= {ABOVE_MB[case]} MB"
        row = (case, f"{measured.seconds:.3f}", ratio, wanted, f"{measured.peak_mb:.0f}", room)
        table.add_row(*row)
    return table


def window_report(console: Console) -> dict[str, object] | None:
    """How long the window stands still, printed; None where there is no screen."""
    from benchmarks import fluency, gui

    reason = gui.why_no_window()
    if reason is not None:
        console.print(reason)
        return None
    seen = gui.measure_apart()
    for sentence in fluency.sentences(seen):
        console.print(sentence)
    return asdict(seen)


def main() -> None:
    """Run the cases that are asked for and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--case", help="run this one alone, in this process")
    parser.add_argument("--only", default="", help="run those whose names hold this text")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("bench-results/benchmarks.json"))
    asked = parser.parse_args()
    console = Console()
    if asked.case:
        sys.stdout.write(json.dumps(asdict(measure_here(asked.case, asked.repeats))) + "\n")
        return
    from benchmarks.cases import CASES

    found = {}
    for case in [c for c in CASES if asked.only in c]:
        found[case] = measure_apart(case, asked.repeats)
        console.log(f"{case}: {found[case].seconds:.3f} s")
    on = machine()
    console.print(on)
    console.print(table_of(found))
    report: dict[str, object] = {"machine": on, "cases": [asdict(m) for m in found.values()]}
    if asked.only in WINDOW:
        report["window"] = window_report(console)
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
