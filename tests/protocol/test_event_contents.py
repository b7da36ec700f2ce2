"""Lenient views of contents: what is absent or of the wrong shape counts as not said."""

import math
from typing import Any

import pytest

from oriz_matrix.protocol.event_contents import (
    INFINITE,
    Create,
    JoinRules,
    Member,
    PowerLevels,
    guests_may_join,
    history_visibility,
    membership,
    parse_level,
    successor,
)
from oriz_matrix.protocol.room_versions import V1, V6, V10, V11, V12, PowerLevelType, RoomVersion
from tests.protocol.rooms import ALICE, BOB, CARL, Room

LENIENT, STRINGS, INTEGERS = PowerLevelType.LENIENT, PowerLevelType.STRINGS, PowerLevelType.INTEGERS


@pytest.mark.parametrize(
    ("value", "lenient", "strings", "integers"),
    [
        (50, 50, 50, 50),
        (-(2**70), -(2**70), -(2**70), -(2**70)),
        ("50", 50, 50, None),
        (" +00050\t", 50, 50, None),
        ("-0", 0, 0, None),
        ("000", 0, 0, None),
        ("-7", -7, -7, None),
        ("9" * 308, int("9" * 308), int("9" * 308), None),
        ("9" * 309, None, None, None),
        ("0" * 100_000 + "x", None, None, None),
        ("", None, None, None),
        ("+ 5", None, None, None),
        ("--5", None, None, None),
        ("1_000", None, None, None),
        ("١", None, None, None),
        ("5.0", None, None, None),
        (50.99, 50, None, None),
        (-50.99, -50, None, None),
        (5.114698e4, 51146, None, None),
        (math.inf, None, None, None),
        (math.nan, None, None, None),
        (True, None, None, None),
        (False, None, None, None),
        (None, None, None, None),
        ([5], None, None, None),
    ],
)
def test_trap_23_a_power_level_is_what_the_room_version_says(
    value: Any, lenient: int | None, strings: int | None, integers: int | None
) -> None:
    assert [parse_level(kind, value) for kind in (LENIENT, STRINGS, INTEGERS)] == [lenient, strings, integers]


def levels(version: RoomVersion, content: dict[str, Any] | None, **create: Any) -> PowerLevels:
    room = Room(version)
    first = Create(room.create(**create))
    event = room.event("m.room.power_levels", ALICE, content, "") if content is not None else None
    return PowerLevels(first, event)


@pytest.mark.parametrize("version", [V1, V6, V11])
def test_trap_23_without_power_levels_the_creator_has_100_and_the_defaults_hold(version: RoomVersion) -> None:
    found = levels(version, None)
    assert (found.user(ALICE), found.user(BOB)) == (100, 0)
    assert (found.invite, found.kick, found.ban, found.redact, found.notification("room")) == (0, 50, 50, 50, 50)
    assert (found.required("m.room.topic", is_state=True), found.required("m.room.message", is_state=False)) == (50, 0)


def test_an_empty_power_levels_event_leaves_the_creator_nothing() -> None:
    found = levels(V11, {})
    assert (found.user(ALICE), found.user(BOB)) == (0, 0)
    assert (found.invite, found.kick, found.ban, found.redact, found.notification("room")) == (0, 50, 50, 50, 50)
    assert (found.required("m.room.topic", is_state=True), found.required("m.room.message", is_state=False)) == (50, 0)


def test_levels_are_read_where_they_are_given() -> None:
    found = levels(
        V10,
        {
            "invite": 1,
            "kick": 2,
            "ban": 3,
            "redact": 4,
            "state_default": 5,
            "events_default": 6,
            "users_default": 7,
            "users": {ALICE: 90},
            "events": {"m.room.topic": 8},
            "notifications": {"room": 9},
        },
    )
    assert (found.invite, found.kick, found.ban, found.redact) == (1, 2, 3, 4)
    assert [found.required(t, is_state=True) for t in ("m.room.name", "m.room.topic")] == [5, 8]
    assert [found.required(t, is_state=False) for t in ("m.room.message", "m.room.topic")] == [6, 8]
    assert (found.user(ALICE), found.user(BOB), found.notification("room")) == (90, 7, 9)


