"""States of rooms as intervals of positions: at, get, put, difference.

A state is a pair (branch, position). The trunk of a room is the history of its current state; an entry says that a key
had an event from `since` to before `until`. A side branch holds only what differs from the trunk at one position, and a
fork of a fork copies its parent's differences, so every read is two indexed ranges and never a recursion.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from oriz_matrix.storage.caches import Branch, StateAt
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, BranchNid, EventNid, Position, RoomNid, StateKeyNid

State = dict[StateKeyNid, EventNid]


def at(tx: Transaction, state: StateAt) -> State:
    """The whole state."""
    found: State = {}
    if (parent := _parent(tx, state.branch)) is not None:
        found = at(tx, parent)
    sql = """
        SELECT state_key, event FROM state_entries WHERE branch = :branch AND until > :position AND since <= :position
    """
    for key, event in tx.rows(sql, branch=state.branch, position=state.position):
        if event is None:
            found.pop(key, None)
        else:
            found[key] = event
    return found


def at_each(tx: Transaction, states: Sequence[StateAt], but_type: str = "") -> dict[BranchNid, State]:
    """The states of several trunks, each at its own position, without the keys of one type if any is named."""
    sql = """
        SELECT branch, state_key, event FROM PAIRS(:states) JOIN state_entries
            ON branch = first AND until > second AND since <= second
        WHERE event IS NOT NULL
    """
    without = """
        SELECT e.branch, e.state_key, e.event FROM PAIRS(:states) JOIN state_entries e
            ON e.branch = first AND e.until > second AND e.since <= second
        JOIN state_keys k ON k.nid = e.state_key
        WHERE e.event IS NOT NULL AND k.type <> :type
    """
    rows = tx.rows(without, states=states, type=but_type) if but_type else tx.rows(sql, states=states)
    found: dict[BranchNid, State] = {state.branch: {} for state in states}
    for branch, key, event in rows:
        found[branch][key] = event
    return found


def keys_each(tx: Transaction, states: Sequence[StateAt], keys: Sequence[StateKeyNid]) -> dict[BranchNid, State]:
    """Some keys of the states of several trunks, each at its own position."""
    sql = """
        SELECT branch, state_key, event FROM PAIRS(:states) JOIN state_entries
            ON branch = first AND state_key = ANY(:keys) AND until > second AND since <= second
        WHERE event IS NOT NULL
    """
    found: dict[BranchNid, State] = {state.branch: {} for state in states}
    for branch, key, event in tx.rows(sql, states=states, keys=keys) if keys else ():
        found[branch][key] = event
    return found


def changes_each(tx: Transaction, states: Sequence[StateAt], upto: Position) -> dict[BranchNid, State]:
    """What several trunks have at `upto` under the keys that changed after the position of each."""
    sql = """
        SELECT branch, state_key, event FROM PAIRS(:states) JOIN state_entries
            ON branch = first AND since > second AND since <= :upto AND until > :upto
        WHERE event IS NOT NULL
    """
    found: dict[BranchNid, State] = {state.branch: {} for state in states}
    for branch, key, event in tx.rows(sql, states=states, upto=upto):
        found[branch][key] = event
    return found


def at_type(tx: Transaction, state: StateAt, event_type: str) -> State:
    """All of a state under keys of one type, such as the members."""
    found: State = {}
    if (parent := _parent(tx, state.branch)) is not None:
        found = at_type(tx, parent, event_type)
    # Asked row by row: a join would let the engine read the keys of all rooms.
    sql = """
        SELECT s.state_key, s.event FROM state_entries s
        WHERE s.branch = :branch AND s.until > :position AND s.since <= :position
            AND (SELECT k.type FROM state_keys k WHERE k.nid = s.state_key) = :type
    """
    for key, event in tx.rows(sql, branch=state.branch, position=state.position, type=event_type):
        if event is None:
            found.pop(key, None)
        else:
            found[key] = event
    return found


def get(tx: Transaction, state: StateAt, keys: Sequence[StateKeyNid]) -> State:
    """Some keys of a state; those that are absent are left out."""
    if not keys:
        return {}
    found = _entries(tx, state, keys)
    if (parent := _parent(tx, state.branch)) is not None:
        rest = [key for key in keys if key not in found]
        found.update(_entries(tx, parent, rest) if rest else {})
    return {key: event for key, event in found.items() if event is not None}


def open_entries(tx: Transaction, trunk: StateAt, keys: Sequence[StateKeyNid]) -> dict[StateKeyNid, EventNid | None]:
    """What stands at a trunk's head under some keys; None where a key is absent that was there before."""
    return _entries(tx, trunk, keys) if keys else {}


