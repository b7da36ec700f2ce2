"""Time passes by itself, or as the test says."""

import asyncio
import time

from oriz_matrix.base.clock import Clock, FakeClock


async def test_the_real_clock_is_the_machines() -> None:
    clock = Clock()
    before, began = time.time_ns() // 1_000_000, clock.monotonic()
    await clock.sleep(0.01)
    assert before + 9 <= clock.now_ms() <= time.time_ns() // 1_000_000
    assert clock.monotonic() - began >= 0.009


async def test_the_fake_clock_stands_until_it_is_moved() -> None:
    clock = FakeClock(now_ms=1000)
    assert (clock.now_ms(), clock.monotonic()) == (1000, 0)
    await clock.advance(1.5)
    assert (clock.now_ms(), clock.monotonic()) == (2500, 1.5)


async def test_sleepers_wake_in_order_at_their_own_time() -> None:
    clock = FakeClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 3))
        group.create_task(sleeper("twice", 1, 1))
        await clock.advance(1.5)
        assert woken == [("twice", 1)]
        await clock.advance(10)
    assert woken == [("twice", 1), ("twice", 2), ("late", 3)]


async def test_a_cancelled_sleeper_disturbs_nobody() -> None:
    clock = FakeClock()
    sleeper = asyncio.create_task(clock.sleep(1))
    await clock.advance(0.5)
    sleeper.cancel()
    await clock.advance(1)
    assert sleeper.cancelled()
    assert clock.monotonic() == 1.5
    await clock.sleep(0)
