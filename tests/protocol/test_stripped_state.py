"""What an invite or a knock shows of a room."""

from typing import Any

import pytest

from oriz_matrix.protocol.event_builder import EventBuilder
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import ServerName, UserId
from oriz_matrix.protocol.room_versions import V12
from oriz_matrix.protocol.signing import SigningKey
from oriz_matrix.protocol.stripped_state import prune, shown_events, shown_keys, strip

ALICE = UserId("@alice:home.org")
KEY = SigningKey("a", b"k" * 32)


def room() -> dict[StateKey, Event]:
    """A version 12 room that holds more than may be shown."""

    def state_event(kind: str, state_key: str, **content: Any) -> Event:
        return EventBuilder(
            version=V12, room_id=founding.room_id if kind != "m.room.create" else None, sender=ALICE, type=kind,
            state_key=state_key, content=content, prev_event_ids=[], auth_event_ids=[], depth=1, origin_server_ts=1,
        ).build(ServerName("home.org"), KEY)  # fmt: skip

    founding = state_event("m.room.create", "", room_version="12")
    others = [
        state_event("m.room.member", ALICE, membership="join", displayname="Alice"),
        state_event("m.room.member", "@bob:home.org", membership="join"),
        state_event("m.room.name", "", name="The room"),
        state_event("m.room.name", "odd", name="Not the name"),
        state_event("m.room.power_levels", "", users={}),
        state_event("m.room.encryption", "", algorithm="m.megolm.v1.aes-sha2"),
        state_event("m.room.join_rules", "", join_rule="invite"),
    ]
    return {event.key: event for event in [founding, *others]}


def test_an_invite_shows_the_room_and_who_invites() -> None:
    state = room()
    shown = shown_events(state, ALICE)
    assert [event.key for event in shown] == [
        ("m.room.create", ""),
        ("m.room.name", ""),
        ("m.room.join_rules", ""),
        ("m.room.encryption", ""),
        ("m.room.member", ALICE),
    ]
    assert {event.key for event in shown} <= set(shown_keys(ALICE))


def test_trap_24_the_create_event_is_shown_and_gives_the_room_id() -> None:
    founding, *_ = shown_events(room(), ALICE)
    assert founding.room_id == "!" + founding.event_id[1:]
    assert strip(founding) == {
        "type": "m.room.create",
        "state_key": "",
        "sender": ALICE,
        "content": {"room_version": "12"},
    }


def test_trap_09_what_other_servers_send_is_pruned() -> None:
    events = shown_events(room(), ALICE)
    pdus = [{**event.pdu, "unsigned": {"age": 1}, "room_id": "!other:x"} for event in events]
    assert prune(pdus) == [strip(event) for event in events]
    assert prune([strip(event) for event in events]) == [strip(event) for event in events]


@pytest.mark.parametrize("received", [None, "x", {}, 5])
def test_what_is_no_list_shows_nothing(received: Any) -> None:
    assert prune(received) == []


@pytest.mark.parametrize("name", ["type", "state_key", "sender", "content"])
def test_malformed_entries_are_left_out(name: str) -> None:
    good = {"type": "m.room.name", "state_key": "", "sender": ALICE, "content": {"name": "N"}}
    without = {key: value for key, value in good.items() if key != name}
    assert prune([without, {**good, name: 5}, {**good, name: None}, None, "x", [], good]) == [good]
