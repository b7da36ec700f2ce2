"""Storage threads: one queue of jobs, first come, first served, and the few threads that take from it.

The thread that was idle last is woken first. It, its connection and what the engine keeps for that are warm; where one
thread is enough, the others need not even connect.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")

logger = logging.getLogger(__name__)


class Threads(Generic[Item]):
    """`count` threads; each calls `work` with what it took: one item, or up to `batch` that were waiting together."""

    def __init__(self, name: str, count: int, work: Callable[[list[Item]], None], batch: int = 1) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Item] = deque()
        self._idle: list[SimpleQueue[None]] = []  # each wakes one thread
        self._stopping = False
        self._work = work
        self._batch = batch
        self._threads = [threading.Thread(target=self._run, name=f"{name}-{i}", daemon=True) for i in range(count)]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, item: Item) -> None:
        """Queues an item for the next free thread."""
        with self._lock:
            self._waiting.append(item)
            if self._idle:
                self._idle.pop().put(None)

    def stop(self) -> None:
        """Lets the threads finish what was queued before, and waits for them."""
        with self._lock:
            self._stopping = True
            while self._idle:
                self._idle.pop().put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        bell: SimpleQueue[None] = SimpleQueue()
        while True:
            with self._lock:
                items = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
                if not items:
                    if self._stopping:
                        return
                    self._idle.append(bell)
            if not items:
                bell.get()
                continue
            try:
                self._work(items)
            except Exception:  # of who hears of a result; this thread must go on for the others
                logger.exception("a result could not be reported")
