"""What a server sends to a peer: everything, once, in order, whatever the peer answers at first."""

import asyncio
from typing import Any

import pytest

from tests.plays.stage import Stage
from tests.support.peer import answers
from tests.support.peer.peer import Asked, Peer
from tests.support.peer.sharing import Shared, shared


@pytest.fixture(params=["a", "b"])
async def scene(request: pytest.FixtureRequest, stage: Stage, zoe: Peer) -> Shared:
    """On each engine."""
    return await shared(stage, request.param, zoe)


def transactions(zoe: Peer) -> list[Asked]:
    """Those that came, in their order."""
    return [each for each in zoe.asked if each.operation == "send"]


async def test_what_is_said_comes_once_and_in_order(scene: Shared, zoe: Peer) -> None:
    said = await scene.say(*(f"number {number}" for number in range(20)))
    await zoe.receives(said[-1])
    assert [event_id for event_id in zoe.pdus if event_id in said] == said
    pdus = [pdu for each in transactions(zoe) for pdu in each.body["pdus"]]
    assert len(pdus) == len(zoe.pdus)
    assert all(each.body["origin"] == scene.alice.at for each in transactions(zoe))
    assert all("unsigned" not in pdu or not set(pdu["unsigned"]) - {"age"} for pdu in pdus)


@pytest.mark.parametrize("answer", [500, 429, b"<html>", "hang up"])
async def test_trap_31_what_was_not_taken_comes_again_as_it_was(scene: Shared, zoe: Peer, answer: Any) -> None:
    async def fail(peer: Peer, asked: Asked) -> Any:
        if answer == "hang up":
            asked.hang_up()
        return answers.refusal(answer, "M_UNKNOWN") if isinstance(answer, int) else b"<html>"

    zoe.instead["send"] = fail
    first, second = await scene.say("one", "two")
    async with asyncio.timeout(20):
        while len(transactions(zoe)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    zoe.instead.clear()
    await zoe.receives(second)
    assert first in zoe.pdus
    tried = transactions(zoe)
    assert tried[0].at["txn"] == tried[1].at["txn"]
    assert tried[0].body == tried[1].body
    again = await scene.say("three")
    await zoe.receives(again[0])
    assert len({each.at["txn"] for each in transactions(zoe)}) > 1


async def test_trap_31_a_call_of_the_peer_ends_the_pause(scene: Shared, zoe: Peer) -> None:
    """After four tries in vain the next would come no earlier than in three seconds."""
    zoe.instead["send"] = answers.refusal(503, "M_UNKNOWN")
    [said] = await scene.say("one")
    async with asyncio.timeout(20):
        while len(transactions(zoe)) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)  # until the refusal is there
    zoe.instead.clear()
    await zoe.send(scene.alice.at)
    async with asyncio.timeout(2.5):
        await zoe.receives(said)


async def test_trap_31_one_transaction_is_under_way_at_a_time(scene: Shared, zoe: Peer) -> None:
    under_way = most = 0

    async def slow(peer: Peer, asked: Asked) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.1)
        under_way -= 1
        return await answers.send(peer, asked)

    zoe.instead["send"] = slow
    said = await scene.say(*(f"number {number}" for number in range(8)))
    await zoe.receives(said[-1])
    assert most == 1
    assert all(len(each.body["pdus"]) <= 50 for each in transactions(zoe))


async def test_many_at_once_go_in_parts(scene: Shared, zoe: Peer) -> None:
    released = asyncio.Event()

    async def held(peer: Peer, asked: Asked) -> Any:
        await released.wait()
        return await answers.send(peer, asked)

    zoe.instead["send"] = held
    said = await scene.say(*(f"number {number}" for number in range(120)))
    released.set()
    await zoe.receives(said[-1])
    sizes = [len(each.body["pdus"]) for each in transactions(zoe)]
    assert max(sizes) == 50
    assert [event_id for event_id in zoe.pdus if event_id in said] == said


async def test_typing_and_receipts_go_out(scene: Shared, zoe: Peer) -> None:
    room_id = scene.room.room_id
    await scene.alice.type(room_id)
    typing = await zoe.receives_edu("m.typing")
    assert typing == {"room_id": room_id, "user_id": scene.alice.id, "typing": True}
    hello = scene.room.say(zoe.user("zoe"), "hello")
    await zoe.send(scene.alice.at, hello)
    await scene.alice.hears(room_id, "hello")
    await scene.alice.receipt(room_id, hello.event_id)
    receipt = (await zoe.receives_edu("m.receipt"))[room_id]["m.read"][scene.alice.id]
    assert receipt["event_ids"] == [hello.event_id]
    assert isinstance(receipt["data"]["ts"], int)
