"""Storage threads: one queue of jobs, first come, first served, and the few threads that take from it."""

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")

logger = logging.getLogger(__name__)


class Threads(Generic[Item]):
    """`count` threads; each calls `work` with what it took: one item, or up to `batch` that were waiting together."""

    def __init__(self, name: str, count: int, work: Callable[[list[Item]], None], batch: int = 1) -> None:
        self._queue: SimpleQueue[Item | None] = SimpleQueue()
        self._work = work
        self._batch = batch
        self._threads = [threading.Thread(target=self._run, name=f"{name}-{i}", daemon=True) for i in range(count)]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, item: Item) -> None:
        """Queues an item for the next free thread."""
        self._queue.put(item)

    def stop(self) -> None:
        """Lets the threads finish what was queued before, and waits for them."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            items = [item]
            ended = False
            while len(items) < self._batch and not ended:
                try:
                    more = self._queue.get_nowait()
                except Empty:
                    break
                if more is None:
                    ended = True
                else:
                    items.append(more)
            try:
                self._work(items)
            except Exception:  # of who hears of a result; this thread must go on for the others
                logger.exception("a result could not be reported")
            if ended:
                return
