"""Which users an event notifies, decided while it is appended.

Each timeline keeps one running count of events that notify by the default rules, so that nobody needs a row of their
own; rows are only mentions of local users, and what users' own rules make of the event where that differs.
"""

from collections.abc import Mapping, Sequence

from oriz_matrix.protocol.authorization import power_levels
from oriz_matrix.protocol.event_contents import MEMBER
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import ServerName, UserId, domain_of, is_user_id, other_server
from oriz_matrix.protocol.push.conditions import RoomContext
from oriz_matrix.protocol.push.evaluate import Outcome, outcomes_by_default
from oriz_matrix.services.rooms.receivers import Receiver
from oriz_matrix.storage.new_events import NewEvent, Verdict

MAX_MENTIONS = 100
"""Rows that the mentions in one event may cost."""


def weigh(
    event: Event,
    members: int,
    state: Mapping[StateKey, Event],
    server_name: ServerName,
    receivers: Sequence[Receiver] = (),
) -> NewEvent:
    """The event with whom it notifies; `receivers` are asked for their own rules, all others have the default ones."""
    levels = power_levels(state)
    context = RoomContext(members, levels.user(event.sender), levels.notification)
    outcomes = outcomes_by_default(event, context)
    others = {event.sender, *(receiver.user_id for receiver in receivers)}
    mentioned = [
        UserId(user)
        for user, outcome in outcomes.personal.items()
        if outcome.highlight and user not in others and is_user_id(user) and domain_of(user) == server_name
    ]
    verdicts = {
        receiver.user: Verdict(outcome.notify, outcome.highlight)
        for receiver in receivers
        if receiver.user_id != event.sender
        and _differs(outcome := receiver.rules.outcome(event, context, receiver.name), outcomes.everyone, receiver)
    }
    return NewEvent(
        event,
        notifies=outcomes.everyone.notify,
        mentions=mentioned[:MAX_MENTIONS],
        mentions_all=outcomes.everyone.highlight,
        verdicts=verdicts,
        server=other_server(event.state_key or "", server_name) if event.type == MEMBER else None,
    )


def _differs(outcome: Outcome, everyone: Outcome, receiver: Receiver) -> bool:
    """Whether an event is something else to a receiver than what the counts and the row for everybody say."""
    counted = everyone.notify and (everyone.highlight or not receiver.mentions_only)
    return (outcome.notify, outcome.highlight) != (counted, everyone.highlight)
