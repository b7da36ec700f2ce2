"""What woken syncs share equals what each would have read for itself, for random histories and stretches."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from oriz_matrix.protocol.filters import NO_FILTER, Filter, parse_filter
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.services.rooms.client_events import Reader
from oriz_matrix.services.rooms.ignored import IgnoredUsers
from oriz_matrix.services.sync.read import read
from oriz_matrix.services.sync.shape import Shaper
from oriz_matrix.services.sync.shared import Shared
from oriz_matrix.services.sync.window import Touched, Window
from oriz_matrix.storage import interning, membership
from oriz_matrix.storage.types import DeviceNid, Position, UserNid
from tests.support.in_process import Homeserver, Person, homeserver, open_config

SEED = random.randrange(10**6)
STEPS = 120
STRETCHES = 250
FILTERS = (
    NO_FILTER,
    parse_filter({"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 3}}}),
    parse_filter({"room": {"timeline": {"types": ["m.room.message"]}, "ephemeral": {"not_types": ["m.typing"]}}}),
    parse_filter({"room": {"timeline": {"unread_thread_notifications": True}}}),
)


async def _act(home: Homeserver, chance: random.Random, people: Sequence[Person], rooms: Sequence[str]) -> None:
    """One random person does one random thing, allowed or not."""
    person, room = chance.choice(people), quote(chance.choice(rooms), safe="")
    path, mine = f"/v3/rooms/{room}", f"/v3/user/{person.user_id}"
    what = chance.choice(
        (*["say"] * 3, "name", "type", "read", "private", "leave", "join", "note", "mention", "thread")
    )
    if what in ("say", "mention", "thread"):
        await home.ask(
            "PUT", f"{path}/send/m.room.message/{chance.random()}", _content(chance, what, people), by=person
        )
    elif what == "name":
        await home.ask("PUT", f"{path}/state/m.room.topic", {"topic": str(chance.random())}, by=person)
    elif what == "type":
        await home.ask("PUT", f"{path}/typing/{person.user_id}", {"typing": chance.random() < 0.7}, by=person)
    elif what in ("read", "private"):
        newest = (await home.ask("GET", f"{path}/messages?dir=b&limit=3", by=person)).body
        if newest.get("chunk"):
            event_id = quote(chance.choice(newest["chunk"])["event_id"], safe="")
            kind = "m.read" if what == "read" else "m.read.private"
            await home.ask("POST", f"{path}/receipt/{kind}/{event_id}", {}, by=person)
    elif what in ("leave", "join"):
        await home.ask("POST", f"{path}/{what}", {}, by=person)
    elif chance.random() < 0.5:
        ignored: dict[str, Any] = {other.user_id: {} for other in chance.sample(people, chance.choice((0, 1)))}
        content = {"ignored_users": ignored}
        await home.ask("PUT", f"{mine}/account_data/m.ignored_user_list", content, by=person)
    else:
        await home.ask("POST", f"{mine}/filter", {}, by=person)


def _content(chance: random.Random, what: str, people: Sequence[Person]) -> dict[str, Any]:
    content: dict[str, Any] = {"msgtype": "m.text", "body": what}
    if what == "mention":
        content["m.mentions"] = {"user_ids": [chance.choice(people).user_id]}
    if what == "thread":
        content["m.relates_to"] = {"rel_type": "m.thread", "event_id": "$root"}
    return content


async def _general(home: Homeserver, window: Window, user_id: UserId) -> dict[str, Any]:
    stays = await home.server.database.read(membership.of_user, window.reader.user, window.upto)
    data = await home.server.database.read(read, window, stays)
    answer = await Shaper(window, user_id, data).answer()
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer.get("rooms", {}).get("join", {})))
    return found


async def _own_news(home: Homeserver, user: UserNid, since: Position) -> bool:
    changes = home.server.changes.between(since, home.server.changes.settled)
    assert changes is not None
    return any(change.user == user and change.kind not in ("receipt", "typing") for change in changes)


async def _user(home: Homeserver, person: Person) -> UserNid:
    nid = await home.server.database.read(interning.find_user, UserId(person.user_id))
    assert nid is not None
    return nid


async def test_shared_parts_equal_the_general_way(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    async with homeserver(open_config(tmp_path, None)) as home:
        people = [await home.person(f"person{i}") for i in range(5)]
        made = [
            (await home.ask("POST", "/v3/createRoom", {"preset": "public_chat"}, by=person)).body
            for person in people[:3]
        ]
        rooms = [answer["room_id"] for answer in made]
        for person in people:
            for room in rooms:
                await home.ask("POST", f"/v3/rooms/{quote(room, safe='')}/join", {}, by=person)
        positions = [await home.server.changes.catch_up()]
        for _ in range(STEPS):
            await _act(home, chance, people, rooms)
            positions.append(await home.server.changes.catch_up())
        compared = 0
        for _ in range(STRETCHES):
            person = chance.choice(people)
            since, upto = sorted(chance.sample(positions[-STEPS // 3 :], 2))
            compared += await _compare(
                home, person, (since, upto), chance.choice(FILTERS), use_state_after=chance.random() < 0.5
            )
        assert compared > STRETCHES / 100


async def _compare(
    home: Homeserver, person: Person, stretch: tuple[Position, Position], wanted: Filter, *, use_state_after: bool
) -> bool:
    """Compares both ways where the shared one applies."""
    user = await _user(home, person)
    since, upto = stretch
    if since == upto or await _own_news(home, user, since):
        return False
    touched = Touched.of(home.server.changes.between(since, upto), user)
    ignoring = IgnoredUsers(home.server.database, home.server.changes)
    window = Window(
        reader=Reader(user, DeviceNid(0)),
        since=since,
        upto=upto,
        filter=wanted,
        use_state_after=use_state_after,
        ignored=await ignoring.now(user),
        touched=touched,
    )
    stays = await home.server.database.read(membership.of_user, user, upto)
    shared = await Shared(home.server.database).rooms(window, stays, UserId(person.user_id))
    if shared is None:
        return False
    general = await _general(home, window, UserId(person.user_id))
    mine, theirs = _comparable(msgspec.json.decode(msgspec.json.encode(shared))), _comparable(general)
    for room_id, room in mine.items():
        state = "state_after" if use_state_after else "state"
        _drop_heroes(room[state]["events"], theirs[room_id][state]["events"])
    assert mine == theirs
    return True


def _drop_heroes(events: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    """The reader is no hero to themselves, but the member events of the shared part may hold theirs, and a sixth."""
    events[:] = [event for event in events if event in others or event["type"] != "m.room.member"]


def _comparable(rooms: dict[str, Any]) -> dict[str, Any]:
    """Without the place before an empty timeline, which may be any since the room's last change."""
    for room in rooms.values():
        if not room["timeline"]["events"]:
            del room["timeline"]["prev_batch"]
        for state in {"state", "state_after"} & room.keys():
            room[state]["events"].sort(key=lambda event: event["event_id"])
    return rooms
