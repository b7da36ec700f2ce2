"""Who may ask for history and states, and what comes of questions that make no sense."""

from typing import Any

from tests.api.federation.neighbour import V1, Neighbour, segment, sent
from tests.support.homeserver import Json, User
from tests.support.in_process import Answer

UNKNOWN = "$" + "A" * 43


async def shared_room(there: Neighbour, alice: User) -> str:
    room = await alice.create_room(preset="public_chat")
    await there.move(room, "join")
    return room


async def all_answers(there: Neighbour, room: str, event: str) -> dict[str, tuple[int, Any]]:
    """Status and errcode of each operation."""
    at = [("event_id", event)]
    missing = {"latest_events": [event], "earliest_events": []}
    answers = {
        "state": await there.get(f"/state/{segment(room)}", at),
        "state_ids": await there.get(f"/state_ids/{segment(room)}", at),
        "event_auth": await there.get(f"/event_auth/{segment(room)}/{segment(event)}"),
        "event": await there.get(f"/event/{segment(event)}"),
        "backfill": await there.get(f"/backfill/{segment(room)}", [("v", event), ("limit", 10)]),
        "missing": await there.ask("POST", f"/get_missing_events/{segment(room)}", missing),
    }
    return {name: (answer.status, answer.body.get("errcode")) for name, answer in answers.items()}


def of_all(answers: dict[str, tuple[int, Any]]) -> tuple[int, Any]:
    """The one thing that all say."""
    (said,) = set(answers.values())
    return said


