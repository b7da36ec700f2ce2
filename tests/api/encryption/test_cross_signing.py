"""Cross-signing: keys that vouch for devices and users, and signatures by them, here and elsewhere."""

from dataclasses import dataclass
from typing import Any

import nacl.signing
import pytest
from unpaddedbase64 import encode_base64

from oriz_matrix.protocol.signing import covered_bytes
from tests.api.encryption.elsewhere import Elsewhere, device_keys
from tests.api.encryption.test_device_lists import both, changed, couple
from tests.api.encryption.test_keys import query, upload, upload_device
from tests.support.homeserver import Home
from tests.support.people import PASSWORD, User, refused

Json = dict[str, Any]


@dataclass
class SigningKey:
    """A key of a client; `name` is what signatures call it, without the algorithm."""

    secret: nacl.signing.SigningKey
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or self.text

    @classmethod
    def make(cls, seed: int, name: str = "") -> "SigningKey":
        """The same for the same seed."""
        return cls(nacl.signing.SigningKey(bytes([seed]) * 32), name)

    @property
    def text(self) -> str:
        """The public key."""
        return encode_base64(bytes(self.secret.verify_key))

    def signs(self, content: Json, user_id: str) -> Json:
        """A copy of what is signed, with this signature alone."""
        signature = encode_base64(self.secret.sign(covered_bytes(content)).signature)
        return {**content, "signatures": {user_id: {f"ed25519:{self.name}": signature}}}


MASTER, SELF, USER, OTHER = (SigningKey.make(seed) for seed in range(1, 5))


def cross_key(user_id: str, usage: str, key: SigningKey) -> Json:
    """A cross-signing key without signatures."""
    return {"user_id": user_id, "usage": [usage], "keys": {f"ed25519:{key.text}": key.text}}


def keys_of(user_id: str, master: SigningKey = MASTER) -> Json:
    """All three keys."""
    return {
        "master_key": cross_key(user_id, "master", master),
        "self_signing_key": master.signs(cross_key(user_id, "self_signing", SELF), user_id),
        "user_signing_key": master.signs(cross_key(user_id, "user_signing", USER), user_id),
    }


async def publish(user: User, keys: Json, **auth: Any) -> None:
    """Uploads cross-signing keys."""
    await user.request("POST", "/v3/keys/device_signing/upload", {**keys, **auth})


async def sign(user: User, signed: Json) -> Any:
    """Uploads signatures; what failed."""
    return (await user.request("POST", "/v3/keys/signatures/upload", signed))["failures"]


def password(user: User, **more: Any) -> Json:
    """Proof of who somebody is."""
    named = {"type": "m.id.user", "user": user.id}
    return {"auth": {"type": "m.login.password", "identifier": named, "password": PASSWORD, **more}}


async def test_keys_are_seen_by_others_but_for_the_one_that_signs_users(home: Home) -> None:
    alice, bob, _ = await couple(home)
    since = bob.since
    keys = keys_of(alice.id)
    await publish(alice, keys)
    assert changed(await bob.sync()) == [alice.id]
    assert await both(bob, since) == ([alice.id], [])
    for reader in (alice, bob):
        found = await query(reader, alice.id)
        assert found["master_keys"] == {alice.id: {**keys["master_key"], "signatures": {}}}
        assert found["self_signing_keys"] == {alice.id: keys["self_signing_key"]}
        assert found["user_signing_keys"] == ({alice.id: keys["user_signing_key"]} if reader is alice else {})


