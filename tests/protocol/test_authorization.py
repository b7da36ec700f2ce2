"""The authorization rules but for members and power levels; auth events selection.

Each numbered rule: what it allows and what it refuses, in every room version. Numbers are those of room version 12; up
to version 11 they are one less from rule 4 on. The cast: see `scenes`.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oriz_matrix.protocol.authorization import (
    auth_keys,
    check_auth_events,
    check_static,
    may_redact,
    may_send,
    power_levels,
)
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_contents import CREATE, JOIN_RULES, POWER_LEVELS, member_key
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.room_versions import V1, V2, V11, V12, RoomVersion
from tests.protocol.rooms import ALICE, BOB, CARL, DAVE, ERIN, FRED, GINA, ZOE, Room
from tests.protocol.scenes import ALL, Scene, refusal, says, versions

# Rule 1: m.room.create


@versions()
def test_rule_1_a_create_event_is_allowed(version: RoomVersion) -> None:
    event = Room(version).create(additional_creators=[BOB])
    check_static(event)
    assert refusal(event, {}) is None


@versions()
def test_rule_1_1_a_create_event_has_nothing_before_it(version: RoomVersion) -> None:
    room = Room(version)
    first = room.create()
    again = room.event("m.room.create", ALICE, first.content, "", prev=[first])
    assert says(refusal(again, {}), "events before it")


@versions(ALL[:11])
def test_rule_1_2_the_room_id_is_of_the_senders_server(version: RoomVersion) -> None:
    assert says(refusal(Room(version).create(ZOE), {}), "sender's server")


@versions()
def test_rule_1_2_from_version_12_a_create_event_has_no_room_id(version: RoomVersion) -> None:
    room = Room(version)
    content = room.create().content
    refused = refusal(room.event("m.room.create", ALICE, content, "", room_id="!room:one"), {})
    assert says(refused, "room_id") is version.room_id_is_create_hash


@versions()
@pytest.mark.parametrize("name", ["13", 1, None, ["1"]])
def test_rule_1_3_the_room_version_is_known(version: RoomVersion, name: Any) -> None:
    assert says(refusal(Room(version).create(room_version=name), {}), "version")


@versions()
def test_rule_1_4_up_to_version_10_the_creator_is_named(version: RoomVersion) -> None:
    event = Room(version).event("m.room.create", ALICE, {}, "")
    assert says(refusal(event, {}), "creator") is version.creator_in_content


@versions([V11, V12])
@pytest.mark.parametrize("creators", [None, "x", {}, [BOB, 5], ["bob"], ["@bob"], ["@bob:"]])
def test_trap_24_rule_1_4_additional_creators_are_user_ids(version: RoomVersion, creators: Any) -> None:
    refused = refusal(Room(version).create(additional_creators=creators), {})
    assert says(refused, "additional_creators") is version.privileged_creators


# Rule 2: the room id names the create event


@versions([V11, V12])
def test_rule_2_from_version_12_the_room_id_is_the_create_events_hash(version: RoomVersion) -> None:
    scene = Scene(version)
    scene.state[CREATE] = scene.room.event("m.room.create", ALICE, {"creator": ALICE}, "")
    assert scene.room.room_id == ("!" + scene.state[CREATE].event_id[1:] if version is V12 else "!room:one")
    scene.room.room_id = scene.state[JOIN_RULES].room_id
    refused = scene.asks("m.room.message", ALICE, {})
    assert says(refused, "room id") is version.room_id_is_create_hash


# Rule 3 (2): auth_events


def cited(event: Event, scene: Scene) -> list[Event]:
    return [scene.room.known[i] for i in event.auth_event_ids]


def message(scene: Scene, *more: Event) -> Event:
    """A message of Bob's with the right auth events and some more."""
    listed = [CREATE] if scene.room.version.create_in_auth_events else []
    right = [scene.state[key] for key in [*listed, POWER_LEVELS, member_key(BOB)]]
    return scene.room.event("m.room.message", BOB, {}, auth=[*right, *more])


