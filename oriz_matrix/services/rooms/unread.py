"""Which users an event notifies, decided while it is appended.

The room keeps one running count of events that notify by the default rules, so that nobody needs a row of their own;
only mentions of local users are rows.
"""

from collections.abc import Mapping

from oriz_matrix.protocol.authorization import power_levels
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import ServerName, UserId, domain_of, is_user_id
from oriz_matrix.protocol.push.conditions import RoomContext
from oriz_matrix.protocol.push.evaluate import outcomes_by_default
from oriz_matrix.storage.append import NewEvent

MAX_MENTIONS = 100
"""Rows that one event may cost."""


def weigh(event: Event, members: int, state: Mapping[StateKey, Event], server_name: ServerName) -> NewEvent:
    """The event with whom it notifies by the default rules."""
    levels = power_levels(state)
    context = RoomContext(members, levels.user(event.sender), levels.notification)
    outcomes = outcomes_by_default(event, context)
    mentioned = [
        UserId(user)
        for user, outcome in outcomes.personal.items()
        if outcome.highlight and user != event.sender and is_user_id(user) and domain_of(user) == server_name
    ]
    return NewEvent(
        event,
        notifies=outcomes.everyone.notify,
        mentions=mentioned[:MAX_MENTIONS],
        mentions_all=outcomes.everyone.highlight,
    )
