"""The authorization rule for m.room.member.

Each numbered rule: what it allows and what it refuses, in every room version. Numbers are those of room version 12; up
to version 11 they are one less from rule 4 on. The cast: see `scenes`.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from signedjson.key import encode_verify_key_base64, generate_signing_key, get_verify_key
from signedjson.sign import sign_json

from oriz_matrix.protocol.event_contents import CREATE, JOIN_RULES
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.room_versions import V12, RoomVersion
from tests.protocol.rooms import ALICE, BOB, CARL, DAVE, ERIN, FRED, GINA, ZOE, Room
from tests.protocol.scenes import ALL, SINCE_7, SINCE_8, SINCE_10, Scene, refusal, says, versions


@versions()
def test_rule_5_1_a_member_event_has_a_target_and_a_membership(version: RoomVersion) -> None:
    scene = Scene(version)
    assert says(scene.asks("m.room.member", ALICE, {"membership": "join"}), "missing")
    assert says(scene.asks("m.room.member", ALICE, {}, ALICE), "missing")


@versions()
@pytest.mark.parametrize("membership", ["dance", None, 5, ["join"]])
def test_rule_5_8_unknown_memberships_are_refused(version: RoomVersion, membership: Any) -> None:
    assert says(Scene(version).asks("m.room.member", ALICE, {"membership": membership}, ALICE), "not known")


@versions()
def test_rule_5_3_1_the_creator_joins_right_after_the_create_event(version: RoomVersion) -> None:
    room = Room(version)
    first = room.create()
    state = {CREATE: first}

    def join(user: str, *prev: Event) -> str | None:
        return refusal(room.event("m.room.member", user, {"membership": "join"}, user, prev=prev), state)

    other = room.event("m.room.topic", ALICE, {}, "")
    assert join(ALICE, first) is None
    assert says(join(ALICE, other), "join rule")
    assert says(join(ALICE, first, other), "join rule")
    assert says(join(ALICE), "join rule")
    assert says(join(BOB, first), "join rule")


def test_rule_4_3_1_up_to_version_10_the_creator_is_who_the_content_names() -> None:
    for version in ALL:
        room = Room(version)
        first = room.create(creator=BOB)
        join = room.event("m.room.member", BOB, {"membership": "join"}, BOB, prev=[first])
        assert (refusal(join, {CREATE: first}) is None) is version.creator_in_content


def test_trap_24_rule_5_3_1_additional_creators_join_like_others() -> None:
    room = Room(V12)
    first = room.create(additional_creators=[BOB])
    join = room.event("m.room.member", BOB, {"membership": "join"}, BOB, prev=[first])
    assert says(refusal(join, {CREATE: first}), "join rule")


@versions()
def test_rule_5_3_2_and_3_nobody_joins_for_another_or_while_banned(version: RoomVersion) -> None:
    scene = Scene(version)
    assert says(scene.member(ALICE, "join", GINA), "another user")
    assert says(scene.member(DAVE, "join"), "banned")


JOINERS = {"carl": CARL, "erin": ERIN, "fred": FRED, "gina": GINA, "zoe": ZOE}


@versions()
@pytest.mark.parametrize(
    ("rule", "joiners", "chosen"),
    [
        ("public", "carl erin fred gina zoe", ALL),
        ("invite", "carl erin", ALL),
        ("private", "", ALL),
        (5, "", ALL),
        ("knock", "carl erin", SINCE_7),
        ("restricted", "carl erin", SINCE_8),
        ("knock_restricted", "carl erin", SINCE_10),
    ],
)
def test_rule_5_3_4_to_7_who_joins_by_which_join_rule(
    version: RoomVersion, rule: Any, joiners: str, chosen: Sequence[RoomVersion]
) -> None:
    scene = Scene(version, join_rule=rule)
    expected = joiners.split() if version in chosen else []
    assert [name for name, user in JOINERS.items() if scene.member(user, "join") is None] == expected


@versions()
def test_without_join_rules_a_room_is_for_the_invited(version: RoomVersion) -> None:
    scene = Scene(version)
    del scene.state[JOIN_RULES]
    assert [name for name, user in JOINERS.items() if scene.member(user, "join") is None] == ["carl", "erin"]


@versions()
@pytest.mark.parametrize("rule", ["restricted", "knock_restricted"])
@pytest.mark.parametrize(
    ("via", "part"),
    [(BOB, None), (ALICE, None), (CARL, "may not invite"), (GINA, "no joined"), (ZOE, "no joined"), (5, "no joined")],
)
def test_trap_26_rule_5_3_5_restricted_joins_name_a_member_who_may_invite(
    version: RoomVersion, rule: str, via: Any, part: str | None
) -> None:
    scene = Scene(version, join_rule=rule)
    refused = scene.member(GINA, "join", join_authorised_via_users_server=via)
    supported = version in (SINCE_8 if rule == "restricted" else SINCE_10)
    if not supported:
        assert says(refused, "join rule")
    elif part is None:
        assert refused is None
    else:
        assert says(refused, part)


@versions()
def test_rule_5_4_2_to_5_invites(version: RoomVersion) -> None:
    scene = Scene(version)
    for target in (GINA, ZOE, FRED, ERIN):
        assert scene.member(BOB, "invite", target) is None
    assert says(scene.member(GINA, "invite", ZOE), "not in the room")
    assert says(scene.member(ERIN, "invite", ZOE), "not in the room")
    assert says(scene.member(BOB, "invite", CARL), "membership is join")
    assert says(scene.member(ALICE, "invite", DAVE), "membership is ban")
    assert says(scene.member(CARL, "invite", ZOE), "power level")


KEY = generate_signing_key("one")
OTHER_KEY = generate_signing_key("other")
PUBLIC, OTHER_PUBLIC = (encode_verify_key_base64(get_verify_key(key)) for key in (KEY, OTHER_KEY))


def invitation(scene: Scene, sender: str = BOB, **content: Any) -> None:
    """Someone's address has been invited under the token t."""
    scene.put("m.room.third_party_invite", sender, {"public_key": PUBLIC, **content}, "t")