@versions()
def test_trap_20_rule_3_the_right_auth_events_become_the_state(version: RoomVersion) -> None:
    scene = Scene(version)
    event = message(scene)
    state = check_auth_events(event, cited(event, scene))
    assert set(state) == set(auth_keys("m.room.message", BOB, None, {}, version))
    assert refusal(event, {**state, CREATE: scene.state[CREATE]}) is None


@versions()
def test_rule_3_does_not_apply_to_the_create_event(version: RoomVersion) -> None:
    assert check_auth_events(Room(version).create(), []) == {}


@versions()
def test_trap_20_rule_3_1_no_duplicates(version: RoomVersion) -> None:
    scene = Scene(version)
    for more in (scene.state[POWER_LEVELS], scene.room.event("m.room.power_levels", ALICE, {}, "")):
        event = message(scene, more)
        with pytest.raises(Forbidden, match="several"):
            check_auth_events(event, cited(event, scene))


@versions()
def test_trap_20_rule_3_2_no_events_that_the_selection_does_not_name(version: RoomVersion) -> None:
    scene = Scene(version)
    no_state = scene.room.event("m.room.message", ALICE, {})
    for more in (scene.state[member_key(CARL)], scene.state[JOIN_RULES], no_state):
        event = message(scene, more)
        with pytest.raises(Forbidden, match="does not belong"):
            check_auth_events(event, cited(event, scene))


def test_trap_20_rule_3_2_from_version_12_the_create_event_is_not_listed() -> None:
    scene = Scene(V12)
    event = message(scene, scene.state[CREATE])
    with pytest.raises(Forbidden, match=r"m\.room\.create.*does not belong"):
        check_auth_events(event, cited(event, scene))


@versions()
def test_trap_17_rule_3_3_no_rejected_events(version: RoomVersion) -> None:
    scene = Scene(version)
    event = message(scene)
    with pytest.raises(Forbidden, match="was rejected"):
        check_auth_events(event, cited(event, scene), {scene.state[POWER_LEVELS].event_id})


@versions(ALL[:11])
def test_rule_2_4_up_to_version_11_the_create_event_is_listed(version: RoomVersion) -> None:
    scene = Scene(version)
    event = message(scene)
    with pytest.raises(Forbidden, match=r"no m\.room\.create"):
        check_auth_events(event, cited(event, scene)[1:])


@versions()
def test_trap_20_rule_3_5_no_events_of_another_room(version: RoomVersion) -> None:
    scene = Scene(version)
    event = message(scene)
    other = Event(version, scene.state[POWER_LEVELS].event_id, Room(version).room_id, scene.state[POWER_LEVELS].pdu)
    scene.room.room_id = other.room_id
    stranger = Event(version, event.event_id, type(other.room_id)("!other:one"), event.pdu)
    with pytest.raises(Forbidden, match="another room"):
        check_auth_events(stranger, [other])


@versions()
def test_a_state_without_create_event_allows_nothing(version: RoomVersion) -> None:
    scene = Scene(version)
    del scene.state[CREATE]
    assert says(scene.asks("m.room.message", ALICE, {}), "has none")
    with pytest.raises(Forbidden):
        power_levels(scene.state)


# Auth events selection


def selected(version: RoomVersion, content: Mapping[str, Any], target: str | None = CARL) -> list[StateKey]:
    keys = auth_keys("m.room.member", BOB, target, content, version)
    base = [CREATE] if version.create_in_auth_events else []
    assert keys[: len(base) + 2] == [*base, POWER_LEVELS, member_key(BOB)]
    return keys[len(base) + 2 :]


@versions()
def test_trap_20_selection_for_members(version: RoomVersion) -> None:
    carl, via = member_key(CARL), {"join_authorised_via_users_server": ALICE}
    assert auth_keys("m.room.create", BOB, "", {}, version) == []
    assert selected(version, {"membership": "leave"}) == [carl]
    assert selected(version, {"membership": "ban", **via}) == [carl]
    assert selected(version, {"membership": "invite", **via}) == [carl, JOIN_RULES]
    assert selected(version, {"membership": "knock"}, BOB) == [JOIN_RULES]
    assert selected(version, {"membership": "leave"}, None) == []
    restricted = [member_key(ALICE)] if version.restricted else []
    assert selected(version, {"membership": "join", **via}, BOB) == [JOIN_RULES, *restricted]
    assert selected(version, {"membership": "join", "join_authorised_via_users_server": 5}, BOB) == [JOIN_RULES]