class Changes:
    """Changes of the state on one branch, at its head, gathered and then written together."""

    def __init__(self, branch: BranchNid) -> None:
        self._branch = branch
        self._closed: list[dict[str, object]] = []
        self._opened: dict[StateKeyNid, dict[str, object]] = {}
        self._done: list[dict[str, object]] = []

    def put(self, key: StateKeyNid, event: EventNid | None, position: Position, *, replaces: bool) -> None:
        """From `position` on the branch has this event under the key (None: the key is absent).

        `replaces`: whether it had another one before, whose interval ends.
        """
        if key in self._opened:
            self._done.append({**self._opened.pop(key), "until": position})
        elif replaces:
            self._closed.append({"branch": self._branch, "key": key, "until": position})
        row: dict[str, object] = {
            "branch": self._branch,
            "key": key,
            "since": position,
            "until": FOREVER,
            "event": event,
        }
        self._opened[key] = row

    def write(self, tx: Transaction) -> None:
        """Writes all changes."""
        # The open interval is the newest; found so, a key that changed ten thousand times costs as much as a new one.
        close = """
            UPDATE state_entries SET until = :until WHERE branch = :branch AND state_key = :key
                AND since = (SELECT max(since) FROM state_entries WHERE branch = :branch AND state_key = :key)
        """
        insert = """
            INSERT INTO state_entries (branch, state_key, since, until, event)
            VALUES (:branch, :key, :since, :until, :event)
        """
        tx.many(close, self._closed)
        tx.many(insert, [*self._done, *self._opened.values()])


class Fork(NamedTuple):
    """A state that is not stored: another one, but for what it has under some keys; None where it has nothing."""

    base: StateAt
    changes: Mapping[StateKeyNid, EventNid | None]


def fork(tx: Transaction, room: RoomNid, state: StateAt, but: Mapping[StateKeyNid, EventNid | None] = {}) -> BranchNid:
    """A side branch that starts at `state`, but for some keys; what is put on it holds there alone."""
    parent = _parent(tx, state.branch)
    base = parent or state
    sql = "INSERT INTO state_branches (room, parent, parent_at) VALUES (:room, :parent, :parent_at) RETURNING nid"
    branch = BranchNid(tx.value(sql, room=room, parent=base.branch, parent_at=base.position))
    copied = Changes(branch)
    for key, event in {**(_own(tx, state) if parent else {}), **but}.items():
        copied.put(key, event, Position(0), replaces=False)
    copied.write(tx)
    return branch


def extend(tx: Transaction, room: RoomNid, state: StateAt) -> BranchNid:
    """A side branch on which the next change after `state` can be put: its own where it has none yet, or a new one."""
    newest = "SELECT max(since) FROM state_entries WHERE branch = :branch"
    if _parent(tx, state.branch) and (tx.value(newest, branch=state.branch) or 0) <= state.position:
        return state.branch
    return fork(tx, room, state)


def pick(tx: Transaction, state: StateAt | Fork, keys: Sequence[StateKeyNid]) -> State:
    """Some keys of a state, stored or not; those that are absent are left out."""
    if isinstance(state, StateAt):
        return get(tx, state, keys)
    found = get(tx, state.base, [key for key in keys if key not in state.changes])
    return found | {key: event for key in keys if (event := state.changes.get(key)) is not None}


def changes(tx: Transaction, branch: BranchNid, after: Position, upto: Position) -> dict[StateKeyNid, EventNid | None]:
    """What a branch has at `upto` under the keys that changed in (after, upto]."""
    sql = """
        SELECT state_key, event FROM state_entries
        WHERE branch = :branch AND since > :after AND since <= :upto AND until > :upto
    """
    return dict(tx.rows(sql, branch=branch, after=after, upto=upto))


