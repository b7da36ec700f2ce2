"""GET /messages: both directions, from and to, limits, filters, lazy members."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from oriz_matrix.storage.dialects.postgresql import DRAW
from tests.support.databases import Databases
from tests.support.homeserver import Home, Json, User, ids, refused, texts
from tests.support.in_process import open_config
from tests.support.stores import schema_template


async def room_with(alice: User, *said: str, **body: Any) -> tuple[str, list[str]]:
    """A room and the ids of what was said in it."""
    room = await alice.create_room(preset="public_chat", **body)
    return room, [await alice.say(room, text) for text in said]


async def everything(user: User, room: str) -> list[Json]:
    """The whole history, oldest first."""
    return (await user.history(room, "b", limit=100))[::-1]


async def test_backwards_from_the_end_and_forwards_from_the_start(either_home: Home) -> None:
    alice = await either_home.user("alice")
    room, _ = await room_with(alice, *"abcdef")
    back = await alice.messages(room, "b", limit=3)
    assert texts(back["chunk"]) == ["f", "e", "d"]
    further = await alice.messages(room, "b", limit=3, from_=back["end"])
    assert texts(further["chunk"]) == ["c", "b", "a"]
    forth = await alice.messages(room, "f", from_=further["end"], limit=4)
    assert texts(forth["chunk"]) == ["a", "b", "c", "d"]
    assert (await alice.messages(room, "f", limit=1))["chunk"][0]["type"] == "m.room.create"


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_pages_join_without_a_seam(home: Home, size: int) -> None:
    alice = await home.user("alice")
    room, _ = await room_with(alice, *"abcdef")
    whole = ids(await everything(alice, room))
    assert len(whole) == len(set(whole)) == len(await alice.whole_state(room)) + 6
    assert ids(await alice.history(room, "b", limit=size)) == whole[::-1]
    assert ids(await alice.history(room, "f", limit=size)) == whole


async def test_a_page_stops_at_to(home: Home) -> None:
    alice = await home.user("alice")
    room, said = await room_with(alice, "a", "b")
    middle = (await alice.sync()).next_batch
    said += [await alice.say(room, text) for text in "cd"]
    assert ids((await alice.messages(room, "b", to=middle))["chunk"]) == [said[3], said[2]]
    assert texts((await alice.messages(room, "f", to=middle, limit=100))["chunk"]) == ["a", "b"]
    assert texts((await alice.messages(room, "f", from_=middle))["chunk"]) == ["c", "d"]
    assert texts((await alice.messages(room, "b", from_=middle, limit=2))["chunk"]) == ["b", "a"]


async def test_the_end_is_told_by_a_missing_token(home: Home) -> None:
    alice = await home.user("alice")
    room, _ = await room_with(alice, "a")
    page = await alice.messages(room, "b", limit=100)
    assert "end" not in page
    token = (await alice.sync()).next_batch
    page = await alice.messages(room, "f", from_=token)
    assert page["chunk"] == []
    assert "end" not in page


async def test_forwards_can_go_on_when_there_is_more(home: Home) -> None:
    alice = await home.user("alice")
    room, _ = await room_with(alice, "a")
    page = await alice.messages(room, "f", limit=100)
    assert texts(page["chunk"]) == ["a"]
    await alice.say(room, "b")
    assert texts((await alice.messages(room, "f", from_=page["end"]))["chunk"]) == ["b"]


async def test_ten_by_default_and_never_more_than_a_thousand(home: Home) -> None:
    alice = await home.user("alice")
    room, _ = await room_with(alice, *"abcdefgh")
    assert len((await alice.messages(room))["chunk"]) == 10
    assert len((await alice.messages(room, limit=100_000))["chunk"]) > 10
    assert len((await alice.messages(room, filter={"limit": 2}))["chunk"]) == 2


@pytest.mark.parametrize(
    ("query", "errcode", "naming"),
    [
        ({"limit": 0}, "M_INVALID_PARAM", "limit"),
        ({"limit": -1}, "M_INVALID_PARAM", "limit"),
        ({"limit": "ten"}, "M_INVALID_PARAM", "limit"),
        ({"dir": "x"}, "M_INVALID_PARAM", "dir"),
        ({"dir": None}, "M_MISSING_PARAM", "dir"),
        ({"from_": "yesterday"}, "M_INVALID_PARAM", "from"),
        ({"to": "yesterday"}, "M_INVALID_PARAM", "to"),
        ({"from_": "t99999999999999999999"}, "M_INVALID_PARAM", "from"),
        ({"filter": "{"}, "M_INVALID_PARAM", "filter"),
        ({"filter": {"types": "m.room.message"}}, "M_INVALID_PARAM", "types"),
        ({"filter": {"rooms": ["tea"]}}, "M_INVALID_PARAM", "rooms"),
    ],
)
async def test_parameters_that_are_wrong(home: Home, query: dict[str, Any], errcode: str, naming: str) -> None:
    alice = await home.user("alice")
    room, _ = await room_with(alice)
    with refused(400, errcode, naming):
        await alice.messages(room, **query)


@pytest.mark.parametrize("token", ["t9223372036854775807", "s9223372036854775807", "t0", "t5_b-9223372036854775807"])
@pytest.mark.parametrize("direction", ["b", "f"])
async def test_tokens_from_nowhere_do_no_harm(either_home: Home, token: str, direction: str) -> None:
    alice = await either_home.user("alice")
    room, _ = await room_with(alice, "a")
    assert len((await alice.messages(room, direction, from_=token))["chunk"]) in (0, 7)
    await alice.messages(room, direction, to=token)
    await alice.members(room, at=token)


FILTERS: list[tuple[Json, str]] = [
    ({"types": ["m.room.message"]}, "abc"),
    ({"types": ["m.room.*"], "not_types": ["m.room.message"]}, ""),
    ({"types": []}, ""),
    ({"not_types": ["m.room.message"]}, ""),
    ({"senders": ["@bob:example.org"]}, "b"),
    ({"not_senders": ["@bob:example.org"]}, "ac"),
    ({"senders": []}, ""),
    ({"senders": ["@bob:example.org"], "not_senders": ["@bob:example.org"]}, ""),
    ({"rooms": []}, ""),
    ({"rooms": ["!other:example.org"]}, ""),
    ({"not_rooms": ["!other:example.org"]}, "abc"),
    ({"contains_url": True}, "c"),
    ({"contains_url": False}, "ab"),
]


@pytest.mark.parametrize(("wanted", "said"), FILTERS)
async def test_filters(home: Home, wanted: Json, said: str) -> None:
    alice, bob = await home.users("alice", "bob")
    room, _ = await room_with(alice, "a")
    await bob.join(room)
    await bob.say(room, "b")
    await alice.say(room, "c", more={"url": "mxc://example.org/c"})
    assert texts(await alice.history(room, "f", filter=wanted)) == list(said)
    assert texts(await alice.history(room, "b", filter=wanted, limit=1)) == list(said)[::-1]


async def test_a_filter_that_drops_nearly_all_still_finds_the_rest(home: Home) -> None:
    alice = await home.user("alice")
    room, _ = await room_with(alice, "needle", *["hay"] * 150)
    await alice.send(room, "org.example.pin", {})
    page = await alice.messages(room, "f", filter={"types": ["org.example.pin"]})
    assert [event["type"] for event in page["chunk"]] == ["org.example.pin"]


async def test_lazy_members_are_those_who_speak(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room, _ = await room_with(alice, "a")
    await bob.join(room)
    await carol.join(room)
    await bob.say(room, "b")
    page = await carol.messages(room, limit=1, filter={"lazy_load_members": True})
    assert [event["state_key"] for event in page["state"]] == [bob.id]
    assert "state" not in await carol.messages(room, limit=1)


async def test_who_left_reads_up_to_their_goodbye(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room, _ = await room_with(alice, "a")
    await bob.join(room)
    await alice.say(room, "b")
    await bob.leave(room)
    await alice.say(room, "c")
    token = (await alice.sync()).next_batch
    for start in ({}, {"from_": token}, {"from_": "t9223372036854775807"}):
        newest = (await bob.messages(room, "b", **start))["chunk"]
        assert texts(newest) == ["b", "a"]
        assert newest[0]["content"]["membership"] == "leave"
    assert texts(await bob.history(room, "f")) == ["a", "b"]
    assert texts((await bob.messages(room, "f", to=token, limit=100))["chunk"]) == ["a", "b"]


async def test_what_was_sent_is_there_while_an_earlier_write_is_still_under_way(
    postgres: Databases, tmp_path: Path
) -> None:
    with postgres.database(schema_template(postgres)) as url, psycopg.connect(url) as slow:
        async with Home(open_config(tmp_path, url)) as home:
            alice = await home.user("alice")
            slow.execute(DRAW.replace(":count", "1"))
            room, said = await room_with(alice, "a")
            assert ids((await alice.messages(room, "b", limit=1))["chunk"]) == said
            around = await alice.context(room, said[0])
            assert around["events_before"]
            said.append(await alice.say(room, "b"))
            assert ids((await alice.context(room, said[0]))["events_after"]) == said[1:]
            assert ids((await alice.messages(room, "f", from_=around["end"]))["chunk"]) == said[1:]
