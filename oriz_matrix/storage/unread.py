"""Unread counts of the timelines of rooms: the main one, and every thread.

Each event carries the counts of those that notify by the default rules, so that what is unread is a difference. What
differs for somebody is put right by rows at the events' positions: mentions and what own push rules say, redactions,
events of whom they ignore. Where their rules silence the room the counts do not hold (`storage.push_modes`). Everything
is as of `upto` but receipts, which may be newer.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.storage.push_modes import MUTED, OWN
from oriz_matrix.storage.reckoning import Count, Gone, Line, Mode, Told, Unread
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.threads import Thread
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import EVERYBODY, Position, RoomNid, UserNid


class Counts(NamedTuple):
    """What is unread in a room: in the main timeline, and by their roots in the threads that have something."""

    main: Count
    threads: Mapping[EventId, Count]

    @property
    def total(self) -> Count:
        """In the whole room."""
        every = [self.main, *self.threads.values()]
        return Count(sum(each.notifications for each in every), sum(each.highlights for each in every))


Reader = tuple[RoomNid, UserNid]
"""A member of a room, whose counts are asked for."""


@dataclass(slots=True)
class _Read:
    """How far somebody has read a room: all of it, its main timeline (each with that one's count), and threads."""

    everything: tuple[Position, int] = (Position(0), 0)
    main: tuple[Position, int] = (Position(0), 0)
    threads: dict[EventId, Position] = field(default_factory=dict)
    modes: list[Mode] = field(default_factory=list)

    def after(self, root: EventId) -> Position:
        """How far a thread was read."""
        return max(self.everything[0], self.threads.get(root, Position(0)))


def counts(
    tx: Transaction, readers: Mapping[Reader, Collection[UserNid]], rooms: Mapping[RoomNid, Room], upto: Position
) -> dict[Reader, Counts]:
    """What is unread for several members of rooms, each with whom they ignore; `rooms` are as now or at `upto`.

    A user has read up to the furthest of their receipts (one for a timeline says nothing of the others) and their own
    newest event; a stay begins with an event of their own, a change of their name reads nothing.
    """
    if not readers:
        return {}
    read = _read(tx, list(readers), upto)
    told, gone, active = _news(tx, {EVERYBODY, *(user for _, user in readers)}, _lowest(read), upto)
    _add_ignored(tx, gone, sorted(set().union(*readers.values())), _lowest(read), upto)
    if active:
        _read_threads(tx, read, [thread.root for each in active.values() for thread in each])
    unread = {reader: _unread(reader[0], read[reader], active.get(reader[0], []), upto) for reader in readers}
    counters = _counters(tx, _known(read, rooms, active, upto), unread)
    found = {}
    for (room, user), lines in unread.items():
        ignored = readers[room, user]
        mine = [each for each in gone[room] if each.sender is None or each.sender in ignored]
        heard = {**told[room, EVERYBODY], **told[room, user]}.values()
        heard_of = [each for each in heard if each.sender not in ignored]
        each_count = {root: one.count(counters[one.line].__getitem__, heard_of, mine) for root, one in lines.items()}
        main = each_count.pop(None, Count(0, 0))
        found[room, user] = Counts(main, {root: count for root, count in each_count.items() if root and any(count)})
    return found


def _read(tx: Transaction, readers: Sequence[Reader], upto: Position) -> dict[Reader, _Read]:
    """How far each has read, but for threads, and where the counts do not hold for them."""
    sql = """
        SELECT thread, room, user_nid, event_position, unread FROM PAIRS(:readers) JOIN receipts
            ON room = first AND user_nid = second
        WHERE thread IN ('', 'main')
        UNION ALL SELECT 'own', s.room, s.sender, s.position, s.unread
        FROM PAIRS(:readers) JOIN event_status s ON s.event = (
            SELECT event FROM event_status WHERE room = first AND sender = second AND position <= :upto AND NOT EXISTS (
                SELECT 1 FROM memberships
                WHERE user_nid = second AND room = first AND since = position AND stay_since < since
            )
            ORDER BY position DESC LIMIT 1
        )
        UNION ALL SELECT m.mode, r.nid, m.user_nid, m.since, m.until
        FROM PAIRS(:readers) JOIN rooms r ON r.nid = first
        JOIN push_modes m ON m.user_nid = second AND m.room_id IN ('', r.room_id)
        WHERE m.mode <> :own
    """
    found = {reader: _Read() for reader in readers}
    for kind, room, user, position, count in tx.rows(sql, readers=readers, upto=upto, own=OWN):
        read = found[room, user]
        if kind in ("", "own"):
            read.everything = max(read.everything, (position, count))
        elif kind != "main":
            read.modes.append(Mode(position, count, kind == MUTED))
        if kind in ("", "own", "main"):
            read.main = max(read.main, (position, count))
    return found


def _lowest(read: Mapping[Reader, _Read]) -> list[tuple[RoomNid, Position]]:
    """By room, how far all who are asked for have read it."""
    found: dict[RoomNid, Position] = {}
    for (room, _), one in read.items():
        found[room] = min(one.everything[0], found.get(room, one.everything[0]))
    return list(found.items())


_Told = defaultdict[Reader, dict[Position, Told]]
"""What events say to users, by their positions."""
_Gone = defaultdict[RoomNid, list[Gone]]
"""By room, the events that the counts hold and that were redacted, or come from somebody who is ignored."""


def _news(
    tx: Transaction, users: Iterable[UserNid], after: Sequence[tuple[RoomNid, Position]], upto: Position
) -> tuple[_Told, _Gone, dict[RoomNid, list[Thread]]]:
    """What came after these positions of rooms: what it says to the users, what was redacted, the threads it is in."""
    sql = """
        SELECT m.room, m.user_nid, m.position, s.thread, s.sender, m.notifies, m.highlights, m.counted, NULL
        FROM PAIRS(:after) JOIN mentions m
            ON m.user_nid = ANY(:users) AND m.room = first AND m.position > second AND m.position <= :upto
        JOIN event_status s ON s.event = m.event
        WHERE s.redacted_by IS NULL OR s.redacted_by > :upto
        UNION ALL SELECT s.room, NULL, s.position, s.thread, NULL, NULL, NULL, NULL, NULL
        FROM PAIRS(:after) JOIN event_status s
            ON s.room = first AND s.position > second AND s.position <= :upto
        WHERE s.redacted_by <= :upto AND s.notifies
        UNION ALL SELECT t.room, NULL, t.latest, t.nid, t.unread, NULL, NULL, NULL, t.root
        FROM PAIRS(:after) JOIN threads t ON t.room = first AND t.latest > second
    """
    told: _Told = defaultdict(dict)
    gone: _Gone = defaultdict(list)
    active: dict[RoomNid, list[Thread]] = {}
    for room, user, position, thread, number, *flags, root in tx.rows(sql, after=after, users=list(users), upto=upto):
        if root is not None:
            active.setdefault(room, []).append(Thread(thread, room, root, position, number))
        elif user is None:
            gone[room].append(Gone(position, thread, None))
        else:
            told[room, user][position] = Told(position, thread, number, *flags)
    return told, gone, active


def _add_ignored(
    tx: Transaction,
    gone: _Gone,
    ignored: Sequence[UserNid],
    after: Sequence[tuple[RoomNid, Position]],
    upto: Position,
) -> None:
    """Adds the events that the counts hold and that come from users whom somebody ignores."""
    sql = """
        SELECT s.room, s.position, s.thread, s.sender FROM PAIRS(:after) JOIN event_status s
            ON s.room = first AND s.sender = ANY(:ignored) AND s.position > second AND s.position <= :upto
        WHERE s.notifies
    """
    for room, *rest in tx.rows(sql, after=after, upto=upto, ignored=ignored) if ignored else ():
        gone[room].append(Gone(*rest))


def _read_threads(tx: Transaction, read: Mapping[Reader, _Read], roots: Sequence[EventId]) -> None:
    """Adds how far these threads were read by receipts of their own."""
    sql = """
        SELECT room, user_nid, thread, event_position FROM PAIRS(:readers) JOIN receipts
            ON room = first AND user_nid = second
        WHERE thread = ANY(:roots) ORDER BY event_position
    """
    for room, user, root, position in tx.rows(sql, readers=list(read), roots=roots):
        read[room, user].threads[root] = position


def _unread(room: RoomNid, read: _Read, active: Sequence[Thread], upto: Position) -> dict[EventId | None, Unread]:
    """What somebody has not read, by the roots of the room's timelines."""
    main = Unread(Line(room, None), read.main[0], upto, read.modes)
    found: dict[EventId | None, Unread] = {None: main} if main.after < upto else {}
    for thread in active:
        after = read.after(thread.root)
        if after < min(thread.latest, upto):
            found[thread.root] = Unread(Line(room, thread.nid), after, upto, read.modes)
    return found


_Counters = defaultdict[Line, dict[Position, int]]
"""Counts of timelines at positions."""


def _known(
    read: Mapping[Reader, _Read],
    rooms: Mapping[RoomNid, Room],
    active: Mapping[RoomNid, Sequence[Thread]],
    upto: Position,
) -> _Counters:
    """The counts that are known without looking: at the places that were read, and now where nothing came after."""
    known: _Counters = defaultdict(dict)
    for (room, _), one in read.items():
        known[Line(room, None)][one.main[0]] = one.main[1]
    for nid, row in rooms.items():
        if row.latest <= upto:
            known[Line(nid, None)][upto] = row.unread
    for thread in (thread for each in active.values() for thread in each if thread.latest <= upto):
        known[Line(thread.room, thread.nid)][upto] = thread.unread
    return known


def _counters(tx: Transaction, known: _Counters, unread: Mapping[Reader, Mapping[EventId | None, Unread]]) -> _Counters:
    """The counts at the ends of all that is unread."""
    asked = {
        (one.line, position)
        for lines in unread.values()
        for one in lines.values()
        for span in one.spans
        for position in span
        if position not in known[one.line]
    }
    sql = """
        SELECT first, NULL, second, (
            SELECT unread FROM event_status WHERE room = first AND position <= second
            ORDER BY position DESC, back DESC LIMIT 1
        ) FROM PAIRS(:main)
        UNION ALL SELECT NULL, first, second, (
            SELECT thread_unread FROM event_status WHERE thread = first AND position <= second
            ORDER BY position DESC LIMIT 1
        ) FROM PAIRS(:threads)
    """
    if not asked:
        return known
    rooms = {line.thread: line.room for line, _ in asked}
    main = [(line.room, position) for line, position in asked if line.thread is None]
    in_threads = [(line.thread, position) for line, position in asked if line.thread is not None]
    for room, thread, position, count in tx.rows(sql, main=main, threads=in_threads):
        known[Line(rooms[thread] if room is None else room, thread)][position] = count or 0
    return known