def redeems(scene: Scene, target: str = ZOE, sender: str = BOB, **signed: Any) -> str | None:
    proof = sign_json({"mxid": target, "token": "t", **signed}, "id.example", KEY)
    return scene.member(sender, "invite", target, third_party_invite={"signed": proof, "display_name": "z"})


@versions()
def test_trap_25_rule_5_4_1_a_third_party_invite_is_redeemed(version: RoomVersion) -> None:
    scene = Scene(version)
    invitation(scene)
    assert redeems(scene) is None
    invitation(scene, GINA)
    assert redeems(scene, sender=GINA) is None, "the inviter need not be in the room any more"


@versions()
def test_trap_25_rule_5_4_1_any_of_the_public_keys_will_do(version: RoomVersion) -> None:
    scene = Scene(version)
    keys = [{"public_key": OTHER_PUBLIC}, {"public_key": PUBLIC}]
    invitation(scene, public_key=OTHER_PUBLIC, public_keys=keys)
    assert redeems(scene) is None
    invitation(scene, public_key=OTHER_PUBLIC, public_keys=keys[:1])
    assert says(redeems(scene), "no signature")


@versions()
def test_trap_25_rule_5_4_1_refusals(version: RoomVersion) -> None:
    scene = Scene(version)
    assert says(redeems(scene), "no such invitation")
    invitation(scene)
    assert says(redeems(scene, DAVE), "banned")
    assert says(redeems(scene, token="u"), "no such invitation")
    assert says(redeems(scene, token=5), "no such invitation")
    assert says(redeems(scene, mxid=CARL), "another user")
    assert says(redeems(scene, sender=ALICE), "by another user")
    for broken in (5, {}, {"signed": 5}, {"signed": {"mxid": ZOE}}, {"signed": {"token": "t"}}):
        assert says(scene.member(BOB, "invite", ZOE, third_party_invite=broken), "is missing")
    assert says(
        scene.member(BOB, "invite", ZOE, third_party_invite={"signed": {"mxid": ZOE, "token": "t"}}), "no signature"
    )


@versions()
def test_rule_5_5_1_leaving(version: RoomVersion) -> None:
    scene = Scene(version)
    leavers = [name for name, user in [*JOINERS.items(), ("dave", DAVE)] if scene.member(user, "leave") is None]
    assert leavers == ["carl", "erin", *(["fred"] if version.knock else [])]


@versions()
def test_rule_5_5_2_to_5_kicks_and_unbans(version: RoomVersion) -> None:
    scene = Scene(version, {"kick": 50, "ban": 60, "users": {GINA: 50}})
    for target in (CARL, ERIN, FRED, ZOE):
        assert scene.member(BOB, "leave", target) is None
    assert says(scene.member(GINA, "leave", CARL), "not in the room")
    assert says(scene.member(CARL, "leave", ERIN), "kick")
    assert says(scene.member(BOB, "leave", GINA), "kick"), "equals cannot kick each other"
    assert says(scene.member(BOB, "leave", ALICE), "kick")
    assert says(scene.member(BOB, "leave", DAVE), "unban")
    assert scene.member(ALICE, "leave", DAVE) is None
    lax = Scene(version, {"kick": 60, "ban": 50})
    assert says(lax.member(BOB, "leave", DAVE), "kick"), "unbanning needs the kick level too"


@versions()
def test_rule_5_6_bans(version: RoomVersion) -> None:
    scene = Scene(version, {"users": {GINA: 50}})
    for target in (CARL, ERIN, FRED, DAVE, ZOE):
        assert scene.member(BOB, "ban", target) is None
    assert says(scene.member(GINA, "ban", CARL), "not in the room")
    assert says(scene.member(CARL, "ban", ERIN), "power level")
    assert says(scene.member(BOB, "ban", GINA), "power level")
    assert says(scene.member(BOB, "ban", ALICE), "power level")


@versions()
@pytest.mark.parametrize(
    ("rule", "chosen"), [("knock", SINCE_7), ("knock_restricted", SINCE_10), ("public", []), ("restricted", [])]
)
def test_rule_5_7_knocks(version: RoomVersion, rule: str, chosen: Sequence[RoomVersion]) -> None:
    scene = Scene(version, join_rule=rule)
    refusals = {name: scene.member(user, "knock") for name, user in [*JOINERS.items(), ("dave", DAVE)]}
    if version not in chosen:
        assert all(says(refused, "join rule" if version.knock else "not known") for refused in refusals.values())
        return
    assert [name for name, refused in refusals.items() if refused is None] == ["fred", "gina", "zoe"]
    assert says(refusals["carl"], "membership is join")
    assert says(refusals["erin"], "membership is invite")
    assert says(refusals["dave"], "membership is ban")
    assert says(scene.member(ALICE, "knock", GINA), "another user")
