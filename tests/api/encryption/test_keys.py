"""Keys of devices: uploaded, asked for and claimed, here and from elsewhere."""

import asyncio
from typing import Any

import pytest

from oriz_matrix.protocol.identifiers import UserId
from tests.api.encryption.elsewhere import Elsewhere, device_keys
from tests.support.homeserver import Home
from tests.support.people import User, refused

SIGNED = "signed_curve25519"


def key(text: str) -> dict[str, Any]:
    """A one-time key."""
    return {"key": text, "signatures": {"@x:y": {"ed25519:z": "signature"}}}


async def upload(user: User, **body: Any) -> dict[str, int]:
    """Uploads keys; what is left of one-time keys."""
    answer = await user.request("POST", "/v3/keys/upload", body)
    counts: dict[str, int] = answer["one_time_key_counts"]
    return counts


async def upload_device(user: User, text: str = "key") -> None:
    """Uploads identity keys."""
    await upload(user, device_keys=device_keys(user.id, user.device_id, text))


async def query(user: User, *of: str, **more: Any) -> Any:
    """Asks for the keys of users."""
    return await user.request("POST", "/v3/keys/query", {"device_keys": {each: [] for each in of}, **more})


async def claim(user: User, owner: User) -> Any:
    """Claims a key of a device: (its id, the key), or None."""
    body = {"one_time_keys": {owner.id: {owner.device_id: SIGNED}}}
    answer = await user.request("POST", "/v3/keys/claim", body)
    assert answer["failures"] == {}
    found = answer["one_time_keys"].get(owner.id, {}).get(owner.device_id)
    return None if found is None else next(iter(found.items()))


async def test_identity_keys_are_found_by_others(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    keys = device_keys(alice.id, alice.device_id)
    assert await upload(alice, device_keys=keys) == {}
    answer = await query(bob, alice.id, bob.id, "@nobody:example.org")
    assert answer["device_keys"] == {alice.id: {alice.device_id: {**keys, "unsigned": {}}}, bob.id: {}}
    assert (answer["failures"], answer["master_keys"]) == ({}, {})
    other = {"device_keys": {alice.id: ["OTHER"]}}
    assert (await bob.request("POST", "/v3/keys/query", other))["device_keys"] == {alice.id: {}}
    named = {"device_keys": {alice.id: [alice.device_id]}}
    assert list((await bob.request("POST", "/v3/keys/query", named))["device_keys"][alice.id]) == [alice.device_id]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"user_id": "@bob:example.org"}, "user_id"),
        ({"device_id": "OTHER"}, "device_id"),
        ({"algorithms": "m.olm"}, "algorithms"),
        ({"keys": {"ed25519:X": 5}}, "keys"),
        ({"signatures": {"@alice:example.org": "x"}}, "signatures"),
    ],
)
async def test_keys_of_somebody_else_are_refused(home: Home, change: dict[str, Any], named: str) -> None:
    alice = await home.user("alice")
    with refused(400, "M_INVALID_PARAM", named):
        await upload(alice, device_keys={**device_keys(alice.id, alice.device_id), **change})
    assert (await query(alice, alice.id))["device_keys"] == {alice.id: {}}


@pytest.mark.parametrize(
    "keys", [{"no algorithm": "x"}, {"a:": "x"}, {"a:b": 5}, {"a:b": {}}, {"a:b": {"key": 5}}, {f"a:{'b' * 300}": "x"}]
)
async def test_what_is_no_key_is_refused(home: Home, keys: dict[str, Any]) -> None:
    alice = await home.user("alice")
    for member in ("one_time_keys", "fallback_keys"):
        with refused(400, "M_INVALID_PARAM", member):
            await upload(alice, **{member: keys})
    with refused(400, "M_INVALID_PARAM", "fallback_keys"):
        await upload(alice, fallback_keys={"a:b": "x", "a:c": "y"})


