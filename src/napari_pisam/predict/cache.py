"""Embeddings kept for the next click, bounded in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from napari_pisam.geometry import Window
from napari_pisam.images.intensity import IntensityWindow
from napari_pisam.predict.results import Embedding


@dataclass(frozen=True, slots=True)
class EmbeddingKey:
    """What an embedding depends on."""

    image_key: str
    intensity: IntensityWindow
    channels: tuple[int, ...] | None
    window: Window
    model: str


class EmbeddingCache:
    """Least recently used embeddings, at most max_bytes of them; safe to share between threads.

    The newest is kept even when it alone is larger: it is in use.
    """

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 0:
            raise ValueError(f"A cache holds at least 0 bytes, not {max_bytes}.")
        self.max_bytes = max_bytes
        self._held: OrderedDict[EmbeddingKey, Embedding] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        with self._lock:
            return sum(e.nbytes for e in self._held.values())

    def get(self, key: EmbeddingKey) -> Embedding | None:
        """The embedding of that key, which becomes the most recently used, or None."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        """Keep an embedding; drops the least recently used beyond max_bytes."""
        with self._lock:
            self._held[key] = embedding
            self._held.move_to_end(key)
            total = sum(e.nbytes for e in self._held.values())
            while total > self.max_bytes and len(self._held) > 1:
                _, dropped = self._held.popitem(last=False)
                total -= dropped.nbytes

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._held.clear()
