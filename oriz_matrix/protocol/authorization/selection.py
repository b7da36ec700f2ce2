"""Which events an event needs in its `auth_events`, and whether the listed ones are right.

Source: server-server API, "Auth events selection"; the rule "Considering the event's auth_events".
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_contents import CREATE, JOIN_RULES, POWER_LEVELS, Member, member_key
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId
from oriz_matrix.protocol.room_versions import RoomVersion

NEEDS_JOIN_RULES = frozenset({"join", "invite", "knock"})


def auth_keys(
    event_type: str, sender: str, state_key: str | None, content: Mapping[str, Any], version: RoomVersion
) -> list[StateKey]:
    """The state keys whose events belong into `auth_events`, where the room has them; each once.

    Depends on the event alone. The create event is named only in room versions that list it (not from MSC4291 on).
    """
    if event_type == "m.room.create":
        return []
    keys = [POWER_LEVELS, member_key(sender)]
    if version.create_in_auth_events:
        keys.insert(0, CREATE)
    if event_type == "m.room.member":
        keys += _member_keys(state_key, Member(content), version)
        return list(dict.fromkeys(keys))
    return keys


def auth_keys_of(event: Event) -> list[StateKey]:
    """`auth_keys` of an event that exists already."""
    return auth_keys(event.type, event.sender, event.state_key, event.content, event.version)


def _member_keys(target: str | None, member: Member, version: RoomVersion) -> list[StateKey]:
    keys = [member_key(target)] if target is not None else []
    if member.membership in NEEDS_JOIN_RULES:
        keys.append(JOIN_RULES)
    if member.membership == "invite" and member.third_party_token is not None:
        keys.append(("m.room.third_party_invite", member.third_party_token))
    if member.membership == "join" and version.restricted and member.authorising_user is not None:
        keys.append(member_key(member.authorising_user))
    return keys


def check_auth_events(
    event: Event, auth_events: Sequence[Event], rejected: Collection[EventId] = frozenset()
) -> dict[StateKey, Event]:
    """Judge the listed events; raise Forbidden, or return them as the state for `check_with_state`.

    `auth_events` are all events that `event` lists, duplicates too; `rejected` the ids among them that were rejected.
    Where the version does not list the create event the caller adds it to the returned state.
    """
    if event.type == "m.room.create":
        return {}
    wanted = auth_keys_of(event)
    state: dict[StateKey, Event] = {}
    for auth_event in auth_events:
        _check_auth_event(event, auth_event, wanted)
        if auth_event.event_id in rejected:
            raise Forbidden(f"auth_events: {auth_event.event_id} was rejected")
        if auth_event.key in state:
            raise Forbidden(f"auth_events: several events for {auth_event.key}")
        state[auth_event.key] = auth_event
    if event.version.create_in_auth_events and CREATE not in state:
        raise Forbidden("auth_events: no m.room.create event")
    return state


def _check_auth_event(event: Event, auth_event: Event, wanted: Collection[StateKey]) -> None:
    if auth_event.room_id != event.room_id:
        raise Forbidden(f"auth_events: {auth_event.event_id} belongs to another room")
    if not auth_event.is_state or auth_event.key not in wanted:
        raise Forbidden(f"auth_events: {auth_event.event_id} ({auth_event.type}) does not belong there")
