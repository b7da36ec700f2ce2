"""The rule for m.room.member: who may join, invite, leave, kick, ban, unban and knock.

Functions stand in the order of the specification. `target` is the user in the event's state key.
"""

from collections.abc import Callable

from oriz_matrix.protocol.authorization.power import State
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_contents import (
    CREATE,
    JOIN_RULES,
    POWER_LEVELS,
    Create,
    JoinRules,
    Member,
    PowerLevels,
    member_key,
    membership,
)
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.third_party_invites import proves_binding

LEAVABLE = frozenset({"invite", "join"})
"""What a user may leave by themselves; with knocking also a knock."""


def check_member_shape(event: Event) -> None:
    """The part that needs no state: a target, and a membership that this room version knows."""
    if not event.is_state or "membership" not in event.content:
        raise Forbidden("m.room.member: state_key or membership is missing")
    change = Member(event.content).membership
    if change not in _RULES or (change == "knock" and not event.version.knock):
        raise Forbidden("m.room.member: the membership is not known in this room version")


def check_membership(event: Event, state: State, create: Create) -> None:
    """Raise Forbidden unless the state allows the change; the event has passed `check_member_shape`."""
    change = Member(event.content).membership
    assert change is not None
    _RULES[change](event, state, create)


def _check_join(event: Event, state: State, create: Create) -> None:
    if event.state_key == create.creator and list(event.prev_event_ids) == [state[CREATE].event_id]:
        return
    if event.sender != event.state_key:
        raise Forbidden("join: nobody can join for another user")
    present = _membership_of(event.sender, state)
    if present == "ban":
        raise Forbidden("join: the user is banned")
    rule = JoinRules(state.get(JOIN_RULES)).rule
    if rule == "public" or (present in LEAVABLE and _invitation_suffices(rule, event)):
        return
    if not _is_restricted(rule, event):
        raise Forbidden(f"join: the join rule is {rule}, and the user is not invited")
    _check_authorising_user(event, state, create)


def _invitation_suffices(rule: str, event: Event) -> bool:
    return rule == "invite" or _may_knock(rule, event) or _is_restricted(rule, event)


def _may_knock(rule: str, event: Event) -> bool:
    version = event.version
    return (rule == "knock" and version.knock) or (rule == "knock_restricted" and version.knock_restricted)


def _is_restricted(rule: str, event: Event) -> bool:
    version = event.version
    return (rule == "restricted" and version.restricted) or (rule == "knock_restricted" and version.knock_restricted)


def _check_authorising_user(event: Event, state: State, create: Create) -> None:
    """The user named by the server that vouched for a restricted join; its signature was checked before."""
    user_id = Member(event.content).authorising_user
    if user_id is None or _membership_of(user_id, state) != "join":
        raise Forbidden("join: restricted, and no joined member's server has authorised it")
    levels = _levels(state, create)
    if levels.user(user_id) < levels.invite:
        raise Forbidden("join: restricted, and the authorising user may not invite")


def _check_invite(event: Event, state: State, create: Create) -> None:
    target = _target(event)
    present = _membership_of(target, state)
    if Member(event.content).is_third_party_invite:
        _check_third_party_invite(event, state, target, present)
        return
    _require_joined(event, state, "invite")
    if present in {"join", "ban"}:
        raise Forbidden(f"invite: the user's membership is {present}")
    levels = _levels(state, create)
    if levels.user(event.sender) < levels.invite:
        raise Forbidden("invite: the sender's power level is too low")


def _check_third_party_invite(event: Event, state: State, target: str, present: str | None) -> None:
    """The invite of someone who was invited by an address before and has now a user id (traps.md 25)."""
    if present == "ban":
        raise Forbidden("third-party invite: the user is banned")
    signed = Member(event.content).signed
    if signed is None or "mxid" not in signed or "token" not in signed:
        raise Forbidden("third-party invite: signed, its mxid or its token is missing")
    if signed["mxid"] != target:
        raise Forbidden("third-party invite: it was signed for another user")
    token = Member(event.content).third_party_token
    invitation = state.get(("m.room.third_party_invite", token)) if token is not None else None
    if invitation is None:
        raise Forbidden("third-party invite: the room has no such invitation")
    if invitation.sender != event.sender:
        raise Forbidden("third-party invite: the invitation is by another user")
    if not proves_binding(signed, invitation.content):
        raise Forbidden("third-party invite: no signature fits the invitation's keys")


def _check_leave(event: Event, state: State, create: Create) -> None:
    target = _target(event)
    present = _membership_of(target, state)
    if event.sender == target:
        if present not in LEAVABLE and not (present == "knock" and event.version.knock):
            raise Forbidden("leave: the user is not in the room")
        return
    _require_joined(event, state, "kick")
    levels = _levels(state, create)
    own = levels.user(event.sender)
    if present == "ban" and own < levels.ban:
        raise Forbidden("unban: the sender's power level is too low")
    if own < levels.kick or levels.user(target) >= own:
        raise Forbidden("kick: the sender's power level is too low")


def _check_ban(event: Event, state: State, create: Create) -> None:
    _require_joined(event, state, "ban")
    levels = _levels(state, create)
    own = levels.user(event.sender)
    if own < levels.ban or levels.user(_target(event)) >= own:
        raise Forbidden("ban: the sender's power level is too low")


def _check_knock(event: Event, state: State, create: Create) -> None:  # noqa: ARG001 - one shape for all rules
    rule = JoinRules(state.get(JOIN_RULES)).rule
    if not _may_knock(rule, event):
        raise Forbidden(f"knock: the join rule is {rule}")
    if event.sender != event.state_key:
        raise Forbidden("knock: nobody can knock for another user")
    present = _membership_of(event.sender, state)
    if present in {"ban", "invite", "join"}:
        raise Forbidden(f"knock: the user's membership is {present}")


_RULES: dict[str, Callable[[Event, State, Create], None]] = {
    "join": _check_join,
    "invite": _check_invite,
    "leave": _check_leave,
    "ban": _check_ban,
    "knock": _check_knock,
}


def _target(event: Event) -> str:
    assert event.state_key is not None
    return event.state_key


def _membership_of(user_id: str, state: State) -> str | None:
    return membership(state.get(member_key(user_id)))


def _require_joined(event: Event, state: State, change: str) -> None:
    if _membership_of(event.sender, state) != "join":
        raise Forbidden(f"{change}: the sender is not in the room")


def _levels(state: State, create: Create) -> PowerLevels:
    return PowerLevels(create, state.get(POWER_LEVELS))
