"""Invites by an address that are redeemed: an identity server has found out whose it is, and has signed that.

Who was invited gets an ordinary invite, made by a server in the room of the proof; here, or by asking the server of who
invited them. Whether the proof fits is for the authorization rules. Server-server API, "Third-party invites".
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from oriz_matrix.protocol.errors import (
    BadGateway,
    BadJson,
    Forbidden,
    LimitExceeded,
    MatrixError,
    NotFound,
    Unavailable,
)
from oriz_matrix.protocol.event_contents import MEMBER
from oriz_matrix.protocol.identifiers import RoomId, ServerName, UserId, domain_of, parse_room_id, parse_user_id
from oriz_matrix.services.jobs import Jobs
from oriz_matrix.services.membership.elsewhere import Elsewhere
from oriz_matrix.services.membership.handshakes import Handshakes
from oriz_matrix.services.rooms import access, doors
from oriz_matrix.services.rooms.append import Append
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.storage import accounts, interning, jobs, membership, rooms
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.jobs import Job
from oriz_matrix.storage.transaction import Transaction

REDEEM = "redeem"
"""Jobs of this queue redeem invites of users here; the key is the payload's hash."""
MOST_INVITES = 20
MOST_BYTES = 32_768
ATTEMPTS = 8
"""So often the server of who has invited is asked; then the invite is lost."""
PENDING = "m.room.third_party_invite"

log = structlog.get_logger()


class Redeemed(msgspec.Struct, frozen=True, kw_only=True):
    """An invite whose address was bound to a user, with the identity server's proof: {mxid, token, signatures}."""

    room_id: RoomId
    sender: UserId
    user_id: UserId
    signed: dict[str, Any]
    display_name: str = ""

    @property
    def token(self) -> str:
        """What the pending invite is called in the room's state."""
        token: str = self.signed["token"]
        return token

    @property
    def pdu(self) -> dict[str, Any]:
        """The part of the member event that does not depend on where it is made."""
        invite = {"display_name": self.display_name, "signed": self.signed}
        return {
            "type": MEMBER,
            "room_id": self.room_id,
            "sender": self.sender,
            "state_key": self.user_id,
            "content": {"membership": "invite", "third_party_invite": invite},
        }


def redeemed(room_id: object, sender: object, user_id: object, invite: Mapping[str, Any], field: str) -> Redeemed:
    """What somebody else has said in this field, if it has the right form. Raises BadJson, and InvalidParam."""
    signed, name = invite.get("signed"), invite.get("display_name")
    if not isinstance(signed, dict) or not isinstance(signed.get("token"), str) or "\0" in signed["token"]:
        raise BadJson(f"{field}: signed, with a token, is missing")
    found = Redeemed(
        room_id=parse_room_id(room_id, "room_id"),
        sender=parse_user_id(sender, "sender"),
        user_id=parse_user_id(user_id, "state_key"),
        signed=signed,  # whole: the signature covers all of it
        display_name=name if isinstance(name, str) else "",
    )
    if signed.get("mxid") != found.user_id:
        raise BadJson(f"{field}: signed for another user")
    return found