def difference(tx: Transaction, a: StateAt, b: StateAt) -> dict[StateKeyNid, tuple[EventNid | None, EventNid | None]]:
    """The keys whose events differ, with both; looks only at keys that were touched since the two states parted."""
    parent_a, parent_b = _parent(tx, a.branch), _parent(tx, b.branch)
    base_a = StateAt(*parent_a) if parent_a else a
    base_b = StateAt(*parent_b) if parent_b else b
    if base_a.branch != base_b.branch:  # two trunks of one room: nothing is known to be common
        keys = set(at(tx, a)) | set(at(tx, b))
    else:
        low, high = sorted((base_a.position, base_b.position))
        keys = _touched(tx, base_a.branch, low, high)
        keys |= set(_own(tx, a)) if parent_a else set()
        keys |= set(_own(tx, b)) if parent_b else set()
    left, right = get(tx, a, sorted(keys)), get(tx, b, sorted(keys))
    return {key: (left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)}


class Part(NamedTuple):
    """Part of a state, described instead of read: what a trunk's state has but under some keys, and `more` events."""

    trunk: StateAt
    without: list[StateKeyNid]
    more: frozenset[EventNid]


def part(tx: Transaction, state: StateAt, without: Collection[StateKeyNid]) -> Part:
    """A state but for some keys; reads what is on its side branch."""
    if (parent := _parent(tx, state.branch)) is None:
        return Part(state, list(without), frozenset())
    own = _own(tx, state)
    more = frozenset(event for key, event in own.items() if event is not None and key not in without)
    return Part(parent, [*own, *(key for key in without if key not in own)], more)


def forget_before(tx: Transaction, branch: BranchNid, position: Position) -> int:
    """Deletes what a branch held only before a position; the number of intervals.

    Every state at or after the position reads as before, and so does every state of a side branch that started from an
    earlier one: what it stands on stays. A state before the position must not be asked for any more, nor forked from.
    A long history can be forgotten in several steps, at rising positions.
    """
    sql = """
        DELETE FROM state_entries WHERE branch = :branch AND until <= :position AND NOT EXISTS (
            SELECT 1 FROM state_branches WHERE parent = :branch AND parent_at >= since AND parent_at < until
        )
    """
    return tx.run(sql, branch=branch, position=position)


def _touched(tx: Transaction, branch: BranchNid, after: Position, upto: Position) -> set[StateKeyNid]:
    sql = "SELECT state_key FROM state_entries WHERE branch = :branch AND since > :after AND since <= :upto"
    return {key for (key,) in tx.rows(sql, branch=branch, after=after, upto=upto)}


def _parent(tx: Transaction, branch: BranchNid) -> StateAt | None:
    """The trunk's state that a side branch started from; None for a trunk. Never changes."""
    if (known := tx.caches.branches.get(branch)) is None:
        sql = "SELECT parent, parent_at FROM state_branches WHERE nid = :branch"
        row = tx.one(sql, branch=branch)
        assert row is not None
        known = Branch(None if row[0] is None else StateAt(*row))
        tx.after_commit(lambda: tx.caches.branches.put(branch, known))
    return known.parent


def _own(tx: Transaction, state: StateAt) -> dict[StateKeyNid, EventNid | None]:
    """What a branch itself says, without its parent."""
    sql = """
        SELECT state_key, event FROM state_entries WHERE branch = :branch AND until > :position AND since <= :position
    """
    return dict(tx.rows(sql, branch=state.branch, position=state.position))


def _entries(tx: Transaction, state: StateAt, keys: Sequence[StateKeyNid]) -> dict[StateKeyNid, EventNid | None]:
    """The entries of some keys on the branch itself; an absent key has no entry or None.

    A key's intervals follow each other without gaps, so the newest that began by then is the one.
    """
    sql = """
        SELECT e.state_key, e.event FROM EACH(:keys) CROSS JOIN state_entries e
        WHERE e.branch = :branch AND e.state_key = value AND e.since =
            (SELECT max(since) FROM state_entries WHERE branch = :branch AND state_key = value AND since <= :position)
    """
    return dict(tx.rows(sql, branch=state.branch, keys=keys, position=state.position))


def course(
    tx: Transaction, branches: Sequence[BranchNid], key: StateKeyNid
) -> dict[BranchNid, list[tuple[Position, EventNid | None]]]:
    """By trunk, the events that stood under one key through time, oldest first, each with the position of its start."""
    sql = """
        SELECT branch, since, event FROM state_entries WHERE branch = ANY(:branches) AND state_key = :key
        ORDER BY since
    """
    found: dict[BranchNid, list[tuple[Position, EventNid | None]]] = {}
    for branch, since, event in tx.rows(sql, branches=branches, key=key):
        found.setdefault(branch, []).append((since, event))
    return found
