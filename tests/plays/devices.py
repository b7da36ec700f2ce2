"""Devices of people on other servers: their keys, what is sent to them, and who hears when they change."""

import asyncio
from typing import Any

from tests.plays.person import PATIENCE_S, Person
from tests.plays.stage import Stage
from tests.support.people import Json


def _keys(person: Person, name: str = "key") -> Json:
    """Identity keys; nobody on the way looks at the signature."""
    device = person.device_id
    return {
        "user_id": person.id,
        "device_id": device,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {f"curve25519:{device}": f"{name}{'A' * (43 - len(name))}", f"ed25519:{device}": "B" * 43},
        "signatures": {person.id: {f"ed25519:{device}": "C" * 86}},
    }


async def _upload(person: Person, **body: Any) -> None:
    await person.request("POST", "/v3/keys/upload", body)


async def _query(person: Person, of: Person) -> Json:
    answer = await person.request("POST", "/v3/keys/query", {"device_keys": {of.id: []}})
    assert answer["failures"] == {}
    found: Json = answer["device_keys"].get(of.id, {})
    return found


async def _learns(person: Person, of: Person, *devices: Person) -> None:
    """Asks until the answer is these devices: what a server tells of a device and of its keys may come one by one."""
    async with asyncio.timeout(PATIENCE_S):
        while set(await _query(person, of)) != {each.device_id for each in devices}:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def keys_are_asked_for(stage: Stage) -> None:
    """By somebody who shares no room, and by somebody who does."""
    alice, bob, ben = await stage.people("alice", "bob", "ben")
    await _upload(alice, device_keys=_keys(alice))
    await stage.shared_room(alice, ben)
    for person in (bob, ben):
        assert (await _query(person, alice))[alice.device_id]["keys"] == _keys(alice)["keys"]


async def a_one_time_key_is_given_once(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    await _upload(alice, device_keys=_keys(alice))
    keys = {f"signed_curve25519:AAA{n}": {"key": f"key{n}{'A' * 39}", "signatures": {}} for n in range(2)}
    await _upload(alice, one_time_keys=keys)
    given = []
    for _ in range(3):
        body = {"one_time_keys": {alice.id: {alice.device_id: "signed_curve25519"}}}
        answer = await bob.request("POST", "/v3/keys/claim", body)
        given += list(answer["one_time_keys"].get(alice.id, {}).get(alice.device_id, {}))
    assert sorted(given) == sorted(keys)


async def what_is_sent_to_a_device_arrives(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    await _upload(bob, device_keys=_keys(bob))
    await stage.shared_room(alice, bob)
    for number in range(3):
        content = {bob.id: {bob.device_id: {"number": number}}}
        await alice.request("PUT", f"/v3/sendToDevice/org.example.test/{stage.play}{number}", {"messages": content})
    await bob.sees(lambda: len(bob.to_device) == 3, "three messages")
    heard = bob.to_device
    assert [event["content"] for event in heard] == [{"number": number} for number in range(3)]
    assert {(event["sender"], event["type"]) for event in heard} == {(alice.id, "org.example.test")}


async def all_devices_can_be_meant(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    await stage.shared_room(alice, bob)
    content = {bob.id: {"*": {"for": "all"}}}
    await alice.request("PUT", f"/v3/sendToDevice/org.example.test/{stage.play}", {"messages": content})
    await bob.sees(lambda: bob.to_device, "the message")
    assert bob.to_device[0]["content"] == {"for": "all"}


async def who_shares_a_room_hears_of_new_keys(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    await _upload(alice, device_keys=_keys(alice))
    await stage.shared_room(alice, bob)
    assert await _query(bob, alice)
    bob.changed_devices.clear()
    again = await alice.log_in_again()
    other = Person(alice.door, {"user_id": again.id, "device_id": again.device_id, "access_token": again.token})
    await _upload(other, device_keys=_keys(other))
    await bob.sees(lambda: alice.id in bob.changed_devices, "that alice's devices changed")
    await _learns(bob, alice, alice, other)
    bob.changed_devices.clear()
    await other.request("POST", "/v3/logout", {})
    await bob.sees(lambda: alice.id in bob.changed_devices, "that a device is gone")
    await _learns(bob, alice, alice)


async def keys_change_during_a_cut(stage: Stage) -> None:
    """What changed meanwhile is known afterwards."""
    alice, bob = await stage.people("alice", "bob")
    await _upload(alice, device_keys=_keys(alice))
    room = await stage.shared_room(alice, bob)
    assert await _query(bob, alice)
    await bob.sync()
    bob.changed_devices.clear()
    stage.cut()
    again = await alice.log_in_again()
    other = Person(alice.door, {"user_id": again.id, "device_id": again.device_id, "access_token": again.token})
    await _upload(other, device_keys=_keys(other))
    content = {bob.id: {bob.device_id: {"during": "the cut"}}}
    await alice.request("PUT", f"/v3/sendToDevice/org.example.test/{stage.play}", {"messages": content})
    stage.heal()
    await alice.say(room, "healed")
    await bob.sees(lambda: bob.to_device, "the message")
    await bob.sees(lambda: alice.id in bob.changed_devices, "that alice's devices changed")
    await _learns(bob, alice, alice, other)


async def who_comes_into_a_room_is_news(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    for person in (alice, bob):
        await _upload(person, device_keys=_keys(person))
        await person.sync()
        person.changed_devices.clear()
    await stage.shared_room(alice, bob)
    await alice.sees(lambda: bob.id in alice.changed_devices, "bob as news")
    await bob.sees(lambda: alice.id in bob.changed_devices, "alice as news")
