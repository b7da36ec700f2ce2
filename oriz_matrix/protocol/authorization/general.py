"""The whole list of rules, in the order of the specification, handing over to the files of the special types."""

from collections.abc import Callable

from oriz_matrix.protocol.authorization.create import check_create
from oriz_matrix.protocol.authorization.membership import check_member_shape, check_membership
from oriz_matrix.protocol.authorization.power import (
    State,
    check_power_levels,
    check_power_shape,
    check_redaction,
)
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_contents import CREATE, POWER_LEVELS, Create, PowerLevels, member_key, membership
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import domain_of


def check_static(event: Event) -> None:
    """The rules that depend on nothing but the event; raise Forbidden. `check_with_state` includes them."""
    check = _STATIC.get(event.type)
    if check is not None:
        check(event)


def check_with_state(event: Event, state: State) -> None:
    """Raise Forbidden unless the rules allow the event in this state (what it must hold: see the package)."""
    check_static(event)
    if event.type == "m.room.create":
        return
    create = _create_of(event, state)
    if not create.federates and domain_of(event.sender) != domain_of(create.sender):
        raise Forbidden("m.federate: the room is closed to users of other servers")
    if event.type == "m.room.member":
        check_membership(event, state, create)
    elif not (event.type == "m.room.aliases" and event.version.aliases_rule):
        _check_ordinary(event, state, create)


def _create_of(event: Event, state: State) -> Create:
    create = state.get(CREATE)
    if create is None:
        raise Forbidden("m.room.create: the room has none")
    if event.version.room_id_is_create_hash and create.event_id[1:] != event.room_id[1:]:
        raise Forbidden("m.room.create: the room id is not that of the create event")
    return Create(create)


def _check_ordinary(event: Event, state: State, create: Create) -> None:
    """The rules for everything that is neither creation nor membership: joined senders with enough power."""
    sender, state_key = event.sender, event.state_key
    if membership(state.get(member_key(sender))) != "join":
        raise Forbidden("The sender is not in the room")
    levels = PowerLevels(create, state.get(POWER_LEVELS))
    own = levels.user(sender)
    if event.type == "m.room.third_party_invite":
        if own < levels.invite:
            raise Forbidden("m.room.third_party_invite: the sender's power level is too low to invite")
        return
    if levels.required(event.type, is_state=state_key is not None) > own:
        raise Forbidden(f"{event.type}: the sender's power level is too low")
    if state_key is not None and state_key.startswith("@") and state_key != sender:
        raise Forbidden(f"{event.type}: the state key is another user's id")
    if event.type == "m.room.power_levels":
        check_power_levels(event, state, create, own)
    elif event.type == "m.room.redaction" and event.version.redaction_rule:
        check_redaction(event, levels)


def _check_aliases_shape(event: Event) -> None:
    """Up to room version 5 a server may name its own aliases, whoever is in the room."""
    if event.version.aliases_rule and (event.state_key is None or domain_of(event.sender) != event.state_key):
        raise Forbidden("m.room.aliases: the state key is not the sender's server")


_STATIC: dict[str, Callable[[Event], None]] = {
    "m.room.create": check_create,
    "m.room.member": check_member_shape,
    "m.room.aliases": _check_aliases_shape,
    "m.room.power_levels": check_power_shape,
}
