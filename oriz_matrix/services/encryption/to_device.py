"""Messages from device to device, here and elsewhere. Client-server API, "Send-to-Device messaging"."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.errors import InvalidParam
from oriz_matrix.protocol.identifiers import ServerName, UserId, byte_length, domain_of
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.encryption.answers import parse_users
from oriz_matrix.services.outgoing import Outgoing
from oriz_matrix.storage import outbox, to_device
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.outbox import Edu
from oriz_matrix.storage.to_device import Message
from oriz_matrix.storage.transaction import Transaction

MAX_TYPE_BYTES = 255
MAX_TXN_ID_BYTES = 255

Contents = Mapping[UserId, Mapping[str, Mapping[str, Any]]]


class ToDevice:
    """Sends messages of this server's users."""

    def __init__(
        self, db: Database, changes: Changes, outgoing: Outgoing, clock: Clock, ids: Ids, server_name: ServerName
    ) -> None:
        self._db = db
        self._changes = changes
        self._outgoing = outgoing
        self._clock = clock
        self._ids = ids
        self._server_name = server_name

    async def send(
        self, requester: Requester, kind: str, txn_id: str, messages: Mapping[str, Mapping[str, Mapping[str, Any]]]
    ) -> None:
        """Sends contents by user and device, where `*` is every device. The same transaction id sends once."""
        _require_short("eventType", kind, MAX_TYPE_BYTES)
        _require_short("txnId", txn_id, MAX_TXN_ID_BYTES)
        users = parse_users(messages, "messages")
        by_server: dict[ServerName, dict[UserId, Mapping[str, Mapping[str, Any]]]] = {}
        for user_id, contents in users.items():
            by_server.setdefault(domain_of(user_id), {})[user_id] = contents
        ours = by_server.pop(self._server_name, {})
        sending = _Sending(
            # Without a device of its own, as appservices are, a session is the scope.
            scope=f"{requester.device or f'session {requester.session}'} {kind}",
            txn_id=txn_id,
            message=Message(requester.user_id, kind, ours),
            remote={server: self._edu(requester, kind, theirs) for server, theirs in by_server.items()},
        )
        if await self._db.write(_send, sending, self._clock.now_ms()):
            self._changes.poke()
            self._outgoing.servers(sending.remote)

    def _edu(self, requester: Requester, kind: str, contents: Contents) -> Edu:
        message_id = self._ids.message_id()
        content = {"sender": requester.user_id, "type": kind, "message_id": message_id, "messages": contents}
        return Edu("m.direct_to_device", f"message {message_id}", content)


class _Sending(NamedTuple):
    """A message to be sent: within which scope its transaction id holds, and what goes to other servers."""

    scope: str
    txn_id: str
    message: Message
    remote: Mapping[ServerName, Edu]


def _send(tx: Transaction, sending: _Sending, now_ms: int) -> bool:
    """Whether the message was not sent before."""
    if not to_device.take(tx, sending.scope, sending.txn_id, now_ms):
        return False
    for server, edu in sending.remote.items():
        outbox.add_edus(tx, [server], [edu])
    to_device.deliver(tx, sending.message)
    return True


def _require_short(name: str, text: str, limit: int) -> None:
    if byte_length(text) > limit:
        raise InvalidParam(f"{name}: longer than {limit} bytes")
