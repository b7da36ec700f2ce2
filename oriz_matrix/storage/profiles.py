"""Profiles of this server's users: fields that hold any JSON. Source: client-server API, "Profiles"."""

from collections.abc import Sequence

import msgspec

from oriz_matrix.protocol import canonical
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import UserNid


def get(tx: Transaction, user: UserNid) -> dict[str, object]:
    """All fields of a user's profile."""
    sql = "SELECT field, value FROM profile_fields WHERE user_nid = :user"
    return {field: msgspec.json.decode(value) for field, value in tx.rows(sql, user=user)}


def of_users(tx: Transaction, users: Sequence[UserNid], field: str) -> dict[UserNid, object]:
    """One field of several users; who has none is left out."""
    sql = "SELECT user_nid, value FROM profile_fields WHERE user_nid = ANY(:users) AND field = :field"
    return {user: msgspec.json.decode(value) for user, value in tx.rows(sql, users=users, field=field)}


def lock(tx: Transaction, user: UserNid) -> None:
    """Lets one change of a profile wait for the other: for who decides on the whole of it."""
    tx.lock(f"profile {user}")


def put(tx: Transaction, user: UserNid, field: str, value: object) -> None:
    """Sets one field to a JSON value."""
    sql = """
        INSERT INTO profile_fields (user_nid, field, value) VALUES (:user, :field, :value)
        ON CONFLICT (user_nid, field) DO UPDATE SET value = EXCLUDED.value
    """
    tx.run(sql, user=user, field=field, value=canonical.encode(value))


def remove(tx: Transaction, user: UserNid, field: str) -> bool:
    """Removes one field; whether it was there."""
    return tx.run("DELETE FROM profile_fields WHERE user_nid = :user AND field = :field", user=user, field=field) > 0
