"""Caches of values that cannot change: named, bounded, measured, and safe to use from any thread.

Mutable facts are read from the database instead; what must be dropped all the same is dropped by name. A cache is asked
hundreds of times for one request, so it is two dictionaries, not a list in the order of use: what is asked for moves
into the young one, and when that is full it becomes the old one and the old one is forgotten
(docs/decisions/0002-caches.md).
"""

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

import msgspec

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class CacheStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one cache; hits and misses may miss a few that threads counted at the same moment."""

    name: str
    entries: int
    capacity: int
    hits: int
    misses: int


class Cache(Generic[K, V]):
    """Holds at most `capacity` values, among them the half used last. None cannot be a value: it means "not here"."""

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self._half = max(1, capacity // 2)
        self._lock = Lock()
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._hits = 0
        self._misses = 0

    def get(self, key: K) -> V | None:
        """The value, or None."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is None:
                self._misses += 1
                return None
            self.put(key, value)
        self._hits += 1
        return value

    def put(self, key: K, value: V) -> None:
        """Remember a value, and forget those unused for longest if need be."""
        with self._lock:
            self._young[key] = value
            if len(self._young) >= self._half:
                self._old, self._young = self._young, {}

    def drop(self, key: K) -> None:
        """Forget one value, if it is there."""
        with self._lock:
            self._young.pop(key, None)
            self._old.pop(key, None)

    def clear(self) -> None:
        """Forget everything; the figures go on."""
        with self._lock:
            self._young, self._old = {}, {}

    def statistics(self) -> CacheStatistics:
        """The figures."""
        return CacheStatistics(
            name=self.name, entries=len(self), capacity=2 * self._half, hits=self._hits, misses=self._misses
        )

    def __len__(self) -> int:
        with self._lock:
            return len(self._young.keys() | self._old.keys())