async def test_keys_are_replaced_with_the_password_alone(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    await publish(alice, keys_of(alice.id))
    await publish(alice, keys_of(alice.id))  # the same needs no proof
    new = keys_of(alice.id, OTHER)
    answer = await home.server.ask("POST", "/v3/keys/device_signing/upload", new, by=alice.token)
    assert (answer.status, answer.body["flows"]) == (401, [{"stages": ["m.login.password"]}])
    session = answer.body["session"]
    wrong = {"auth": {**password(alice)["auth"], "password": "wrong", "session": session}}
    answer = await home.server.ask("POST", "/v3/keys/device_signing/upload", {**new, **wrong}, by=alice.token)
    assert (answer.status, answer.body["errcode"]) == (401, "M_FORBIDDEN")
    with refused(403, "M_FORBIDDEN", "auth.identifier"):
        await publish(alice, new, **password(bob, session=session))
    answer = await home.server.ask(
        "POST",
        "/v3/keys/device_signing/upload",
        {"auth": {"type": "m.login.password", "session": session}},
        by=alice.token,
    )
    assert (answer.status, answer.body["errcode"]) == (401, "M_MISSING_PARAM")
    assert list((await query(bob, alice.id))["master_keys"][alice.id]["keys"].values()) == [MASTER.text]
    await publish(alice, {}, **password(alice, session=session))  # the keys that the session was begun for
    assert list((await query(bob, alice.id))["master_keys"][alice.id]["keys"].values()) == [OTHER.text]
    await publish(alice, keys_of(alice.id), **password(alice))
    assert list((await query(bob, alice.id))["master_keys"][alice.id]["keys"].values()) == [MASTER.text]


async def test_keys_that_do_not_hold_together_are_refused(home: Home) -> None:
    alice = await home.user("alice")
    keys = keys_of(alice.id)
    with refused(400, "M_MISSING_PARAM", "master_key"):
        await publish(alice, {"self_signing_key": keys["self_signing_key"]})
    for part in ("self_signing_key", "user_signing_key"):
        with refused(400, "M_INVALID_SIGNATURE", part):
            await publish(alice, {**keys, part: keys_of(alice.id, OTHER)[part]})
        with refused(400, "M_INVALID_SIGNATURE", part):
            await publish(alice, {**keys, part: {**keys[part], "signatures": {}}})
    await publish(alice, {"master_key": keys["master_key"]})
    await publish(alice, {"self_signing_key": keys["self_signing_key"]}, **password(alice))
    assert (await query(alice, alice.id))["self_signing_keys"] == {alice.id: keys["self_signing_key"]}


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": "@bob:example.org"},
        {"usage": ["self_signing"]},
        {"usage": "master"},
        {"keys": {}},
        {"keys": {"ed25519:a": "b"}},
        {"keys": {"ed25519:abc": "abc"}},
        {"keys": {f"ed25519:{MASTER.text}": MASTER.text, "ed25519:x": "x"}},
        {"signatures": {"@alice:example.org": 5}},
    ],
)
async def test_what_is_no_signing_key_is_refused(home: Home, change: Json) -> None:
    alice = await home.user("alice")
    with refused(400, "M_INVALID_PARAM", "master_key"):
        await publish(alice, {"master_key": {**cross_key(alice.id, "master", MASTER), **change}})


async def test_a_device_and_a_key_never_have_one_name(home: Home) -> None:
    alice = await home.user("alice")
    identifier = {"type": "m.id.user", "user": alice.id}
    login = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD, "device_id": MASTER.text}
    other = User(home.server, await alice.request("POST", "/v3/login", login))
    with refused(403, "M_FORBIDDEN", "master_key"):
        await publish(alice, keys_of(alice.id))
    await other.request("POST", "/v3/logout", {})
    await publish(alice, keys_of(alice.id))
    other = User(home.server, await alice.request("POST", "/v3/login", login))
    with refused(403, "M_FORBIDDEN", "device_id"):
        await upload_device(other)


async def test_signatures_are_seen_by_whom_they_concern(home: Home) -> None:
    alice, bob, _ = await couple(home)
    for user in (alice, bob):
        await publish(user, keys_of(user.id))
    device = SigningKey.make(9, alice.device_id)
    keys = {**device_keys(alice.id, alice.device_id), "keys": {f"ed25519:{alice.device_id}": device.text}}
    await upload(alice, device_keys=keys)
    for user in (alice, bob):
        await user.sync()
    master = cross_key(alice.id, "master", MASTER)
    bobs = cross_key(bob.id, "master", MASTER)
    signed = {
        alice.id: {alice.device_id: SELF.signs(keys, alice.id), MASTER.text: device.signs(master, alice.id)},
        bob.id: {MASTER.text: USER.signs(bobs, alice.id)},
    }
    assert await sign(alice, signed) == {}
    assert changed(await bob.sync()) == [alice.id]
    found = await query(bob, alice.id, bob.id)
    by_alice = found["device_keys"][alice.id][alice.device_id]["signatures"][alice.id]
    assert set(by_alice) == {f"ed25519:{alice.device_id}", f"ed25519:{SELF.text}"}
    assert set(found["master_keys"][alice.id]["signatures"][alice.id]) == {f"ed25519:{alice.device_id}"}
    assert found["master_keys"][bob.id]["signatures"] == {}  # who vouches for whom is nobody else's business
    own = (await query(alice, bob.id))["master_keys"][bob.id]["signatures"]
    assert set(own[alice.id]) == {f"ed25519:{USER.text}"}
    other_keys = {**keys, "keys": {f"ed25519:{alice.device_id}": OTHER.text}}
    await upload(alice, device_keys=other_keys)  # what was signed is no more
    assert (await query(bob, alice.id))["device_keys"][alice.id] == {alice.device_id: {**other_keys, "unsigned": {}}}