async def test_trap_37_each_key_is_handed_out_once_in_the_order_of_upload(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    for number in range(3):
        assert await upload(alice, one_time_keys={f"{SIGNED}:{9 - number}": key(str(number))}) == {SIGNED: number + 1}
    assert [(await claim(bob, alice))[1]["key"] for _ in range(3)] == ["0", "1", "2"]
    assert await claim(bob, alice) is None


async def test_trap_37_nobody_gets_the_same_key_as_another(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    await upload(alice, one_time_keys={f"{SIGNED}:{number}": key(str(number)) for number in range(20)})
    found = await asyncio.gather(*(claim(bob, alice) for _ in range(25)))
    assert sorted(each[0] for each in found if each is not None) == sorted(f"{SIGNED}:{n}" for n in range(20))


async def test_trap_37_the_fallback_key_comes_last_and_stays(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    fallback = {f"{SIGNED}:last": {**key("last"), "fallback": True}}
    await upload(alice, one_time_keys={f"{SIGNED}:first": key("first")}, fallback_keys=fallback)
    assert (await alice.sync()).body["device_unused_fallback_key_types"] == [SIGNED]
    assert [(await claim(bob, alice))[0] for _ in range(3)] == [f"{SIGNED}:{n}" for n in ("first", "last", "last")]
    body = (await alice.sync()).body
    assert (body["device_unused_fallback_key_types"], body["device_one_time_keys_count"]) == ([], {SIGNED: 0})
    await upload(alice, fallback_keys=fallback)  # the same again is not unused
    assert (await alice.sync()).body["device_unused_fallback_key_types"] == []
    await upload(alice, fallback_keys={f"{SIGNED}:new": key("new")})
    assert (await alice.sync()).body["device_unused_fallback_key_types"] == [SIGNED]
    assert (await claim(bob, alice))[0] == f"{SIGNED}:new"


async def test_trap_37_an_upload_that_comes_again_changes_nothing(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    keys = {f"{SIGNED}:a": key("a"), f"{SIGNED}:b": key("b")}
    for _ in range(2):
        assert await upload(alice, one_time_keys=keys) == {SIGNED: 2}
    taken = await claim(bob, alice)
    assert await upload(alice, one_time_keys=keys) == {SIGNED: 1}  # the one that was taken does not come back
    with refused(400, "M_INVALID_PARAM", "one_time_keys"):
        await upload(alice, one_time_keys={f"{SIGNED}:{'b' if taken[0].endswith('a') else 'a'}": key("another")})
    assert await upload(alice) == {SIGNED: 1}
    assert (await claim(bob, alice))[0] != taken[0]
    assert await claim(bob, alice) is None


async def test_a_waiting_sync_hears_that_a_key_was_taken(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    await upload(alice, one_time_keys={f"{SIGNED}:{n}": key(str(n)) for n in range(2)})
    assert (await alice.sync()).body["device_one_time_keys_count"] == {SIGNED: 2}
    async with alice.waiting() as sync:
        await claim(bob, alice)
    assert sync.result().body["device_one_time_keys_count"] == {SIGNED: 1}
    assert (await alice.sync()).body["device_one_time_keys_count"] == {SIGNED: 1}


async def test_keys_go_with_their_device(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    other = await alice.log_in_again()
    await upload_device(other)
    await upload(other, one_time_keys={f"{SIGNED}:a": key("a")}, fallback_keys={f"{SIGNED}:b": key("b")})
    await other.request("POST", "/v3/logout", {})
    assert (await query(bob, alice.id))["device_keys"] == {alice.id: {}}
    assert await claim(bob, other) is None


async def test_other_servers_ask_for_devices_and_keys(home: Home, elsewhere: Elsewhere) -> None:
    alice = await home.user("alice")
    await upload_device(alice)
    await upload(alice, one_time_keys={f"{SIGNED}:a": key("a")})
    keys = device_keys(alice.id, alice.device_id)
    devices = (await elsewhere.ask("GET", f"/devices/{alice.id}")).body
    assert devices["devices"] == [{"device_id": alice.device_id, "keys": keys}]
    assert (devices["user_id"], type(devices["stream_id"])) == (alice.id, int)
    found = await elsewhere.ask("POST", "/keys/query", {"device_keys": {alice.id: [], "@nobody:example.org": []}})
    assert found.body["device_keys"] == {alice.id: {alice.device_id: {**keys, "unsigned": {}}}}
    assert "user_signing_keys" not in found.body
    wanted = {"one_time_keys": {alice.id: {alice.device_id: SIGNED, "OTHER": SIGNED}}}
    assert (await elsewhere.ask("POST", "/keys/claim", wanted)).body == {
        "one_time_keys": {alice.id: {alice.device_id: {f"{SIGNED}:a": key("a")}}}
    }
    assert (await elsewhere.ask("POST", "/keys/claim", wanted)).body == {"one_time_keys": {}}


async def test_other_servers_ask_for_users_of_here_only(home: Home, elsewhere: Elsewhere) -> None:
    answer = await elsewhere.ask("GET", "/devices/@nobody:example.org")
    assert (answer.status, answer.body["errcode"]) == (404, "M_NOT_FOUND")
    for method, path, body in (
        ("GET", f"/devices/{elsewhere.carl}", None),
        ("POST", "/keys/query", {"device_keys": {elsewhere.carl: []}}),
        ("POST", "/keys/claim", {"one_time_keys": {elsewhere.carl: {"X": SIGNED}}}),
        ("POST", "/keys/query", {"device_keys": {"nobody": []}}),
    ):
        answer = await elsewhere.ask(method, path, body)
        assert (answer.status, answer.body["errcode"]) == (400, "M_INVALID_PARAM"), path


async def test_keys_elsewhere_are_claimed_there(home: Home, elsewhere: Elsewhere) -> None:
    alice = await home.user("alice")
    carl = elsewhere.carl
    good = {f"{SIGNED}:a": key("a")}
    elsewhere.answers("/keys/claim", {"one_time_keys": {carl: {"C": {"other:x": "y", **good}, "D": good, "E": 5}}})
    body = {"one_time_keys": {carl: {"C": SIGNED, "E": SIGNED}, "@x:127.0.0.1:1": {"C": SIGNED}}, "timeout": 5000}
    answer = await alice.request("POST", "/v3/keys/claim", body)
    assert answer["one_time_keys"] == {carl: {"C": good}}
    assert list(answer["failures"]) == ["127.0.0.1:1"]


async def test_of_strangers_nothing_is_remembered(home: Home, elsewhere: Elsewhere) -> None:
    alice = await home.user("alice")
    keys = device_keys(elsewhere.carl, "C")
    elsewhere.answers("/keys/query", {"device_keys": {elsewhere.carl: {"C": {**keys, "unsigned": {"a": 1}}, "D": 5}}})
    for _ in range(2):
        answer = await query(alice, elsewhere.carl)
        assert answer["device_keys"] == {elsewhere.carl: {"C": {**keys, "unsigned": {}}}}
    assert elsewhere.asked("/keys/query") == 2


async def test_who_shares_a_room_is_asked_for_once(home: Home, elsewhere: Elsewhere) -> None:
    alice = await home.user("alice")
    await elsewhere.comes_in(await alice.create_room(), elsewhere.carl)
    elsewhere.has_devices(elsewhere.carl, 7, C="Pocket", D=None)
    first = (await query(alice, elsewhere.carl))["device_keys"][elsewhere.carl]
    assert {device: each["unsigned"] for device, each in first.items()} == {
        "C": {"device_display_name": "Pocket"},
        "D": {},
    }
    elsewhere.is_down = True
    await home.restart(alice)
    again = await query(alice, elsewhere.carl)
    assert (again["device_keys"][elsewhere.carl], again["failures"]) == (first, {})
    assert elsewhere.asked(f"/devices/{elsewhere.carl}") == 1


async def test_many_users_of_one_server_are_asked_for_together(home: Home, elsewhere: Elsewhere) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    users = [UserId(f"@carl{number}:{elsewhere.name}") for number in range(30)]
    for user_id in users:
        await elsewhere.comes_in(room, user_id)
    elsewhere.answers("/keys/query", {"device_keys": {each: {"C": device_keys(each, "C")} for each in users}})
    for _ in range(2):
        assert sorted((await query(alice, *users))["device_keys"]) == sorted(users)
    assert elsewhere.asked("/keys/query") == 1


async def test_a_server_that_does_not_answer_is_a_failure(home: Home, elsewhere: Elsewhere) -> None:
    alice = await home.user("alice")
    await elsewhere.comes_in(await alice.create_room(), elsewhere.carl)
    elsewhere.has_devices(elsewhere.carl, 1)
    elsewhere.is_down = True
    answer = await query(alice, alice.id, elsewhere.carl, "@x:nowhere.invalid", timeout=5000)
    assert set(answer["failures"]) == {elsewhere.name, "nowhere.invalid"}
    assert answer["device_keys"] == {alice.id: {}}


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"stream_id": 1, "devices": {}},
        {"stream_id": -1, "devices": []},
        {"stream_id": 2**70, "devices": []},
        {"stream_id": "1", "devices": []},
    ],
)
async def test_an_answer_that_is_none_is_a_failure(home: Home, elsewhere: Elsewhere, answer: Any) -> None:
    alice = await home.user("alice")
    await elsewhere.comes_in(await alice.create_room(), elsewhere.carl)
    elsewhere.answers(f"/devices/{elsewhere.carl}", answer)
    found = await query(alice, elsewhere.carl)
    assert (list(found["failures"]), found["device_keys"]) == ([elsewhere.name], {})


async def test_of_an_answer_what_is_nonsense_is_left_out(home: Home, elsewhere: Elsewhere) -> None:
    alice = await home.user("alice")
    await elsewhere.comes_in(await alice.create_room(), elsewhere.carl)
    carl = elsewhere.carl
    devices: list[Any] = [
        elsewhere.device(carl, "GOOD"),
        5,
        {},
        {"device_id": "", "keys": {}},
        {"device_id": "a\0b", "keys": {}},
        {"device_id": "x" * 300, "keys": {}},
        {"device_id": "NOKEYS"},
        {"device_id": "OTHERS", "keys": device_keys(alice.id, "OTHERS")},
        {"device_id": "SIGNED", "keys": {"signatures": 5}, "device_display_name": "a\0b"},
        {"device_id": "LARGE", "keys": {"x": "x" * 70_000}},
    ]
    keys = {"user_id": alice.id, "usage": ["master"], "keys": {"ed25519:x": "x"}}
    body = {"stream_id": 1, "devices": devices, "master_key": keys, "self_signing_key": 7}
    elsewhere.answers(f"/devices/{carl}", body)
    for _ in range(2):
        found = await query(alice, carl)
        assert set(found["device_keys"][carl]) == {"GOOD", "SIGNED"}
        assert found["device_keys"][carl]["SIGNED"] == {"signatures": {}, "unsigned": {}}
        assert (found["master_keys"], found["self_signing_keys"], found["failures"]) == ({}, {}, {})
