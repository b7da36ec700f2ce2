"""Account data: what clients keep here for their user, of a room or (room `GLOBAL`) of the whole account.

Rows are overwritten in place, so a reader may see one newer than the settled position; it then sees it once more.
Source: client-server API, "Client Config".
"""

from typing import NamedTuple

from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, RoomNid, UserNid

GLOBAL = RoomNid(0)


class AccountData(NamedTuple):
    """One piece; the content is JSON."""

    room: RoomNid
    type: str
    content: bytes


def put(tx: Transaction, user: UserNid, data: AccountData) -> None:
    """Stores one piece in place of the one before."""
    lock(tx, user)  # else an older position could overwrite a newer one, and never be read
    sql = """
        INSERT INTO account_data (user_nid, room, type, content, position)
        VALUES (:user, :room, :type, :content, :position)
        ON CONFLICT (user_nid, room, type) DO UPDATE SET content = EXCLUDED.content, position = EXCLUDED.position
    """
    tx.run(sql, user=user, **data._asdict(), position=tx.position())


def lock(tx: Transaction, user: UserNid) -> None:
    """Lets one change of a user's account data wait for the other."""
    tx.lock(f"account data {user}")


def get(tx: Transaction, user: UserNid, room: RoomNid, kind: str) -> bytes | None:
    """The content of one piece."""
    sql = "SELECT content FROM account_data WHERE user_nid = :user AND room = :room AND type = :type"
    content: bytes | None = tx.value(sql, user=user, room=room, type=kind)
    return content


def stored(tx: Transaction, user: UserNid, room: RoomNid, kind: str) -> tuple[bytes, Position] | None:
    """The content of one piece, and when it was stored."""
    sql = "SELECT content, position FROM account_data WHERE user_nid = :user AND room = :room AND type = :type"
    row = tx.one(sql, user=user, room=room, type=kind)
    return None if row is None else (row[0], row[1])


def of_user(tx: Transaction, user: UserNid) -> list[AccountData]:
    """Everything, of all rooms and of the account."""
    sql = "SELECT room, type, content FROM account_data WHERE user_nid = :user ORDER BY position"
    return [AccountData(*row) for row in tx.rows(sql, user=user)]


def changed(tx: Transaction, user: UserNid, after: Position, upto: Position) -> list[AccountData]:
    """What was stored after one position and up to another."""
    sql = """
        SELECT room, type, content FROM account_data
        WHERE user_nid = :user AND position > :after AND position <= :upto ORDER BY position
    """
    return [AccountData(*row) for row in tx.rows(sql, user=user, after=after, upto=upto)]
