"""What a change of membership is decided on, read in one go, with the room as the event is then prepared against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from oriz_matrix.protocol.errors import Forbidden, NotFound
from oriz_matrix.protocol.event_contents import guests_may_join, member_key, membership
from oriz_matrix.protocol.identifiers import RoomId, UserId, domain_of, parse_room_alias, parse_room_id
from oriz_matrix.protocol.profile_fields import AVATAR_URL, DISPLAYNAME
from oriz_matrix.services.membership import restricted
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.follow_ups import GUEST_ACCESS
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.services.rooms.snapshot import Snapshot, needed_keys
from oriz_matrix.storage import accounts, aliases, interning, profiles, rooms
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.transaction import Transaction

MEMBER = "m.room.member"
VOUCHER = "join_authorised_via_users_server"
SHOWS_PROFILE = ("join", "invite", "knock")
"""The memberships whose events show the user's name and picture."""


class Wish(NamedTuple):
    """A change that is asked for: in which room (an id or an alias), by whom, for whom, and to what."""

    room: str
    sender: UserId
    target: UserId
    membership: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The room, and of the target: their profile, whether there is such a user here, who vouches for their join."""

    wish: Wish
    snapshot: Snapshot
    profile: Mapping[str, Any]
    has_account: bool
    voucher: UserId | None

    @property
    def room_id(self) -> RoomId:
        """The room's id."""
        return self.snapshot.name.room_id

    @property
    def membership(self) -> str | None:
        """What the target is in the room now."""
        return membership(self.snapshot.state.get(member_key(self.wish.target)))

    @property
    def needs_other_server(self) -> bool:
        """Whether the target can join, if at all, only because a member of another server lets them in."""
        return (
            self.voucher is None
            and self.snapshot.room.elsewhere > 0
            and restricted.needs_voucher(self.snapshot.state, self.wish.target)
        )

    @property
    def guests_may_join(self) -> bool:
        """Whether the room is open to guests."""
        return guests_may_join(self.snapshot.state.get(GUEST_ACCESS))

    def require_joined_sender(self) -> None:
        """Raises Forbidden for who is not in the room: they learn nothing about who is."""
        if membership(self.snapshot.state.get(member_key(self.wish.sender))) != "join":
            raise Forbidden("You are not in this room")


class NotHere(NotFound):
    """Nobody here is in the room, which other servers may be in."""

    message = "There is no such room on this server"


def look(tx: Transaction, wish: Wish) -> Seen:
    """Reads all that a change is decided on. Raises NotHere, and InvalidParam."""
    name = _room(tx, wish.room)
    room = rooms.get(tx, [name.nid])[name.nid]
    if not room.is_here and (room.elsewhere or not room.latest):
        raise NotHere
    draft = Draft(sender=wish.sender, type=MEMBER, content={"membership": wish.membership}, state_key=wish.target)
    keys = [*needed_keys(draft, name.version), *([GUEST_ACCESS] if wish.membership == "join" else [])]
    state = access.current(tx, room, keys)
    user = interning.find_user(tx, wish.target)
    voucher = None
    if wish.membership == "join" and user is not None:
        voucher = restricted.voucher(tx, room, state, user, domain_of(wish.target))
    if voucher is not None:
        keys.append(member_key(voucher))
        state |= access.current(tx, room, keys[-1:])
    return Seen(
        wish=wish,
        snapshot=Snapshot(name, room, state, keys),
        profile=member_fields(profiles.get(tx, user)) if user is not None and wish.membership in SHOWS_PROFILE else {},
        has_account=wish.membership == "invite" and _has_account(tx, wish.target),
        voucher=voucher,
    )


def member_fields(profile: Mapping[str, object]) -> dict[str, object]:
    """What of a user's profile stands in their member events."""
    return {field: profile[field] for field in (DISPLAYNAME, AVATAR_URL) if field in profile}


def _room(tx: Transaction, room: str) -> RoomName:
    if room.startswith("#"):
        alias = parse_room_alias(room, "roomIdOrAlias")
        nid = aliases.find(tx, alias)
        if nid is None:
            raise NotHere(f"There is no room with the alias {alias}")
        return rooms.name(tx, nid)
    name = rooms.find(tx, parse_room_id(room, "roomIdOrAlias"))
    if name is None:
        raise NotHere
    return name


def _has_account(tx: Transaction, user_id: UserId) -> bool:
    account = accounts.find(tx, user_id)
    return account is not None and account.user_id == user_id
