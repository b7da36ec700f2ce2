"""Caches of values that cannot change: named, bounded, measured, and safe to use from any thread.

Mutable facts are read from the database instead; what must be dropped all the same is dropped by name. The bound counts
entries, or weight where `weigh` gives each value one (bytes, say).
"""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

import msgspec
from cachetools import LRUCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class CacheStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one cache at one moment; `weight` and `capacity` in the cache's own unit."""

    name: str
    entries: int
    weight: float
    capacity: float
    hits: int
    misses: int


class Cache(Generic[K, V]):
    """Holds the values used last, up to `capacity`. None cannot be a value: it means "not here"."""

    def __init__(self, name: str, capacity: float, weigh: Callable[[V], float] | None = None) -> None:
        self.name = name
        self._lock = Lock()
        self._values: LRUCache[K, V] = LRUCache(capacity, getsizeof=weigh)
        self._hits = 0
        self._misses = 0

    def get(self, key: K) -> V | None:
        """The value, or None."""
        with self._lock:
            value: V | None = self._values.get(key)
            if value is None:
                self._misses += 1
            else:
                self._hits += 1
            return value

    def put(self, key: K, value: V) -> None:
        """Remember a value, and forget those unused for longest if need be; one heavier than all is not kept."""
        with self._lock:
            try:
                self._values[key] = value
            except ValueError:  # too heavy; what stood there before was the same value, for values cannot change
                return

    def drop(self, key: K) -> None:
        """Forget one value, if it is there."""
        with self._lock:
            self._values.pop(key, None)

    def clear(self) -> None:
        """Forget everything; the figures go on."""
        with self._lock:
            self._values.clear()

    def statistics(self) -> CacheStatistics:
        """The figures, all of the same moment."""
        with self._lock:
            return CacheStatistics(
                name=self.name,
                entries=len(self._values),
                weight=self._values.currsize,
                capacity=self._values.maxsize,
                hits=self._hits,
                misses=self._misses,
            )

    def __len__(self) -> int:
        with self._lock:
            return len(self._values)
