"""One virtual environment for several tox environments: torch alone takes gigabytes and minutes.

tox rebuilds a virtual environment when its tox environment has another name than the one it was
made for, even where both need exactly the same packages. Environments with `runner = shared` in
tox.ini take the name over instead; every other difference still rebuilds. Should tox keep its
notes in another way one day, the worst that happens is the rebuild.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tox.plugin import impl
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner

if TYPE_CHECKING:
    from tox.tox_env.register import ToxEnvRegister


class SharedRunner(VirtualEnvRunner):
    """A virtual environment that goes from one tox environment to the next."""

    @staticmethod
    def id() -> str:
        """The word after `runner =`."""
        return "shared"

    def setup(self) -> None:
        """Set the environment up, after writing this environment's name on it."""
        notes = self.env_dir / ".tox-info.json"
        if notes.is_file():
            content: dict[str, Any] = json.loads(notes.read_text(encoding="utf-8"))
            content.get("ToxEnv", {})["name"] = self.conf.name
            notes.write_text(json.dumps(content, indent=2), encoding="utf-8")
        super().setup()


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    """Tell tox of the runner."""
    register.add_run_env(SharedRunner)
