"""The authorization rule for m.room.power_levels.

Each numbered rule: what it allows and what it refuses, in every room version. Numbers are those of room version 12; up
to version 11 they are one less from rule 4 on. The cast: see `scenes`.
"""

from typing import Any

import pytest

from oriz_matrix.protocol.event_contents import POWER_LEVELS
from oriz_matrix.protocol.room_versions import V9, V12, RoomVersion
from tests.protocol.rooms import ALICE, BOB, CARL, ERIN, FRED, GINA
from tests.protocol.scenes import BROKEN, SINCE_6, SINCE_10, Scene, says, versions


@versions()
def test_trap_23_rule_10_1_levels_are_levels_of_the_version(version: RoomVersion) -> None:
    scene = Scene(version)
    for name in ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"):
        assert scene.levels(ALICE, **{name: 9}) is None
        assert (scene.levels(ALICE, **{name: " 09 "}) is None) is (version not in SINCE_10)
        assert (scene.levels(ALICE, **{name: 9.5}) is None) is (version not in SINCE_6)
        for broken in BROKEN:
            assert says(scene.levels(ALICE, **{name: broken}), f"{name} is not a level")


@versions()
@pytest.mark.parametrize("name", ["events", "notifications", "users"])
def test_trap_23_rule_10_2_and_3_maps_are_objects_of_levels(version: RoomVersion, name: str) -> None:
    scene = Scene(version)
    key = BOB if name == "users" else "m.room.name"
    checked = name != "notifications" or version.notification_levels
    assert scene.levels(ALICE, **{name: {key: 50}}) is None
    assert (scene.levels(ALICE, **{name: {key: " 050"}}) is None) is (version not in SINCE_10 or not checked)
    wrong: list[Any] = [[], 5, None, *({key: value} for value in BROKEN)]
    for broken in wrong:
        assert says(scene.levels(ALICE, **{name: broken}), f"{name} is not an object") is checked


@versions()
@pytest.mark.parametrize("user", ["bob", "@bob", "@bob:", "", "#bob:one"])
def test_rule_10_3_users_are_user_ids(version: RoomVersion, user: str) -> None:
    assert says(Scene(version).levels(ALICE, users={user: 0}), "user id")


@versions()
def test_trap_24_rule_10_4_creators_are_not_listed(version: RoomVersion) -> None:
    room = Scene(version, additional_creators=[CARL])
    del room.state[POWER_LEVELS]
    for creator in (ALICE, CARL):
        refused = room.asks("m.room.power_levels", ALICE, {"users": {creator: 100, BOB: 50}}, "")
        assert says(refused, "creator") is version.privileged_creators


@versions()
@pytest.mark.parametrize(
    "name", ["users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"]
)
def test_rule_10_6_defaults_change_within_the_senders_level(version: RoomVersion, name: str) -> None:
    scene = Scene(version, {name: 50, "events": {"m.room.power_levels": 0}})
    if name != "users_default":
        assert says(scene.levels(CARL, **{name: 0}), "a default")
    assert scene.levels(BOB, **{name: 49}) is None
    assert says(scene.levels(BOB, **{name: 51}), "a default")
    without = {key: value for key, value in scene.state[POWER_LEVELS].content.items() if key != name}
    assert scene.asks("m.room.power_levels", BOB, without, "") is None, "what one may set one may take away"
    high = Scene(version, {name: 51, "events": {"m.room.power_levels": 0}})
    assert says(high.levels(BOB, **{name: 50}), "a default")
    assert says(high.asks("m.room.power_levels", BOB, without, ""), "a default")
    assert high.levels(BOB) is None, "what does not change is not checked"


@versions()
@pytest.mark.parametrize("name", ["events", "notifications"])
def test_rule_10_7_and_8_entries_change_within_the_senders_level(version: RoomVersion, name: str) -> None:
    own = {"m.room.power_levels": 50} if name == "events" else {}
    scene = Scene(version, {"events": {"m.room.power_levels": 50}, name: {**own, "a": 51, "b": 50}})
    checked = name == "events" or version.notification_levels
    for fine in ({"a": 51, "b": 49}, {"a": 51}, {"a": 51, "b": 50, "c": 50}):
        assert scene.levels(BOB, **{name: {**own, **fine}}) is None
    for wrong in ({"a": 50, "b": 50}, {"b": 50}, {"a": 51, "b": 51}, {"a": 51, "b": 50, "c": 51}):
        assert says(scene.levels(BOB, **{name: {**own, **wrong}}), name) is checked


@versions()
def test_rule_10_9_and_10_users_change_within_the_senders_level(version: RoomVersion) -> None:
    scene = Scene(version, {"events": {"m.room.power_levels": 50}, "users": {CARL: 50, ERIN: 49, FRED: 51}})
    users = scene.state[POWER_LEVELS].content["users"]
    without_bob = {user: level for user, level in users.items() if user != BOB}
    assert scene.levels(BOB, users={**users, ERIN: 50}) is None
    assert scene.levels(BOB, users={**users, GINA: 50}) is None
    assert scene.levels(BOB, users={**users, BOB: 10}) is None, "one may step down"
    assert scene.levels(BOB, users=without_bob) is None
    assert says(scene.levels(BOB, users={**users, GINA: 51}), "users")
    assert says(scene.levels(BOB, users={**users, BOB: 51}), "users")
    assert says(scene.levels(BOB, users={**users, CARL: 0}), "not above")
    assert says(scene.levels(BOB, users={u: n for u, n in users.items() if u != CARL}), "not above")
    assert says(scene.levels(BOB, users={**users, FRED: 50}), "users")
    assert scene.levels(ALICE, users={**users, FRED: 0}) is None


def test_trap_23_equal_levels_in_different_spelling_are_no_change() -> None:
    scene = Scene(V9, {"kick": 51, "events": {"m.room.power_levels": 50}, "users": {CARL: 50}})
    users = scene.state[POWER_LEVELS].content["users"]
    assert scene.levels(BOB, kick="051", users={**users, CARL: "50"}) is None


def test_what_is_broken_in_the_present_levels_counts_as_absent() -> None:
    scene = Scene(V9, {"events": {"m.room.power_levels": 50}})
    scene.put("m.room.power_levels", ALICE, {**scene.state[POWER_LEVELS].content, "kick": [], "notifications": 5})
    assert scene.levels(BOB, kick=50, notifications={"room": 50}) is None


def test_trap_24_creators_may_set_any_level() -> None:
    scene = Scene(V12, additional_creators=[CARL])
    assert scene.levels(CARL, users={BOB: 2**52}, ban=2**52) is None