async def test_signatures_that_are_wrong_are_named(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    for user in (alice, bob):
        await publish(user, keys_of(user.id))
        await upload_device(user)
    keys, theirs = device_keys(alice.id, alice.device_id), device_keys(bob.id, bob.device_id)
    good = SELF.signs(keys, alice.id)
    wrong = {**good, "signatures": OTHER.signs(keys, alice.id)["signatures"]}
    forged = {**good, "signatures": {alice.id: {f"ed25519:{SELF.text}": "AAAA"}}}
    for content, errcode in (
        (wrong, "M_INVALID_SIGNATURE"),
        (forged, "M_INVALID_SIGNATURE"),
        ({**keys, "signatures": {}}, "M_INVALID_SIGNATURE"),
        (SELF.signs({**keys, "algorithms": []}, alice.id), "M_INVALID_PARAM"),
    ):
        failures = await sign(alice, {alice.id: {alice.device_id: content}})
        assert failures[alice.id][alice.device_id]["errcode"] == errcode
    failures = await sign(
        alice,
        {
            alice.id: {"NONE": good, alice.device_id: good},
            bob.id: {bob.device_id: USER.signs(theirs, alice.id)},
            "@x:example.org": {"X": good},
        },
    )
    errors = {user: {name: each["errcode"] for name, each in by_name.items()} for user, by_name in failures.items()}
    assert errors == {
        alice.id: {"NONE": "M_NOT_FOUND"},
        bob.id: {bob.device_id: "M_NOT_FOUND"},
        "@x:example.org": {"X": "M_NOT_FOUND"},
    }
    bodies: list[Any] = [{alice.id: []}, {alice.id: {"X": 5}}, []]
    for body in bodies:
        with refused(400, "M_BAD_JSON"):
            await sign(alice, body)
    with refused(400, "M_INVALID_PARAM"):
        await sign(alice, {"a\0b": {"X": {}}})


async def test_other_servers_are_told_and_asked(home: Home, elsewhere: Elsewhere) -> None:
    alice, _, room = await couple(home)
    await upload_device(alice)
    await elsewhere.comes_in(room, elsewhere.carl)
    keys = keys_of(alice.id)
    await publish(alice, keys)
    [edu] = await elsewhere.told()
    master = {**keys["master_key"], "signatures": {}}
    assert edu == {
        "edu_type": "m.signing_key_update",
        "content": {"user_id": alice.id, "master_key": master, "self_signing_key": keys["self_signing_key"]},
    }
    device = device_keys(alice.id, alice.device_id)
    assert await sign(alice, {alice.id: {alice.device_id: SELF.signs(device, alice.id)}}) == {}
    edu = (await elsewhere.told())[-1]
    assert edu["edu_type"] == "m.device_list_update"
    assert f"ed25519:{SELF.text}" in edu["content"]["keys"]["signatures"][alice.id]
    told = (await elsewhere.ask("GET", f"/devices/{alice.id}")).body
    assert (told["master_key"], told["self_signing_key"]) == (master, keys["self_signing_key"])
    found = (await elsewhere.ask("POST", "/keys/query", {"device_keys": {alice.id: []}})).body
    assert found["master_keys"] == {alice.id: master}
    assert found["self_signing_keys"] == {alice.id: keys["self_signing_key"]}


async def test_signing_keys_from_elsewhere(home: Home, elsewhere: Elsewhere) -> None:
    alice, carl = await home.user("alice"), elsewhere.carl
    await publish(alice, keys_of(alice.id))
    await elsewhere.comes_in(await alice.create_room(), carl)
    keys = keys_of(carl)
    body = {"stream_id": 1, "devices": [], "master_key": keys["master_key"]}
    elsewhere.answers(f"/devices/{carl}", body)
    assert (await query(alice, carl))["master_keys"] == {carl: keys["master_key"]}
    await alice.sync()
    signed = USER.signs(keys["master_key"], alice.id)
    assert await sign(alice, {carl: {MASTER.text: signed}}) == {}
    assert (await query(alice, carl))["master_keys"][carl]["signatures"] == signed["signatures"]
    update = {"user_id": carl, "self_signing_key": keys["self_signing_key"]}
    elsewhere.is_down = True
    await elsewhere.tell("m.signing_key_update", update)
    assert changed(await alice.sync()) == [carl]
    assert (await query(alice, carl))["self_signing_keys"] == {carl: keys["self_signing_key"]}
    for hostile in ({"user_id": alice.id, "master_key": keys_of(alice.id, OTHER)["master_key"]}, {"user_id": 5}):
        await elsewhere.tell("m.signing_key_update", hostile)
    await elsewhere.tell(
        "m.signing_key_update", {"user_id": carl, "master_key": keys_of(alice.id, OTHER)["master_key"]}
    )
    found = await query(alice, carl, alice.id)
    assert [list(found["master_keys"][each]["keys"].values()) for each in (carl, alice.id)] == [[MASTER.text]] * 2
