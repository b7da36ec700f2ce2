"""Notices: told once in order with everything else, and kept for an hour."""

from oriz_matrix.storage import notices, recent
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.types import Position
from tests.storage.talk import new_room, settled


async def test_notices_stand_among_the_changes_in_their_order(database: Database) -> None:
    before = await settled(database)
    first = await database.write(notices.leave, "user 1")
    talk = await new_room(database)
    second = await database.write(notices.leave, "user 2")
    upto, changes = await database.read_settled(recent.changes, before)
    assert upto >= second
    assert [change.position for change in changes] == sorted(change.position for change in changes)
    told = [(change.position, change.channel) for change in changes if change.kind == "notice"]
    assert told == [(first, "user 1"), (second, "user 2")]
    between = [change for change in changes if first < change.position < second]
    assert {change.room for change in between} == {talk.nid}
    _, changes = await database.read_settled(recent.changes, first)
    assert [change.channel for change in changes if change.kind == "notice"] == ["user 2"]


async def test_notices_of_the_last_hour_are_kept(database: Database) -> None:
    old = await database.write(notices.leave, "old")
    new = await database.write(notices.leave, "new")
    await database.write(notices.forget, Position(old + notices.KEEP))
    assert await channels(database) == ["old", "new"]
    await database.write(notices.forget, Position(new + notices.KEEP))
    assert await channels(database) == ["new"]


async def channels(database: Database) -> list[str]:
    """The channels of all notices that are kept."""
    _, changes = await database.read_settled(recent.changes, Position(0))
    return [change.channel for change in changes if change.kind == "notice"]
