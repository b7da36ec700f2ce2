"""What the server tells one user of everything, and an obvious evaluation of which history they may see."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import ndiff
from pprint import pformat
from urllib.parse import quote

from tests.support.people import Json, Refused, Synced, User, ids

MEMBER = "m.room.member"
VISIBILITY = "m.room.history_visibility"


@dataclass
class Truth:
    """One user's world at a moment, by all other ways than a sync that goes on; `anew` is a first sync."""

    joined: set[str]
    anew: Synced
    state: dict[str, dict[tuple[str, str], str]] = field(default_factory=dict)
    history: dict[str, list[Json]] = field(default_factory=dict)
    """Oldest first; like `state` of the rooms that the user may look into."""

    def section(self, name: str) -> set[str]:
        """The rooms of one section of the first sync."""
        return set(self.anew.body.get("rooms", {}).get(name, {}))


async def ask(user: User, rooms: Sequence[str]) -> Truth:
    """Asks for everything, in both directions, and for what must agree with it."""
    joined = set((await user.request("GET", "/v3/joined_rooms"))["joined_rooms"])
    truth = Truth(joined, await user.sync_anew())
    assert truth.section("join") == joined
    for kind, content in truth.anew.account_data.items():
        assert await _account_data(user, f"account_data/{kind}") == content
    for room_id in rooms:
        try:
            whole = await user.whole_state(room_id)
        except Refused as error:
            if error.status != 403:
                raise
            continue
        history = await user.history(room_id, "f", limit=100)
        assert ids(await user.history(room_id, "b", limit=7)) == ids(history)[::-1]
        truth.state[room_id] = {key: event["event_id"] for key, event in whole.items()}
        truth.history[room_id] = history
        members = {key[1]: event["content"]["membership"] for key, event in whole.items() if key[0] == MEMBER}
        assert await user.members(room_id) == await user.members(room_id, at=truth.anew.next_batch) == members
        await _check_context(user, room_id, history)
    await _check_left(user, truth)
    for room_id in joined:
        for kind, content in truth.anew.joined(room_id).account_data.items():
            assert await _account_data(user, f"rooms/{quote(room_id)}/account_data/{kind}") == content
    return truth


async def _check_context(user: User, room_id: str, history: Sequence[Json]) -> None:
    """What stands around an event is a piece of the history, and its ends lead on from there."""
    if not history:
        return
    context = await user.context(room_id, history[len(history) // 2]["event_id"], limit=6)
    seen = [*context["events_before"][::-1], context["event"], *context["events_after"]]
    earlier = await user.history(room_id, "b", from_=context["start"])
    later = await user.history(room_id, "f", from_=context["end"])
    same(ids([*earlier[::-1], *seen, *later]), ids(history), f"{user.id}, around the context in {room_id}")


async def _check_left(user: User, truth: Truth) -> None:
    """A first sync that asks for left rooms too tells of each what one may still read there, and what they became."""
    wanted: Json = {"room": {"include_leave": True, "timeline": {"limit": 1_000}}}
    answer = await user.sync_anew(filter=wanted)
    for room_id, seen in truth.history.items():
        if answer.sections(room_id) != ["leave"] or not was_in(user.id, seen):
            continue
        where, update = f"{user.id}, {room_id}, left", answer.left(room_id)
        gap = await user.history(room_id, "b", from_=update.prev_batch) if update.limited else []
        timeline = [*gap[::-1], *update.timeline]
        same(ids(timeline[: len(seen)]), ids(seen), where)
        later = [(event["type"], event["state_key"]) for event in timeline[len(seen) :]]
        assert later in ([], [(MEMBER, user.id)]), where
        inside = update.timeline[: len(update.timeline) - len(later)]
        events = [*update.state, *(event for event in inside if "state_key" in event)]
        same({(e["type"], e["state_key"]): e["event_id"] for e in events}, truth.state[room_id], where)


async def _account_data(user: User, path: str) -> Json:
    content: Json = await user.request("GET", f"/v3/user/{quote(user.id)}/{path}")
    return content


def same(actual: object, expected: object, where: str) -> None:
    """Two parts of worlds that have to be equal, with all that differs where they are not."""
    if actual != expected:
        lines = ndiff(pformat(expected, width=120).splitlines(), pformat(actual, width=120).splitlines())
        difference = "\n".join(line for line in lines if line[0] in "+-")
        raise AssertionError(f"{where}: - is missing, + is too much\n{difference}")


def visible(user_id: str, everything: Sequence[Json]) -> list[str]:
    """The ids of the events that a user may see who is or was in the room, of all that happened in it.

    By the words of the client-server API, "Room History Visibility"; what the event changes itself counts in the more
    open way. Who is not in the room any more sees it up to the end of their last stay.
    """
    visibility = _course(everything, VISIBILITY, "", "history_visibility")
    membership = _course(everything, MEMBER, user_id, "membership")
    joins = [i for i, (_, after) in enumerate(membership) if after == "join"]
    ends = [i for i, (before, after) in enumerate(membership) if before == "join" != after]
    last = len(everything) if membership[-1][1] == "join" else ends[-1]
    return [
        event["event_id"]
        for i, event in enumerate(everything[: last + 1])
        if "world_readable" in visibility[i]
        or "join" in membership[i]
        or ("invited" in visibility[i] and "invite" in membership[i])
        or ({"shared", None} & set(visibility[i]) and joins[-1] > i)
    ]


def was_in(user_id: str, everything: Sequence[Json]) -> bool:
    """Whether a user was ever in the room."""
    return any("join" in around for around in _course(everything, MEMBER, user_id, "membership"))


def _course(everything: Sequence[Json], kind: str, state_key: str, name: str) -> list[tuple[str | None, str | None]]:
    """By event, what a field of the state was before it and after it."""
    found: list[tuple[str | None, str | None]] = []
    now: str | None = None
    for event in everything:
        before = now
        if event["type"] == kind and event.get("state_key") == state_key:
            now = event["content"].get(name)
        found.append((before, now))
    return found
