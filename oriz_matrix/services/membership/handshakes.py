"""Asks other servers to let users of this one into their rooms, and out of them.

Whatever they answer is checked before it is signed or kept (traps.md 27, 42). Server-server API, "Joining Rooms",
"Knocking upon a room", "Leaving Rooms (Rejecting Invites)", "Inviting to a room".
"""

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import structlog
from msgspec.structs import replace

from oriz_matrix.base.clock import Clock
from oriz_matrix.net.errors import BadAnswer, Refused, RemoteFailed
from oriz_matrix.net.federation import Federation
from oriz_matrix.net.peers import PeerRequest, uri
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.errors import BadGateway, BadJson, IncompatibleRoomVersion, MatrixError, NotFound
from oriz_matrix.protocol.event_builder import complete
from oriz_matrix.protocol.event_contents import CREATE, MEMBER, Member
from oriz_matrix.protocol.events import Event, event_from_pdu
from oriz_matrix.protocol.identifiers import RoomId, ServerName, UserId
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS, EventIdFormat, RoomVersion
from oriz_matrix.protocol.signing import SigningKey
from oriz_matrix.protocol.stripped_state import prune, strip

T = TypeVar("T")

V1, V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
HANDSHAKE_SECONDS = 180.0
LARGEST_ROOM = 256 * 1024 * 1024
MOST_ASKED = 10
"""So many servers are asked, one after the other."""
FIRST_WITH_IDS = next(
    name for name, version in ROOM_VERSIONS.items() if version.event_id_format is not EventIdFormat.CHOSEN
)
VOUCHER = "join_authorised_via_users_server"

UNAUTHORIZED = 401
ERRCODE = re.compile(r"[A-Z][A-Z0-9_.]{0,99}", re.ASCII)

log = structlog.get_logger()


class Wish(NamedTuple):
    """A membership that a user of this server wants: in which room, and what else their event says."""

    room_id: RoomId
    user_id: UserId
    content: Mapping[str, Any]


class Joined(NamedTuple):
    """A join that another server has taken: the event, the room's state before it as it says, and the auth chain."""

    event: Event
    server: ServerName
    state: list[Any]
    auth_chain: list[Any]


class Knocked(NamedTuple):
    """A knock, the server that has taken it, and what that shows of the room."""

    event: Event
    server: ServerName
    shown: list[dict[str, Any]]


class Told(MatrixError):
    """What another server says against a membership, as it says it."""

    def __init__(self, error: Refused) -> None:
        super().__init__(f"The other server says: {error.error[:500]}")
        self.status = error.status
        self.errcode = error.errcode if ERRCODE.fullmatch(error.errcode) else "M_UNKNOWN"


