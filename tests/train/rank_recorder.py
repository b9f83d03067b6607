"""`pisam train` in one of several processes, which writes its model and losses to a file.

Arguments: a folder for rankN.pt, then those of the command; after "then" those of the next one. Any
process but the first fails when it writes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

import torch

from napari_pisam.cli import main
from napari_pisam.train import loop
from napari_pisam.train.loop import Trainer

WRITERS = ("write_state", "write_weights", "append_losses", "cut_losses", "validation_iou")


def _refuse(*_: object, **__: object) -> NoReturn:
    raise AssertionError("a process that is not the first one wrote")


def run_and_record(folder: Path, commands: list[list[str]]) -> int:
    """Run the commands; write the last model, its losses and the number of its processes."""
    trainers: list[Trainer] = []
    losses: list[dict[str, float]] = []
    make, step = Trainer.__init__, Trainer._one_step

    def recorded_init(self: Trainer, *positional: Any, **named: Any) -> None:
        make(self, *positional, **named)
        trainers.append(self)
        losses.clear()
        if not self.fabric.is_global_zero:
            for name in WRITERS:
                setattr(loop, name, _refuse)

    def recorded_step(self: Trainer, batch: Any) -> dict[str, float]:
        found = step(self, batch)
        # a copy: the loop adds what validation finds
        losses.append(dict(found))
        return found

    Trainer.__init__ = recorded_init  # type: ignore[method-assign]
    Trainer._one_step = recorded_step  # type: ignore[method-assign]
    code = max([main(words) for words in commands])
    fabric = trainers[-1].fabric
    record = {
        "processes": fabric.world_size,
        "model": trainers[-1].model.state_dict(),
        "losses": losses,
    }
    torch.save(record, folder / f"rank{fabric.global_rank}.pt")
    return code


def _commands(words: list[str]) -> list[list[str]]:
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "then":
            commands.append([])
        else:
            commands[-1].append(word)
    return commands


if __name__ == "__main__":
    sys.exit(run_and_record(Path(sys.argv[1]), _commands(sys.argv[2:])))