async def test_only_servers_in_the_room_are_answered(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await alice.create_room(preset="public_chat")
    told = await alice.say(room, "x")
    assert of_all(await all_answers(neighbour, room, told)) == (403, "M_FORBIDDEN")
    await neighbour.move(room, "join")
    assert of_all(await all_answers(neighbour, room, told)) == (200, None)
    await neighbour.move(room, "leave")
    assert of_all(await all_answers(neighbour, room, told)) == (403, "M_FORBIDDEN")


async def test_a_room_s_access_control_list_is_heeded(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    told = await alice.say(room, "x")
    host = neighbour.name.split(":")[0]
    for acl, status in (
        ({"allow": ["*"], "deny": [host]}, 403),
        ({"allow": ["*"], "deny": ["127.0.0.?"]}, 403),
        ({"allow": ["*"], "allow_ip_literals": False}, 403),
        ({"allow": ["example.org", host]}, 200),
        ({"allow": ["example.org"]}, 403),
        ({}, 403),
    ):
        changed = await alice.set_state(room, "m.room.server_acl", acl)
        assert of_all(await all_answers(neighbour, room, told))[0] == status, acl
    again = await alice.set_state(room, "m.room.server_acl", {"allow": ["*"]})
    assert of_all(await all_answers(neighbour, room, told)) == (200, None)
    await alice.redact(room, again)
    assert of_all(await all_answers(neighbour, room, told)) == (403, "M_FORBIDDEN")
    assert changed != again


async def test_what_is_not_known_is_not_found(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    told = await alice.say(room, "x")
    for unknown in ("!nowhere:example.org", "!" + "A" * 43):
        answers = await all_answers(neighbour, unknown, told)
        assert answers.pop("event") == (200, None)
        assert of_all(answers) == (404, "M_NOT_FOUND")
    answers = await all_answers(neighbour, room, UNKNOWN)
    assert (answers.pop("backfill"), answers.pop("missing")) == ((200, None), (200, None))
    assert of_all(answers) == (404, "M_NOT_FOUND")


async def test_events_of_other_rooms_are_not_reached_through_this_one(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    told = await alice.say(room, "here")
    secret = await alice.create_room()
    foreign = await alice.say(secret, "secret")
    answers = await all_answers(neighbour, room, foreign)
    assert answers.pop("event") == (403, "M_FORBIDDEN")
    assert (answers.pop("backfill"), answers.pop("missing")) == ((200, None), (200, None))
    assert of_all(answers) == (404, "M_NOT_FOUND")
    # An event that names one of another room as previous does not lead there.
    bridge = await neighbour.say(room, "bridge", prev=[foreign, told])
    query = [("v", foreign), ("v", bridge), ("limit", 2)]
    backfilled = await neighbour.get(f"/backfill/{segment(room)}", query)
    assert [pdu["content"]["body"] for pdu in backfilled.body["pdus"]] == ["bridge", "here"]
    body = {"latest_events": [bridge], "earliest_events": [told], "limit": 20}
    missing = await neighbour.ask("POST", f"/get_missing_events/{segment(room)}", body)
    assert missing.body == {"events": []}


async def test_who_does_not_sign_is_told_nothing(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    told = await alice.say(room, "x")
    for path in (f"/event/{segment(told)}", f"/state/{segment(room)}?event_id={segment(told)}"):
        for headers in ({}, {"Authorization": f"Bearer {alice.token}"}):
            answer = await sent(neighbour.home, "GET", V1 + path, None, headers)
            assert (answer.status, answer.body["errcode"]) == (401, "M_UNAUTHORIZED")
    stranger = Neighbour(neighbour.home, type(neighbour.name)("127.0.0.1:1"))
    assert of_all(await all_answers(stranger, room, told)) == (401, "M_UNAUTHORIZED")


async def test_a_backfill_that_makes_no_sense_is_refused(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    senseless: list[tuple[list[tuple[str, object]], str]] = [
        ([], "v"),
        ([("v", UNKNOWN)], "limit"),
        ([("limit", 5)], "v"),
        ([("v", UNKNOWN), ("limit", "many")], "limit"),
        ([("v", UNKNOWN), ("limit", "")], "limit"),
        ([("v", UNKNOWN), ("limit", 0)], "limit"),
        ([("v", UNKNOWN), ("limit", -5)], "limit"),
        ([("v", "a\0b"), ("limit", 5)], "NUL"),
        ([("v", "x")] * 1_001, "too long"),
    ]
    for query, naming in senseless:
        await refused(await neighbour.get(f"/backfill/{segment(room)}", query), naming)


async def test_a_search_for_missing_events_that_makes_no_sense_is_refused(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    senseless: list[tuple[Json, str]] = [
        ({"latest_events": None}, "latest_events"),
        ({"earliest_events": "x"}, "earliest_events"),
        ({"earliest_events": [1]}, "earliest_events"),
        ({"latest_events": [["x"]]}, "latest_events"),
        ({"latest_events": ["a\0b"]}, "NUL"),
        ({"limit": 0}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"limit": True}, "limit"),
        ({"min_depth": "deep"}, "min_depth"),
    ]
    for change, naming in senseless:
        body = {"latest_events": [UNKNOWN], "earliest_events": [], **change}
        await refused(await neighbour.ask("POST", f"/get_missing_events/{segment(room)}", body), naming)


async def refused(answer: Answer, naming: str) -> None:
    assert answer.status == 400, answer
    assert answer.body["errcode"] in ("M_BAD_JSON", "M_NOT_JSON", "M_INVALID_PARAM", "M_MISSING_PARAM")
    assert naming in answer.body["error"]


async def test_bad_ids_in_paths_are_refused_and_odd_ones_found_nowhere(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    for path in (
        "/event/a%00b",
        "/event/%24a%00b",
        "/event/x",
        f"/event_auth/{segment(room)}/x",
        "/state/x?event_id=y",
    ):
        answer = await neighbour.get(path)
        assert (answer.status, answer.body["errcode"]) == (400, "M_INVALID_PARAM"), path
    assert (await neighbour.get(f"/state/{segment(room)}")).body["errcode"] == "M_MISSING_PARAM"
    nul = await neighbour.get(f"/state_ids/{segment(room)}?event_id=a%00b")
    assert (nul.status, nul.body["errcode"]) == (400, "M_INVALID_PARAM")
    assert (await neighbour.get(f"/event/{segment('$ü%' + chr(0x1F600))}")).status == 404


async def test_huge_lists_are_cut_and_repetitions_count_once(neighbour: Neighbour) -> None:
    alice = await neighbour.home.user("alice")
    room = await shared_room(neighbour, alice)
    told = [await alice.say(room, "1"), await alice.say(room, "2")]
    many = [f"$unknown{number}" for number in range(150)]
    query = [("v", told[1])] * 50 + [("v", each) for each in many] + [("limit", 2)]
    backfilled = await neighbour.get(f"/backfill/{segment(room)}", query)
    assert [pdu["content"]["body"] for pdu in backfilled.body["pdus"]] == ["2", "1"]
    body = {"latest_events": [told[1]] * 50 + many * 100, "earliest_events": many * 100, "limit": 1}
    missing = await neighbour.ask("POST", f"/get_missing_events/{segment(room)}", body)
    assert [pdu["content"]["body"] for pdu in missing.body["events"]] == ["1"]
    missing = await neighbour.ask("POST", f"/get_missing_events/{segment(room)}", {**body, "limit": 2**53 - 1})
    assert [pdu["content"].get("body") for pdu in missing.body["events"]][-1] == "1"