@versions()
def test_trap_25_selection_for_third_party_invites_by_token(version: RoomVersion) -> None:
    def proof(**signed: Any) -> dict[str, Any]:
        return {"third_party_invite": {"signed": signed}}

    expected = [member_key(CARL), JOIN_RULES, ("m.room.third_party_invite", "t")]
    assert selected(version, {"membership": "invite", **proof(token="t")}) == expected
    assert selected(version, {"membership": "invite", **proof(token=5)}) == expected[:2]
    assert selected(version, {"membership": "join", **proof(token="t")}, BOB) == [JOIN_RULES]


# Rule 4 (3): m.federate


@versions()
@pytest.mark.parametrize(("federate", "allowed"), [(False, False), (True, True), ("false", True)])
def test_rule_4_a_domestic_room_keeps_other_servers_out(version: RoomVersion, federate: Any, allowed: bool) -> None:
    scene = Scene(version, **{"m.federate": federate})
    assert says(scene.member(ZOE, "join"), "m.federate") is not allowed
    assert scene.member(GINA, "join") is None


# Aliases up to version 5 (rule 4 there)


@versions()
def test_up_to_version_5_servers_own_their_aliases(version: RoomVersion) -> None:
    scene = Scene(version)
    for sender, state_key in [(ZOE, "two"), (CARL, "one")]:
        refused = scene.asks("m.room.aliases", sender, {}, state_key)
        assert (refused is None) is version.aliases_rule
    if version.aliases_rule:
        assert says(scene.asks("m.room.aliases", ALICE, {}, "two"), "sender's server")
        assert says(scene.asks("m.room.aliases", ALICE, {}), "sender's server")
    else:
        assert scene.asks("m.room.aliases", ALICE, {}, "two") is None


# Rules 6 to 9 (5 to 8)


@versions()
def test_rule_6_only_members_send(version: RoomVersion) -> None:
    scene = Scene(version)
    assert scene.asks("m.room.message", CARL, {}) is None
    for outsider in (DAVE, ERIN, FRED, GINA, ZOE):
        assert says(scene.asks("m.room.message", outsider, {}), "not in the room")


@versions()
def test_rule_7_third_party_invitations_need_the_invite_level_only(version: RoomVersion) -> None:
    scene = Scene(version, {"events": {"m.room.third_party_invite": 100}})
    assert scene.asks("m.room.third_party_invite", BOB, {}, "t") is None
    assert says(scene.asks("m.room.third_party_invite", CARL, {}, "t"), "power level")


@versions()
def test_rule_8_types_have_levels(version: RoomVersion) -> None:
    scene = Scene(version, {"events": {"m.room.name": 0, "m.room.message": 50, "m.room.topic": 51}})
    assert scene.asks("m.room.name", CARL, {}, "") is None
    assert scene.asks("org.example", CARL, {}) is None
    assert says(scene.asks("org.example", CARL, {}, ""), "power level")
    assert says(scene.asks("m.room.message", CARL, {}), "power level")
    assert scene.asks("m.room.message", BOB, {}) is None
    assert says(scene.asks("m.room.topic", BOB, {}, ""), "power level")
    assert scene.asks("m.room.topic", ALICE, {}, "") is None


@versions()
def test_trap_23_rule_8_without_power_levels_only_the_creator_sends_state(version: RoomVersion) -> None:
    scene = Scene(version)
    del scene.state[POWER_LEVELS]
    assert scene.asks("m.room.topic", ALICE, {}, "") is None
    assert says(scene.asks("m.room.topic", BOB, {}, ""), "power level")
    assert scene.asks("m.room.message", CARL, {}) is None
    assert scene.asks("m.room.power_levels", ALICE, {"users": {BOB: 2**40}}, "") is None, "rule 10.5"


@versions()
def test_rule_9_state_keys_that_are_user_ids_belong_to_the_users(version: RoomVersion) -> None:
    scene = Scene(version)
    assert scene.asks("org.example", BOB, {}, BOB) is None
    assert says(scene.asks("org.example", BOB, {}, CARL), "another user")
    assert says(scene.asks("org.example", ALICE, {}, "@"), "another user")


