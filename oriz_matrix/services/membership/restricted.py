"""Restricted joins: whether this server may vouch for somebody who joins, and which member does so in its name.

Source: client-server API, "Restricted rooms"; server-server API, "Restricted rooms".
"""

from collections.abc import Iterator, Mapping

from oriz_matrix.protocol.authorization import power_levels
from oriz_matrix.protocol.errors import Forbidden, MatrixError, UnableToAuthoriseJoin, UnableToGrantJoin
from oriz_matrix.protocol.event_contents import CREATE, JOIN_RULES, POWER_LEVELS, Create, JoinRules, Member, member_key
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import ServerName, UserId, domain_of, is_user_id
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.storage import interning, membership, rooms
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, Position, RoomNid, UserNid


def voucher(
    tx: Transaction, room: Room, state: Mapping[StateKey, Event], user: UserNid, here: ServerName
) -> UserId | None:
    """The member of this server who lets a user in because they are in one of the rooms that the join rule names.

    None where the rule is another, nobody vouches, or the user is in the room or invited and needs no voucher. `state`
    holds the room's rules and levels, and the user's membership.
    """
    rules = JoinRules(state.get(JOIN_RULES))
    user_id = interning.user_ids(tx, [user])[user]
    if not needs_voucher(state, user_id) or not _is_in_any(tx, rules, user):
        return None
    levels = power_levels(state)
    for member in _candidates(tx, room, user, state):
        if domain_of(member) == here and levels.user(member) >= levels.invite and _is_in(tx, room, member):
            return member
    return None


def needs_voucher(state: Mapping[StateKey, Event], user_id: UserId) -> bool:
    """Whether a user can join only because they are in another room."""
    present = state.get(member_key(user_id))
    if present is not None and Member(present.content).membership in ("join", "invite"):
        return False
    return _is_restricted(JoinRules(state.get(JOIN_RULES)), state[CREATE].version)


def refusal(tx: Transaction, state: Mapping[StateKey, Event], user: UserNid | None) -> MatrixError:
    """Why nobody here lets somebody in who needs a voucher: whether another server may be able to."""
    rules = JoinRules(state.get(JOIN_RULES))
    if user is not None and _is_in_any(tx, rules, user):
        return UnableToGrantJoin()
    names = [rooms.find(tx, room_id) for room_id in rules.allowed_rooms]
    rows = rooms.get(tx, [name.nid for name in names if name is not None])
    if len(rows) < len(names) or any(not room.is_here for room in rows.values()):
        return UnableToAuthoriseJoin()
    return Forbidden("You are in none of the rooms whose members may join")


def _is_restricted(rules: JoinRules, version: RoomVersion) -> bool:
    by_rule = {"restricted": version.restricted, "knock_restricted": version.knock_restricted}
    return by_rule.get(rules.rule, False)


def _is_in_any(tx: Transaction, rules: JoinRules, user: UserNid) -> bool:
    names = [rooms.find(tx, room_id) for room_id in rules.allowed_rooms]
    return any(name is not None and _is_joined(tx, user, name.nid) for name in names)


def _candidates(tx: Transaction, room: Room, but: UserNid, state: Mapping[StateKey, Event]) -> Iterator[UserId]:
    """Those who have power, and then a few others, in case everybody may invite."""
    yield from (UserId(creator) for creator in Create(state[CREATE]).creators)
    users = state[POWER_LEVELS].content.get("users") if POWER_LEVELS in state else None
    yield from (UserId(user) for user in (users if isinstance(users, dict) else {}) if is_user_id(user))
    few = membership.heroes(tx, room.nid, but, ["join"], Position(FOREVER - 1))
    yield from interning.user_ids(tx, few).values()


def _is_in(tx: Transaction, room: Room, user_id: UserId) -> bool:
    user = interning.find_user(tx, user_id)
    return user is not None and _is_joined(tx, user, room.nid)


def _is_joined(tx: Transaction, user: UserNid, room: RoomNid) -> bool:
    now = membership.now(tx, user, room)
    return now is not None and now.membership == "join"
