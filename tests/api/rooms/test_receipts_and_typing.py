"""POST /receipt and PUT /typing: parameters, errors, who may."""

import pytest

from tests.support.homeserver import Home, refused


@pytest.mark.parametrize(
    ("kind", "body", "errcode", "naming"),
    [
        ("m.seen", {}, "M_INVALID_PARAM", "receiptType"),
        ("m.read", {"thread_id": ""}, "M_INVALID_PARAM", "thread_id"),
        ("m.read", {"thread_id": 5}, "M_INVALID_PARAM", "thread_id"),
        ("m.read", {"thread_id": None}, "M_INVALID_PARAM", "thread_id"),
        ("m.fully_read", {"thread_id": "main"}, "M_INVALID_PARAM", "thread_id"),
        ("m.read", [], "M_BAD_JSON", ""),
        ("m.read", {"thread_id": "$unrelated"}, "M_INVALID_PARAM", "thread_id"),
    ],
)
async def test_receipts_that_say_nothing(home: Home, kind: str, body: object, errcode: str, naming: str) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    said = await alice.say(room, "hello")
    with refused(400, errcode, naming):
        await alice.in_room(room, "POST", f"receipt/{kind}/{said}", body)


async def test_threads_of_receipts(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    root = await alice.say(room, "root")
    relation = {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}
    answer = await alice.say(room, "answer", more=relation)
    reaction = await alice.send(
        room, "m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": answer, "key": "+"}}
    )
    for event in (answer, reaction):
        await alice.receipt(room, event, thread_id=root)
        with refused(400, "M_INVALID_PARAM", "thread_id"):
            await alice.receipt(room, event, thread_id="main")
    await alice.receipt(room, root, thread_id="main")
    await alice.receipt(room, root, thread_id=root)


async def test_a_body_is_not_needed(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    said = await alice.say(room, "hello")
    assert await alice.in_room(room, "POST", f"receipt/m.read/{said}") == {}


async def test_unknown_events_change_nothing(home: Home) -> None:
    alice = await home.user("alice")
    room, other = await alice.create_room(), await alice.create_room()
    elsewhere = await alice.say(other, "hello")
    await alice.sync()
    await alice.receipt(room, "$unknown")
    await alice.receipt(room, elsewhere)
    assert not (await alice.sync()).rooms
    with refused(400, "M_INVALID_PARAM", "event_id"):
        await alice.in_room(room, "POST", "receipt/m.read/unknown", {})


@pytest.mark.parametrize("kind", ["m.read", "m.read.private", "m.fully_read"])
async def test_receipts_are_for_members(home: Home, kind: str) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(invite=[bob.id])
    said = await alice.say(room, "hello")
    for outsider in (bob, carol):
        with refused(403, "M_FORBIDDEN"):
            await outsider.receipt(room, said, kind)
    with refused(403, "M_FORBIDDEN"):
        await carol.receipt("!unknown:example.org", said, kind)


async def test_typing_is_for_members_and_for_oneself(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(invite=[bob.id])
    with refused(403, "M_FORBIDDEN"):
        await bob.type(room)
    with refused(403, "M_FORBIDDEN"):
        await bob.type("!unknown:example.org")
    with refused(403, "M_FORBIDDEN", "user"):
        await alice.in_room(room, "PUT", f"typing/{bob.id}", {"typing": True})
    with refused(400, "M_INVALID_PARAM", "user_id"):
        await alice.in_room(room, "PUT", "typing/bob", {"typing": True})


@pytest.mark.parametrize("body", [{}, {"typing": "yes"}, {"typing": 1}, {"typing": True, "timeout": "soon"}])
async def test_typing_that_says_nothing(home: Home, body: object) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    with refused(400, "M_BAD_JSON", "typing" if body != {"typing": True, "timeout": "soon"} else "timeout"):
        await alice.in_room(room, "PUT", f"typing/{alice.id}", body)


@pytest.mark.parametrize("milliseconds", [-5, 0, 2**53, 10**25])
async def test_odd_timeouts(home: Home, milliseconds: int) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    await alice.sync()
    await alice.type(room, milliseconds)
    assert (await alice.sync()).joined(room).typing == ([alice.id] if milliseconds > 0 else None)
