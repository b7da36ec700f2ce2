"""Those who want the same wait together, and none of them ends it for the others."""

import asyncio

import pytest

from oriz_matrix.base.shared_calls import SharedCalls


async def test_one_call_serves_all_who_wait_and_the_next_is_a_new_one() -> None:
    calls: SharedCalls[str, int] = SharedCalls()
    made: list[str] = []

    async def make() -> int:
        made.append("call")
        await asyncio.sleep(0.01)
        return len(made)

    assert await asyncio.gather(*(calls.share("a", make) for _ in range(5)), calls.share("b", make)) == [2] * 6
    assert await calls.share("a", make) == 3


async def test_who_goes_away_leaves_it_to_the_others() -> None:
    calls: SharedCalls[str, str] = SharedCalls()
    done = asyncio.Event()

    async def make() -> str:
        await done.wait()
        return "made"

    impatient, patient = (asyncio.create_task(calls.share("a", make)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    done.set()
    assert await patient == "made"


async def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    calls: SharedCalls[str, None] = SharedCalls()

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def succeed() -> None:
        return None

    results = await asyncio.gather(*(calls.share("a", fail) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in results] == [ValueError] * 3
    await calls.share("a", succeed)
    with pytest.raises(ValueError, match="no"):
        await calls.share("a", fail)