class Handshakes:
    """Speaks with the servers of rooms."""

    def __init__(self, federation: Federation | None, here: ServerName, key: SigningKey, clock: Clock) -> None:
        """`federation` is None where this server talks with no other."""
        self._federation = federation
        self._clock = clock
        self._here = here
        self._key = key

    @property
    def speaks(self) -> bool:
        """Whether this server talks with others at all."""
        return self._federation is not None

    async def join(
        self,
        wish: Wish,
        servers: Sequence[ServerName],
        begin: Callable[[RoomVersion], Coroutine[Any, Any, None]],
    ) -> Joined:
        """Joins through the first server that lets the user in. Raises what the last one said, NotFound, BadGateway.

        `begin` is awaited before the join is handed over, if the room's version is told: from then on others may send
        events of the room.
        """

        async def ask(federation: Federation, server: ServerName) -> Joined:
            event, is_sure = await self._template(federation, server, "join", wish)
            if is_sure:  # a room once begun stays of its version
                await begin(event.version)
            room_id = wish.room_id
            request = PeerRequest(
                method="PUT",
                uri=uri(f"{V2}/send_join", room_id, event.event_id, query=[("omit_members", "false")]),
                body=event.encoded,
                seconds=HANDSHAKE_SECONDS,
                limit=LARGEST_ROOM,
            )
            answer = await _either(federation, server, request)
            state, chain = answer.get("state"), answer.get("auth_chain")
            if not isinstance(state, list) or not isinstance(chain, list):
                raise BadAnswer("state, auth_chain: must be lists")
            if answer.get("members_omitted"):  # traps.md 28
                raise BadAnswer("members_omitted: all members were asked for")
            if (said := _version_in(state)) not in (None, event.version.name):
                raise BadAnswer(f"the room is of version {said}, the template was of {event.version.name}")
            return Joined(_signed_by_both(event, answer.get("event")), server, state, chain)

        return await self._of_any(servers, ask)

    async def knock(self, wish: Wish, servers: Sequence[ServerName]) -> Knocked:
        """Knocks through the first server that takes it."""

        async def ask(federation: Federation, server: ServerName) -> Knocked:
            event, _ = await self._template(federation, server, "knock", wish)
            answer = await self._hand_over(federation, server, f"{V1}/send_knock", event)
            return Knocked(event, server, prune(answer.get("knock_room_state")))

        return await self._of_any(servers, ask)

    async def leave(self, wish: Wish, servers: Sequence[ServerName]) -> Event:
        """Turns an invite down, or takes a knock back, through the first server that takes it."""

        async def ask(federation: Federation, server: ServerName) -> Event:
            event, _ = await self._template(federation, server, "leave", wish)
            await self._hand_over(federation, server, f"{V2}/send_leave", event)
            return event

        return await self._of_any(servers, ask)

    async def invite(self, server: ServerName, event: Event, shown: Sequence[Event]) -> Event:
        """Hands an invite to the invited user's server; the event with its signature. Raises what that one says,
        and BadJson."""

        async def ask(federation: Federation, server: ServerName) -> Event:
            body = {
                "room_version": event.version.name,
                "event": event.pdu,
                "invite_room_state": [one.pdu for one in shown],
            }
            target = uri(f"{V2}/invite", event.room_id, event.event_id)
            request = PeerRequest(method="PUT", uri=target, body=encode(body), seconds=HANDSHAKE_SECONDS)
            try:
                answer = await federation.ask(server, request)
            except Refused as error:
                if not _is_unknown(error) or event.version.event_id_format is not EventIdFormat.CHOSEN:
                    raise
                unsigned = {"invite_room_state": [strip(one) for one in shown]}
                first = replace(
                    request,
                    uri=uri(f"{V1}/invite", event.room_id, event.event_id),
                    body=encode({**event.pdu, "unsigned": unsigned}),
                )
                answer = await federation.ask(server, first)
            return _signed_invite(event, answer.get("event"), server)

        return await self._of_any([server], ask)

    async def exchange(self, server: ServerName, room_id: RoomId, pdu: Mapping[str, Any]) -> None:
        """Lets a server invite a user of this one, who was invited by an address. Raises what that one says."""

        async def ask(federation: Federation, server: ServerName) -> None:
            await federation.put(server, uri(f"{V1}/exchange_third_party_invite", room_id), pdu)

        await self._of_any([server], ask)

    async def _template(
        self, federation: Federation, server: ServerName, membership: str, wish: Wish
    ) -> tuple[Event, bool]:
        """The user's membership, made of what a server hands out for it, completed and signed; and whether that named
        the room's version."""
        versions = [("ver", name) for name in ROOM_VERSIONS] if membership != "leave" else []
        answer = await federation.get(
            server, uri(f"{V1}/make_{membership}", wish.room_id, wish.user_id, query=versions)
        )
        template = answer.get("event")
        version = ROOM_VERSIONS.get(str(answer.get("room_version") or _presumed(template)))
        if version is None or not isinstance(template, dict):
            raise BadAnswer("there is no event, or one of an unknown room version")
        said = template.get("content")
        vouches = said.get(VOUCHER) if isinstance(said, dict) else None
        mine = {**wish.content, "membership": membership}
        if membership == "join" and isinstance(vouches, str):
            mine[VOUCHER] = vouches
        # Only what the other server must know goes over: who authorizes it, and what lies before it.
        taken = {name: template.get(name) for name in ("auth_events", "prev_events", "depth")}
        pdu = {
            **taken,
            "type": MEMBER,
            "room_id": wish.room_id,
            "sender": wish.user_id,
            "state_key": wish.user_id,
            "content": mine,
            "origin_server_ts": self._clock.now_ms(),
        }
        try:
            return complete(pdu, version, self._here, self._key), bool(answer.get("room_version"))
        except MatrixError as error:
            raise BadAnswer(f"the event cannot be completed: {error.message}") from None

    async def _hand_over(self, federation: Federation, server: ServerName, path: str, event: Event) -> dict[str, Any]:
        request = PeerRequest(
            method="PUT", uri=uri(path, event.room_id, event.event_id), body=event.encoded, seconds=HANDSHAKE_SECONDS
        )
        return await _either(federation, server, request)

    async def _of_any(
        self, servers: Sequence[ServerName], ask: Callable[[Federation, ServerName], Coroutine[Any, Any, T]]
    ) -> T:
        """What the first of the servers answers that takes it."""
        if self._federation is None:
            raise NotFound("This server does not talk with others")
        failure: MatrixError = NotFound("No server is known that could let you in")
        others = [server for server in dict.fromkeys(servers) if server != self._here]
        for server in others[:MOST_ASKED]:
            try:
                return await ask(self._federation, server)
            except RemoteFailed as error:
                log.info("a server does not take a membership", server=server, reason=str(error))
                failure = _meaning(error, failure)
        raise failure


