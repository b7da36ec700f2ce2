"""The network is cut, servers end and start again: nothing that was acknowledged is lost, and all come to agree."""

import asyncio

from tests.plays.person import Person
from tests.plays.stage import Stage, agree
from tests.support.people import texts

POWERS = {"events": {"m.room.topic": 0}}


async def _say(person: Person, room: str, *what: str) -> list[str]:
    for text in what:
        await person.say(room, text)
    return list(what)


async def they_talk_on_through_a_cut(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob, power_level_content_override=POWERS)
    stage.cut()
    said = await _say(alice, room, "a1", "a2", "a3") + await _say(bob, room, "b1", "b2", "b3")
    await alice.set_state(room, "m.room.topic", {"topic": "of alice"})
    await bob.set_state(room, "m.room.topic", {"topic": "of bob"})
    stage.heal()
    said += await _say(alice, room, "a4") + await _say(bob, room, "b4")
    for person in (alice, bob):
        await person.hears(room, *said)
        assert sorted(person.room(room).texts) == sorted(said)
    await agree(room, alice, bob)


async def what_the_network_swallows_comes_late(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    stage.swallow()
    said = await _say(alice, room, "a1", "a2") + await _say(bob, room, "b1", "b2")
    await asyncio.sleep(1)
    stage.heal()
    for person in (alice, bob):
        await person.hears(room, *said)
    await agree(room, alice, bob)


async def trap_21_a_ban_during_a_cut_holds_afterwards(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob, power_level_content_override=POWERS)
    stage.cut()
    await alice.moderate(room, "ban", bob)
    await bob.say(room, "still here")
    await bob.set_state(room, "m.room.topic", {"topic": "mine"})
    stage.heal()
    await alice.say(room, "healed")
    await bob.sees_section(room, "leave")
    await asyncio.sleep(0.5)
    await alice.sync()
    assert alice.room(room).content("m.room.topic") == {}
    assert alice.room(room).membership(bob) == "ban"
    assert "still here" not in alice.room(room).texts


async def trap_22_who_lost_power_during_a_cut_changed_nothing(stage: Stage) -> None:
    """Whatever bob did meanwhile, it was after he had lost the power to do it."""
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    levels = await alice.state(room, "m.room.power_levels")
    raised = {**levels, "users": {**levels.get("users", {}), bob.id: 50}}
    await alice.set_state(room, "m.room.power_levels", raised)
    await bob.sees_state(room, "m.room.power_levels", raised)
    await alice.set_state(room, "m.room.topic", {"topic": "before"})
    await bob.sees(lambda: bob.room(room).content("m.room.topic").get("topic") == "before", "the topic")
    stage.cut()
    await alice.set_state(room, "m.room.power_levels", levels)
    await bob.set_state(room, "m.room.topic", {"topic": "meanwhile"})
    stage.heal()
    said = await _say(alice, room, "a") + await _say(bob, room, "b")
    for person in (alice, bob):
        await person.hears(room, *said)
    state = await agree(room, alice, bob)
    assert state["m.room.topic", ""]["content"]["topic"] == "before"
    assert bob.id not in state["m.room.power_levels", ""]["content"].get("users", {})


async def bobs_server_is_killed_and_comes_back(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    await stage.kill("b")
    said = await _say(alice, room, "one", "two")
    await stage.start("b")
    said += await _say(alice, room, "three")
    await bob.hears(room, *said)
    await bob.say(room, "here again")
    await alice.hears(room, "here again")
    await agree(room, alice, bob)


async def trap_31_what_waits_to_be_sent_survives_a_restart(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    stage.nodes["b"].line.cut()
    said = await _say(alice, room, "one", "two")
    await stage.kill("a")
    stage.nodes["b"].line.heal()
    await stage.start("a")
    await bob.hears(room, *said)
    await agree(room, alice, bob)


async def both_are_restarted(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    await asyncio.gather(stage.restart("a"), stage.restart("b"))
    said = await _say(alice, room, "one") + await _say(bob, room, "two")
    for person in (alice, bob):
        await person.hears(room, *said)
    await agree(room, alice, bob)


async def trap_31_much_was_said_while_bobs_server_was_down(stage: Stage) -> None:
    """Not everything need be sent again, but everything can be read. (Of 100 in its queue Synapse drops most.)"""
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    await stage.kill("b")
    said = await _say(alice, room, *(f"number {number}" for number in range(70)))
    await alice.set_state(room, "m.room.topic", {"topic": "news"})
    await stage.start("b")
    said += await _say(alice, room, "the last")
    await bob.hears(room, "the last")
    assert texts(list(reversed(await bob.history(room, limit=50)))) == said
    assert (await agree(room, alice, bob))["m.room.topic", ""]["content"]["topic"] == "news"


async def an_invite_is_turned_down_though_nobody_hears_it(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.private_room(alice)
    await alice.invite(room, bob)
    await bob.sees_section(room, "invite")
    stage.cut()
    await bob.leave(room)
    await bob.sees_section(room, "leave")


async def bob_cannot_join_what_cannot_be_reached(stage: Stage) -> None:
    """And can once it is reached again."""
    alice, bob = await stage.people("alice", "bob")
    room = await stage.public_room(alice)
    stage.nodes["a"].line.cut()
    answer = await bob.server.ask("POST", f"/v3/join/{room}?server_name={alice.at}&via={alice.at}", {}, by=bob.token)
    assert answer.status in (404, 502, 504), answer
    stage.heal()
    await alice.say(await stage.shared_room(alice), "anything")
    async with asyncio.timeout(20):
        while (await _join(bob, room, alice)) != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    await alice.sees_member(room, bob, "join")


async def _join(person: Person, room: str, other: Person) -> int:
    answer = await person.server.ask("POST", f"/v3/join/{room}?via={other.at}", {}, by=person.token)
    return answer.status
