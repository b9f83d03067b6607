"""The keys, which the person can change; they are kept from one session to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_pisam.widgets.viewer.napari_compat import class_key_binding

if TYPE_CHECKING:
    from napari.layers import Labels


@dataclass(frozen=True, slots=True)
class KeyAction:
    """Something that a key does. name: its own for good. key: as napari writes it."""

    name: str
    key: str
    title: str


ACTIONS = (
    KeyAction("keep", "Enter", "Keep the object, go on"),
    KeyAction("drop", "Escape", "Drop the object"),
    KeyAction("undo", "Control-Z", "Undo a click or a kept object"),
    KeyAction("redo", "Control-Shift-Z", "Redo"),
    KeyAction("flip", "F", "Flip the last correction"),
    KeyAction("box", "B", "Box with the next drag"),
    KeyAction("refine", "R", "Refine the label at the mouse"),
    KeyAction("doubt", "D", "Go to the next doubtful place"),
    KeyAction("unsure", "U", "Show where the model doubts"),
)


class Keys:
    """Binds keys of a viewer to commands, and gives them back.

    commands: what each action's name does. chosen: the keys that the person changed, by name.
    """

    def __init__(
        self, viewer: Any, commands: Mapping[str, Callable[[], None]], chosen: Mapping[str, str]
    ) -> None:
        self._viewer = viewer
        self._commands = dict(commands)
        self._keys = {action.name: chosen.get(action.name, action.key) for action in ACTIONS}
        self._replaced: dict[str, Any] = {}
        self._labels: Labels | None = None
        self._bind()

    @property
    def keys(self) -> dict[str, str]:
        """The key of each action."""
        return dict(self._keys)

    def choose(self, name: str, key: str) -> str | None:
        """Give an action another key; returns why that cannot be, else None."""
        taken = next((n for n, k in self._keys.items() if k == key and n != name), None)
        if taken is not None:
            title = next(action.title for action in ACTIONS if action.name == taken)
            return f"{key} is taken by “{title}”: choose another key."
        labels = self._labels
        self.close()
        before, self._keys[name] = self._keys[name], key
        try:
            self._bind()
        except (ValueError, TypeError, KeyError):
            self.close()
            self._keys[name] = before
            self._bind()
            return f"napari knows no key named “{key}”."
        finally:
            self.bind_labels(labels)
        return None

    def close(self) -> None:
        """Give all keys back."""
        self.bind_labels(None)
        for key, before in self._replaced.items():
            self._viewer.bind_key(key, before, overwrite=True)
        self._replaced.clear()

    def bind_labels(self, layer: Labels | None) -> None:
        """In that layer too: napari gives its own keys to a selected labels layer first."""
        if self._labels is not None:
            for key in self._keys.values():
                self._labels.bind_key(key, None)
        self._labels = layer
        if layer is not None:
            for name, key in self._keys.items():
                layer.bind_key(key, self._in_labels(name, key), overwrite=True)

    def _bind(self) -> None:
        for name, key in self._keys.items():
            before = self._viewer.bind_key(key, self._in_viewer(name), overwrite=True)
            self._replaced[key] = before

    def _in_viewer(self, name: str) -> Callable[[Any], None]:
        command = self._commands[name]
        return lambda viewer: command()

    def _in_labels(self, name: str, key: str) -> Callable[[Any], Iterator[None] | None]:
        command = self._commands[name]

        def pressed(layer: Any) -> Iterator[None] | None:
            if str(layer.mode) == "pan_zoom":
                command()
                return None
            # A brush is in hand: the key means what it means in napari.
            own = class_key_binding(layer, key)
            result: Iterator[None] | None = own(layer) if own is not None else None
            return result

        return pressed