async def _either(federation: Federation, server: ServerName, request: PeerRequest) -> dict[str, Any]:
    """The answer to a request of the second version, or of the first where a server knows no other."""
    try:
        return await federation.ask(server, request)
    except Refused as error:
        if not _is_unknown(error) or not request.uri.startswith(V2):
            raise
        return await federation.ask(server, replace(request, uri=V1 + request.uri.removeprefix(V2)))


def _presumed(template: object) -> str:
    """The version of a room where it is not told: the first; or the first of those that refer to events by their ids
    alone where the template does, which the create event has to confirm."""
    cited = template.get("auth_events") if isinstance(template, dict) else None
    return FIRST_WITH_IDS if isinstance(cited, list) and any(isinstance(one, str) for one in cited) else "1"


def _version_in(state: Sequence[object]) -> object:
    """The version that the create event of a state names; None where there is none, which fails elsewhere."""
    for pdu in state:
        if isinstance(pdu, dict) and pdu.get("type") == CREATE[0] and isinstance(pdu.get("content"), dict):
            return pdu["content"].get("room_version", "1")
    return None


def _is_unknown(error: Refused) -> bool:
    """Whether a server does not know the operation."""
    return error.status in (404, 405) and (error.errcode == "M_UNRECOGNIZED" or not error.content)


def _signed_by_both(event: Event, answered: object) -> Event:
    """The event as the other server gives it back, if that differs by signatures only (traps.md 26)."""
    if not isinstance(answered, dict):
        return event
    try:
        signed = event_from_pdu(answered, event.version)
    except MatrixError:
        return event
    signatures = event.pdu["signatures"]
    if signed.event_id != event.event_id or {**signed.pdu, "signatures": signatures} != event.pdu:
        return event
    return Event(event.version, event.event_id, event.room_id, {**event.pdu, "signatures": _both(signed, event)})


def _signed_invite(event: Event, answered: object, server: ServerName) -> Event:
    """The invite with the signature of the invited user's server. Raises BadJson where that gives back no event of the
    room's version, and BadAnswer where it has not signed."""
    try:
        event_from_pdu(answered, event.version)
    except MatrixError as error:
        raise BadJson(f"The invited user's server gives back no event: {error.message}") from None
    signed = _signed_by_both(event, answered)
    if server not in signed.pdu["signatures"]:
        raise BadAnswer("event: the invite is not signed by the invited user's server")
    return signed


def _both(signed: Event, event: Event) -> dict[str, Any]:
    """The signatures of the answer, with those that we had as they were: its server's may be among them."""
    ours = event.pdu["signatures"]
    theirs = {name: made for name, made in signed.pdu["signatures"].items() if isinstance(made, dict)}
    return {name: {**theirs.get(name, {}), **ours.get(name, {})} for name in {**theirs, **ours}}


def _meaning(error: RemoteFailed, before: MatrixError) -> MatrixError:
    """What a failure means to the user: what a server says counts more than that one is away."""
    if not isinstance(error, Refused) or error.temporary or error.status == UNAUTHORIZED:
        return before if isinstance(before, Told) else BadGateway("The other server does not answer as it should")
    if error.errcode == "M_INCOMPATIBLE_ROOM_VERSION":
        return IncompatibleRoomVersion(room_version=str(error.content.get("room_version", ""))[:32])
    return Told(error)


def is_membership(event: Event, membership: str) -> bool:
    """Whether an event gives somebody this membership."""
    return event.type == MEMBER and event.is_state and Member(event.content).membership == membership
