"""Messages, and taking them back."""

import asyncio

from tests.plays.stage import Stage, agree


async def both_talk_in_order_and_once(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    said = []
    for number in range(5):
        for person, other in ((alice, bob), (bob, alice)):
            said.append(f"{person.id} {number}")
            await person.say(room, said[-1])
            await other.hears(room, said[-1])
    await alice.hears(room, *said)
    await bob.hears(room, *said)
    assert alice.room(room).texts == bob.room(room).texts == said


async def many_talk_at_once(stage: Stage) -> None:
    """Both servers append at the same time: the room forks all the time, and nothing is lost."""
    people = await stage.people("alice", "amy", "bob", "ben")
    room = await stage.shared_room(*people)
    said = {person.id: [f"{person.id} {number}" for number in range(10)] for person in people}

    async def talk(number: int) -> None:
        for text in said[people[number].id]:
            await people[number].say(room, text)

    await asyncio.gather(*(talk(number) for number in range(len(people))))
    everything = [text for texts in said.values() for text in texts]
    for person in people:
        await person.hears(room, *everything)
        heard = person.room(room).texts
        assert len(heard) == len(everything)
        assert [text for text in heard if text in said[person.id]] == said[person.id]
    await agree(room, *people)


async def an_encrypted_message_is_carried_as_it_is(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    content = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "☃", "device_id": "D", "session_id": "S"}
    sent = await alice.send(room, "m.room.encrypted", content)
    await bob.sees(lambda: any(e["event_id"] == sent for e in bob.room(room).timeline), "it")
    assert (await bob.event(room, sent))["content"] == content


async def everybody_takes_back_their_own(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    for person, other in ((alice, bob), (bob, alice)):
        slip = await person.say(room, f"a slip of {person.id}")
        await other.hears(room, f"a slip of {person.id}")
        redaction = await person.redact(room, slip, reason="a slip")
        await other.sees(lambda: redaction in _ids(other.room(room).timeline), "the redaction")  # noqa: B023
        for each in (person, other):
            event = await each.event(room, slip)
            assert event["content"] == {}
            assert event["unsigned"]["redacted_because"]["event_id"] == redaction


async def who_has_the_power_takes_back_what_others_said(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    slip = await bob.say(room, "rude")
    await alice.hears(room, "rude")
    redaction = await alice.redact(room, slip)
    await bob.sees(lambda: redaction in _ids(bob.room(room).timeline), "the redaction")
    assert (await bob.event(room, slip))["content"] == {}


def _ids(events: list[dict[str, object]]) -> list[object]:
    return [event["event_id"] for event in events]