class ThirdPartyInvites:
    """Redeems them."""

    def __init__(self, db: Database, append: Append, elsewhere: Elsewhere, handshakes: Handshakes, jobs: Jobs) -> None:
        self._db = db
        self._append = append
        self._elsewhere = elsewhere
        self._handshakes = handshakes
        self._jobs = jobs
        self._here = elsewhere.here
        jobs.register(REDEEM, self._redeem)

    async def exchange(self, origin: ServerName, room_id: RoomId, asked: Mapping[str, Any]) -> None:
        """Invites a user of another server, which asks for it, to a room here. Raises BadJson, Forbidden, NotFound."""
        content = asked.get("content")
        invite = content.get("third_party_invite") if isinstance(content, dict) else None
        if not isinstance(content, dict) or not isinstance(invite, dict):
            raise BadJson("content: third_party_invite is missing")
        if asked.get("type") != MEMBER or content.get("membership") != "invite":
            raise BadJson("type, membership: must be an invite")
        found = redeemed(
            asked.get("room_id"), asked.get("sender"), asked.get("state_key"), invite, "third_party_invite"
        )
        if found.room_id != room_id:
            raise BadJson("room_id: another room than the path says")
        if domain_of(found.user_id) != origin:
            raise Forbidden("state_key: a server asks for its own users")
        await self._db.read(_door, room_id, origin)
        await self._issue(found)

    async def bound(self, mxid: str, invites: Sequence[Mapping[str, Any]]) -> None:
        """An identity server has bound an address to a user here, which had these invites. Raises NotFound, BadJson.

        Anybody may say so: nothing is believed but the proofs. It is answered at once, and redeemed afterwards.
        """
        if len(invites) > MOST_INVITES:
            raise BadJson(f"invites: at most {MOST_INVITES}")
        user_id = parse_user_id(mxid, "mxid")
        found = [redeemed(one.get("room_id"), one.get("sender"), one.get("mxid"), one, "invites") for one in invites]
        if any(one.user_id != user_id for one in found):
            raise BadJson("mxid: not the user of all invites")
        payloads = [msgspec.json.encode(one) for one in found]
        if any(len(payload) > MOST_BYTES for payload in payloads):
            raise BadJson("signed: too large")
        await self._db.write(_enqueue, user_id, self._here, payloads)
        self._jobs.poke()

    async def _redeem(self, job: Job) -> None:
        """The work of a job; what is of no use is given up, and tried again what may succeed later."""
        found = msgspec.json.decode(job.payload, type=Redeemed)
        try:
            if await self._db.read(_is_here, found.room_id):
                await self._issue(found)
            else:
                await self._handshakes.exchange(domain_of(found.sender), found.room_id, found.pdu)
        except MatrixError as error:
            log.info("an invite by an address is not redeemed", room=found.room_id, reason=error.message)
            if isinstance(error, BadGateway | LimitExceeded | Unavailable) and job.attempts < ATTEMPTS:
                raise

    async def _issue(self, found: Redeemed) -> None:
        """Makes the invite here, and sends it to whom it concerns."""
        draft = await self._db.read(_draft, found)
        if draft is None:
            return
        if domain_of(found.user_id) == self._here:
            await self._append.local(found.room_id, draft)
        else:
            await self._elsewhere.send_invite(found.room_id, draft)


def _door(tx: Transaction, room_id: RoomId, origin: ServerName) -> None:
    room = doors.known(tx, room_id)
    if not room.is_here:
        raise NotFound("Nobody here is in the room")
    doors.require_allowed(tx, room, origin)


def _enqueue(tx: Transaction, user_id: UserId, here: ServerName, payloads: Sequence[bytes]) -> None:
    account = accounts.find(tx, user_id)
    if domain_of(user_id) != here or account is None or account.user_id != user_id:
        raise NotFound("mxid: there is no such user here")
    for payload in payloads:
        jobs.enqueue(tx, REDEEM, hashlib.sha256(payload).hexdigest(), payload, run_at=0)


def _is_here(tx: Transaction, room_id: RoomId) -> bool:
    name = rooms.find(tx, room_id)
    if name is None:
        return False
    room = rooms.get(tx, [name.nid])[name.nid]
    return room.is_here


def _draft(tx: Transaction, found: Redeemed) -> Draft | None:
    """The invite, with the name that the room knows the address by; None for who is in the room or invited already."""
    room = doors.known(tx, found.room_id)
    user = interning.find_user(tx, found.user_id)
    now = membership.now(tx, user, room.nid) if user is not None else None
    if now is not None and now.membership in ("join", "invite"):
        return None
    pending = access.current(tx, room, [(PENDING, found.token)]).get((PENDING, found.token))
    if pending is None:
        raise Forbidden("signed: the room has no such pending invite")
    name = pending.content.get("display_name")
    content = msgspec.structs.replace(found, display_name=name if isinstance(name, str) else "").pdu["content"]
    return Draft(sender=found.sender, type=MEMBER, content=content, state_key=found.user_id)
