"""Memberships as intervals against a plain list of what happened: now, through time, and as of any position."""

import random

from oriz_matrix.protocol.identifiers import ServerName, UserId
from oriz_matrix.storage import interning, membership
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.types import FOREVER, Position, RoomNid, UserNid
from tests.storage.talk import ALICE, Talk, member, new_room, settled

PEOPLE = [UserId(f"@p{number}:example.org") for number in range(6)]
KINDS = ["join", "invite", "leave", "ban", "knock"]

Happened = list[tuple[Position, RoomNid, UserNid, str]]


async def live(database: Database, talks: list[Talk], source: random.Random, steps: int) -> Happened:
    """Random changes of membership, as they happened."""
    happened: Happened = []
    alice = await database.write(interning.user, ALICE)
    for talk in talks:
        joined = await database.read(membership.now, alice, talk.nid)
        assert joined is not None
        happened.append((joined.since, talk.nid, alice, "join"))
    for _ in range(steps):
        talk, user, kind = source.choice(talks), source.choice(PEOPLE), source.choice(KINDS)
        await talk.move(user, kind)
        position = (await talk.row()).latest
        happened.append((position, talk.nid, await database.write(interning.user, user), kind))
    return sorted(happened)


def as_of(happened: Happened, at: int) -> dict[tuple[RoomNid, UserNid], str]:
    """Who had which membership where."""
    return {(room, user): kind for position, room, user, kind in happened if position <= at}


async def test_random_lives_are_told_as_they_happened(database: Database) -> None:
    source = random.Random(5)
    talks = [await new_room(database) for _ in range(3)]
    happened = await live(database, talks, source, 60)
    users = {user for _, _, user, _ in happened}
    for at in [0, *source.sample([position for position, *_ in happened], 20), await settled(database), FOREVER - 1]:
        truth = as_of(happened, at)
        for user in users:
            found = await database.read(membership.of_user, user, Position(at))
            expected = {room: kind for (room, who), kind in truth.items() if who == user}
            assert {stay.room: stay.membership for stay in found} == expected
            assert len(found) == len(expected)
        for talk in talks:
            for kind in KINDS:
                here = await database.read(membership.members, talk.nid, kind, Position(at))
                assert sorted(here) == sorted(
                    who for (room, who), had in truth.items() if (room, had) == (talk.nid, kind)
                )


async def test_now_and_through_time(database: Database) -> None:
    source = random.Random(6)
    talks = [await new_room(database) for _ in range(2)]
    happened = await live(database, talks, source, 40)
    truth = as_of(happened, FOREVER)
    for user in {user for _, _, user, _ in happened}:
        joined = sorted(room for (room, who), kind in truth.items() if (who, kind) == (user, "join"))
        assert sorted(await database.read(membership.joined_rooms, user)) == joined
        rooms = [talk.nid for talk in talks]
        through = await database.read(membership.of_user_in_rooms, user, rooms)
        for room in rooms:
            own = [(position, kind) for position, where, who, kind in happened if (where, who) == (room, user)]
            assert through.get(room, []) == own
            stays = await database.read(membership.of_user_in, user, room)
            assert [(stay.since, stay.membership) for stay in stays] == own
            now = await database.read(membership.now, user, room)
            assert (now is None) if not own else (now == stays[-1])
            at_once = await database.read(membership.of_users_in, [user], room)
            assert at_once == ({user: now} if now is not None else {})


async def test_a_stay_goes_on_through_a_new_name_and_ends_with_leaving(database: Database) -> None:
    talk = await new_room(database)
    bob = await database.write(interning.user, PEOPLE[0])
    starts = []
    for kind in ("invite", "join", "join", "leave", "join", "join"):
        await talk.move(PEOPLE[0], kind)
        starts.append((await talk.row()).latest)
    stays = await database.read(membership.of_user_in, bob, talk.nid)
    assert [stay.stay_since for stay in stays] == [starts[0], starts[1], starts[1], starts[3], starts[4], starts[4]]


async def test_heroes_are_the_first_five_others_in_the_order_of_their_coming(database: Database) -> None:
    talk = await new_room(database)
    alice = await database.write(interning.user, ALICE)
    people = [UserId(f"@h{number}:example.org") for number in range(8)]
    for user in people:
        await talk.move(user, "invite" if user in people[2:4] else "join")
    await talk.move(people[0], "join")  # a new name does not move anybody back
    await talk.move(people[1], "leave")
    numbers = [await database.write(interning.user, user) for user in people]
    upto = await settled(database)
    found = await database.read(membership.heroes, talk.nid, alice, ("join", "invite"), upto)
    assert found == [numbers[0], *numbers[2:6]]
    assert await database.read(membership.heroes, talk.nid, alice, ("leave", "ban"), upto) == [numbers[1]]
    found = await database.read(membership.heroes, talk.nid, numbers[0], ("join", "invite"), upto)
    assert found == [alice, *numbers[2:6]]


async def test_several_changes_of_one_member_in_one_commit(database: Database) -> None:
    talk = await new_room(database)
    bob = await database.write(interning.user, PEOPLE[0])
    await talk.append(*(member(talk.room_id, PEOPLE[0], kind) for kind in ("invite", "join", "leave", "join")))
    stays = await database.read(membership.of_user_in, bob, talk.nid)
    assert [stay.membership for stay in stays] == ["invite", "join", "leave", "join"]
    assert [stay.stay_since for stay in stays] == [stay.since for stay in stays]
    row = await talk.row()
    assert (row.joined, row.invited) == (2, 0)
    for stay in stays:
        found = await database.read(membership.of_user, bob, stay.since)
        assert [one.membership for one in found] == [stay.membership]


async def test_the_stays_of_a_server_are_those_of_its_own_users(database: Database) -> None:
    """Names that end alike, or differ in case, are other servers'."""
    talk = await new_room(database)
    everywhere = ["a.org", "A.org", "a.org:8448", "8448", "sub.a.org", "a.org:84480"]
    for server in everywhere:
        await talk.move(UserId(f"@bob:{server}"), "invite")
        await talk.move(UserId(f"@bob:{server}"), "join")
    await talk.move(UserId("@bob:a.org"), "leave")
    end = (await talk.row()).latest
    for server in everywhere:
        stays = await database.read(membership.stays_of_server, talk.nid, ServerName(server), Position(0), end)
        assert sorted(stay.membership for stay in stays) == ["invite", "join"], server
        (invite, join) = sorted(stays)
        assert invite.until == join.since
        assert join.until == (end if server == "a.org" else FOREVER)
        for first, last, expected in (
            (join.since, join.since, [invite, join]),
            (Position(join.since + 1), end, [join]),
            (Position(0), Position(invite.since - 1), []),
        ):
            found = await database.read(membership.stays_of_server, talk.nid, ServerName(server), first, last)
            assert sorted(found) == expected