# Rule 11 of versions 1 and 2: m.room.redaction


@versions()
def test_rule_11_redactions_are_judged_in_versions_1_and_2_only(version: RoomVersion) -> None:
    scene = Scene(version)

    def redacts(sender: str, target: Any) -> str | None:
        if version.redacts_in_content:
            return scene.asks("m.room.redaction", sender, {"redacts": target})
        return scene.asks("m.room.redaction", sender, {}, redacts=target)

    assert redacts(BOB, "$x:two") is None
    assert redacts(CARL, "$x:one") is None
    assert says(redacts(CARL, "$x:two"), "another server") is version.redaction_rule
    assert says(redacts(CARL, 5), "another server") is version.redaction_rule


@versions()
def test_trap_8_a_redaction_takes_effect_by_level_or_on_ones_own_servers_events(version: RoomVersion) -> None:
    scene = Scene(version)
    ours, theirs = (scene.room.event("m.room.message", sender, {}) for sender in (ALICE, ZOE))
    by_carl, by_bob = (scene.room.event("m.room.redaction", sender, {}) for sender in (CARL, BOB))
    assert may_redact(by_carl, ours, scene.state)
    assert may_redact(by_bob, theirs, scene.state)
    assert may_redact(by_carl, theirs, scene.state) is version.redaction_rule, "there the rules have judged it"


@versions([V2, V12])
def test_trap_41_a_redaction_acts_in_its_own_room_only(version: RoomVersion) -> None:
    scene = Scene(version)
    target = scene.room.event("m.room.message", ALICE, {})
    scene.room.room_id = type(target.room_id)("!other:one")
    assert not may_redact(scene.room.event("m.room.redaction", ALICE, {}), target, scene.state)


# What services ask


@versions([V1, V12])
def test_may_send(version: RoomVersion) -> None:
    scene = Scene(version)
    assert may_send(CARL, "m.room.message", scene.state, is_state=False)
    assert not may_send(CARL, "m.room.topic", scene.state, is_state=True)
    assert may_send(BOB, "m.room.topic", scene.state, is_state=True)
    assert power_levels(scene.state).user(BOB) == 50


# Hostile contents

KEYS = [
    *("membership", "third_party_invite", "signed", "mxid", "token", "signatures", "public_key", "public_keys"),
    *("join_authorised_via_users_server", "join_rule", "allow", "creator", "additional_creators", "room_version"),
    *(
        "users",
        "users_default",
        "events",
        "notifications",
        "ban",
        "kick",
        "invite",
        "m.federate",
        ALICE,
        BOB,
        "redacts",
    ),
]
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["join", "invite", ALICE, BOB, "t", "50"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)
CONTENTS = st.dictionaries(st.sampled_from(KEYS), ODD, max_size=6)


@pytest.mark.soak
@versions()
@given(data=st.data())
def test_no_content_whatever_breaks_the_rules_themselves(version: RoomVersion, data: st.DataObject) -> None:
    """Each odd event is judged in a state of odd events: allowed or Forbidden, and nothing else is raised."""
    scene = Scene(version)
    for key in (CREATE, POWER_LEVELS, JOIN_RULES, member_key(BOB), ("m.room.third_party_invite", "t")):
        sound = scene.state[key].content if key in scene.state else {}
        scene.put(key[0], ALICE, {**sound, **data.draw(CONTENTS)}, key[1])
    if version.room_id_is_create_hash:
        scene.room.room_id = type(scene.room.room_id)("!" + scene.state[CREATE].event_id[1:])
    kind = data.draw(st.sampled_from(["create", "member", "power_levels", "redaction", "aliases", "message"]))
    base = data.draw(st.sampled_from([{}, *({"membership": m} for m in ("join", "invite", "leave", "ban", "knock"))]))
    rest = data.draw(st.sampled_from([(), ("",), (BOB,), (ALICE,)]))
    event = scene.room.event(f"m.room.{kind}", BOB, {**data.draw(CONTENTS), **base}, *rest)
    auth_keys(event.type, event.sender, event.state_key, event.content, version)
    assert isinstance(refusal(event, scene.state), str | None)
