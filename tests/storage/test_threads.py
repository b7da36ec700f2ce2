"""The threads of storage: everything is done, in order, and no more threads are used than are needed."""

import threading
import time

from oriz_matrix.storage.dialects.threads import Threads


def _wait_until_idle(threads: Threads[int]) -> None:
    while len(threads._idle) < len(threads._threads):
        time.sleep(0.001)


def test_one_job_after_the_other_is_done_by_one_thread() -> None:
    used: list[str] = []
    threads = Threads[int]("thread", 3, lambda _: used.append(threading.current_thread().name))
    threads.start()
    for number in range(20):
        _wait_until_idle(threads)
        threads.put(number)
    _wait_until_idle(threads)  # whom stop() wakes may take the last job as well
    threads.stop()
    assert len(used) == 20
    assert len(set(used)) == 1


def test_jobs_at_once_are_done_by_all_threads() -> None:
    all_at_work = threading.Barrier(3, timeout=60)

    def work(_: list[int]) -> None:
        all_at_work.wait()

    threads = Threads[int]("thread", 3, work)
    threads.start()
    for number in range(3):
        threads.put(number)
    threads.stop()
    assert not all_at_work.broken


def test_what_waits_is_taken_in_order_and_together_and_done_before_the_end() -> None:
    begun, go_on, taken = threading.Event(), threading.Event(), list[list[int]]()

    def work(items: list[int]) -> None:
        taken.append(items)
        begun.set()
        go_on.wait(60)

    threads = Threads[int]("thread", 1, work, batch=3)
    threads.start()
    threads.put(0)
    begun.wait(60)
    for number in range(1, 6):
        threads.put(number)
    go_on.set()
    threads.stop()
    assert taken == [[0], [1, 2, 3], [4, 5]]