def test_broken_levels_count_as_absent() -> None:
    found = levels(V10, {"ban": "50", "users": [], "events": {"m.room.topic": True}, "users_default": {}})
    assert (found.ban, found.user(ALICE), found.required("m.room.topic", is_state=True)) == (50, 0, 50)


def test_trap_24_creators_have_infinite_power_whatever_the_levels_say() -> None:
    found = levels(V12, {"users": {ALICE: 0, CARL: 2**70}}, additional_creators=[BOB])
    assert found.user(ALICE) == found.user(BOB) == INFINITE > found.user(CARL) == 2**70
    assert levels(V12, None).user(BOB) == 0
    assert levels(V12, None, additional_creators="x").user(BOB) == 0


def test_create() -> None:
    old = Create(Room(V10).create(creator=BOB))
    assert (old.creator, old.creators, old.is_creator(BOB), old.is_creator(ALICE)) == (BOB, [BOB], True, False)
    broken = Create(Room(V10).create(creator=5, type=5, predecessor=[]))
    assert (broken.creator, broken.creators, broken.room_type, broken.predecessor) == (None, [], None, None)
    new = Create(Room(V12).create(additional_creators=[BOB], type="m.space", predecessor={"room_id": "!old"}))
    assert (new.creator, new.creators, new.room_type, new.predecessor) == (ALICE, [ALICE, BOB], "m.space", "!old")
    assert new.federates
    assert not Create(Room(V12).create(**{"m.federate": False})).federates


def test_member() -> None:
    signed = {"mxid": BOB, "token": "t"}
    full = Member(
        {
            "membership": "invite",
            "displayname": "Bob",
            "avatar_url": "mxc://one/x",
            "third_party_invite": {"signed": signed},
            "join_authorised_via_users_server": ALICE,
        }
    )
    assert (full.membership, full.display_name, full.avatar_url) == ("invite", "Bob", "mxc://one/x")
    assert (full.signed, full.third_party_token, full.authorising_user) == (signed, "t", ALICE)
    assert full.is_third_party_invite
    empty = Member({"membership": 5, "third_party_invite": 5})
    assert (empty.membership, empty.display_name, empty.avatar_url) == (None, None, None)
    assert (empty.signed, empty.third_party_token, empty.authorising_user) == (None, None, None)
    assert Member({"third_party_invite": {"signed": []}}).signed is None


def test_membership_of_an_event() -> None:
    room = Room(V10)
    assert membership(None) is None
    assert membership(room.event("m.room.member", BOB, {"membership": "ban"}, BOB)) == "ban"


def test_join_rules() -> None:
    room = Room(V10)
    assert JoinRules(None).rule == "invite"
    assert JoinRules(room.event("m.room.join_rules", BOB, {"join_rule": 5}, "")).rule == ""
    conditions = [
        {"type": "m.room_membership", "room_id": "!a:one"},
        {"type": "m.room_membership", "room_id": 5},
        {"type": "org.example", "room_id": "!b:one"},
        "nonsense",
    ]
    event = room.event("m.room.join_rules", BOB, {"join_rule": "restricted", "allow": conditions}, "")
    assert (JoinRules(event).rule, JoinRules(event).allowed_rooms) == ("restricted", ["!a:one"])
    assert JoinRules(None).allowed_rooms == []


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (None, "shared"),
        ({}, "shared"),
        ({"history_visibility": "secret"}, "shared"),
        ({"history_visibility": ["joined"]}, "shared"),
        ({"history_visibility": "joined"}, "joined"),
    ],
)
def test_history_visibility_is_shared_unless_understood(content: Any, value: str) -> None:
    room = Room(V10)
    event = None if content is None else room.event("m.room.history_visibility", ALICE, content, "")
    assert history_visibility(event) == value


def test_guest_access_and_tombstones() -> None:
    room = Room(V10)
    assert not guests_may_join(None)
    assert not guests_may_join(room.event("m.room.guest_access", ALICE, {"guest_access": "forbidden"}, ""))
    assert guests_may_join(room.event("m.room.guest_access", ALICE, {"guest_access": "can_join"}, ""))
    assert successor(None) is None
    assert successor(room.event("m.room.tombstone", ALICE, {"replacement_room": "!new"}, "")) == "!new"
