"""What must have become of a room: every event's fate, the ends of the graph, the state, members and counts.

Only the order in which the homeserver judged the events is taken from it; all else follows from the graph.
"""

from collections import Counter
from collections.abc import Collection

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, domain_of
from tests.protocol.reference import authorization as reference
from tests.scenarios.truth import same
from tests.support.graphs.graph import Graph, State
from tests.support.graphs.seen import Row, Seen

REDACTION, GLUE = "m.room.redaction", "org.matrix.dummy_event"
MOST_OF_ONES_OWN = 10
"""A homeserver's own event names so many ends; others do not know that it stood on more."""


class Story:
    """What happened in a room, told again in the homeserver's order.

    accepted: those that became part of it; hidden: rejected or soft-failed. shown: redactions that took effect, with
    their targets; undecided: redactions of which this cannot be told.
    """

    def __init__(self, graph: Graph, here: str) -> None:
        self.graph = graph
        self.here = here
        self.accepted: dict[EventId, None] = {}
        self.hidden: set[EventId] = set()
        self.shown: dict[EventId, EventId] = {}
        self.undecided: set[EventId] = set()
        self.late: set[EventId] = set()
        self._held: dict[EventId, list[Event]] = {}
        self._fetched: set[EventId] = set()
        self._known: dict[EventId, int] = {}
        self._passed: set[EventId] = set()

    def tell(self, seen: Seen) -> None:
        """Goes through all that has happened, and compares."""
        self._known = {row.event_id: row.number for row in seen.rows}
        self._fetched = {row.event_id for row in seen.rows if row.position is not None and not row.is_settled}
        for row in seen.rows:
            if row.is_settled:
                self._judge(row)
        for row in seen.rows:
            self._check_redaction(row)

    def _judge(self, row: Row) -> None:
        event = self.graph.events[row.event_id]
        current = self.graph.merged(self.ends() if self.accepted else event.prev_event_ids)
        where = f"{event} at {row.position}"
        assert row.rejected == (event.event_id in self.graph.rejected), f"{where}: rejected {row.rejected}"
        is_soft = not row.rejected and not self.graph.allows(current, event)
        may_be_hidden = event.type in (REDACTION, GLUE) and not is_soft
        assert row.soft_failed == is_soft or may_be_hidden, f"{where}: {is_soft}"
        is_own_among_many = domain_of(event.sender) == self.here and len(self.ends()) > MOST_OF_ONES_OWN
        if not is_own_among_many:
            same(row.before, self.graph.before[event.event_id], f"state before {where}")
        if row.rejected or is_soft:
            self.hidden.add(event.event_id)
            return
        self.accepted[event.event_id] = None
        self._pass(row)
        for redaction in self._held.pop(event.event_id, ()):
            if self._may_redact(redaction, event, current):
                self.shown[redaction.event_id] = event.event_id
                self.late.add(redaction.event_id)
        if event.type == REDACTION and not event.is_state:
            self._redact(event, current)

    def _redact(self, event: Event, current: State) -> None:
        target = self.graph.events.get(EventId(str(event.redacts)))
        if target is None or target.event_id in self._fetched | self.hidden:
            self.undecided.add(event.event_id)
        elif target.event_id not in self.accepted:
            self._held.setdefault(target.event_id, []).append(event)
        elif self._may_redact(event, target, current):
            self.shown[event.event_id] = target.event_id

    def _may_redact(self, redaction: Event, target: Event, current: State) -> bool:
        if redaction.version.redaction_rule or domain_of(redaction.sender) == domain_of(target.sender):
            return True
        state = self.graph.whole(current)
        return reference.user_level(redaction.sender, state) >= reference.named_level("redact", state)

    def _check_redaction(self, row: Row) -> None:
        event = self.graph.events.get(row.event_id)
        if event is None or not row.is_settled or row.event_id not in self.accepted:
            return
        if event.type == REDACTION and not event.is_state and row.event_id not in self.undecided:
            assert row.soft_failed == (row.event_id not in self.shown), f"{event} is shown: {not row.soft_failed}"
        if row.event_id in self.shown.values():
            assert row.redacted, f"{event} is not redacted"
        elif row.redacted:
            assert any(self.graph.events[each].redacts == row.event_id for each in self.undecided), event

    def ends(self) -> set[EventId]:
        """The accepted events that are before no accepted one, be it through hidden ones."""
        return set(self.accepted) - self._passed

    def _pass(self, row: Row) -> None:
        """Whatever accepted events stand upon, directly or through what is not accepted, is or will be no end."""
        waiting, seen = list(self.accepted), set[EventId]()
        outside = {each for each, number in self._known.items() if number < (row.position or 0)} - set(self.accepted)
        while waiting:
            new = set(self.graph.events[waiting.pop()].prev_event_ids) - seen
            seen |= new
            waiting += new & outside
        self._passed |= seen

    def check_room(self, seen: Seen) -> None:
        """The room is what the story says."""
        ends = self.ends()
        same({event_id for event_id, _ in seen.room.extremities}, ends, "ends of the graph")
        state = self.graph.merged(ends)
        same(seen.current, state, "current state")
        members = {key[1]: self.graph.events[each] for key, each in state.items() if key[0] == "m.room.member"}
        said = {user: str(event.content["membership"]) for user, event in members.items()}
        rows = {user: row for user, row in seen.members.items() if user in members or row[0] != "leave"}
        same(rows, {user: (said[user], event.event_id) for user, event in members.items()}, "memberships")
        joined = [user for user, now in said.items() if now == "join"]
        elsewhere = Counter(domain_of(user) for user in joined if domain_of(user) != self.here)
        counts = {"joined": len(joined), "invited": Counter(said.values())["invite"], "elsewhere": elsewhere.total()}
        same({name: getattr(seen.room, name) for name in counts}, counts, "counts")
        same(seen.servers, dict(elsewhere), "servers in the room")

    def visible(self) -> list[EventId]:
        """What clients are shown, in the order of arrival."""
        known = self.shown.keys() | self.undecided
        kinds = {each: self.graph.events[each].type for each in self.accepted}
        return [each for each, kind in kinds.items() if kind != GLUE and (kind != REDACTION or each in known)]


def missing(graph: Graph, seen: Seen, sent: Collection[EventId]) -> set[EventId]:
    """Events that were sent, and have no fate; the create event, and what is like one, may have none."""
    placed = {row.event_id for row in seen.rows if row.position is not None}
    return {each for each in sent if each in graph.events and graph.before[each]} - placed
