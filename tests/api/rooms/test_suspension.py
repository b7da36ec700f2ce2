"""Suspended accounts: they see everything, leave, take back what they said, and do nothing else in rooms."""

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage import accounts
from oriz_matrix.storage.accounts import Flags
from tests.support.homeserver import Home, User, refused, texts


async def suspend(home: Home, user: User) -> None:
    """What an administrator does."""
    server = home.server.server
    account = await server.database.read(accounts.find, UserId(user.id))
    assert account is not None
    await server.database.write(accounts.set_flags, account.user, Flags(is_suspended=True))
    await server.changes.catch_up()


async def test_trap_39_what_is_shut_and_what_stays_open(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    other, third = [await alice.create_room(preset="public_chat", invite=[bob.id]) for _ in range(2)]
    await bob.join(room)
    own, others = await bob.say(room, "mine"), await alice.say(room, "yours")
    levels = await alice.state(room, "m.room.power_levels")
    await alice.set_state(room, "m.room.power_levels", {**levels, "users": {bob.id: 100}})
    await suspend(home, bob)
    for attempt in (
        bob.create_room(),
        bob.say(room, "again"),
        bob.set_state(room, "m.room.topic", {"topic": "mine"}),
        bob.set_member(room, alice, "ban"),
        bob.set_member(room, bob, "join", displayname="Bobby"),
        bob.invite(room, alice),
        bob.join(other),
        bob.knock(other),
        bob.moderate(room, "kick", alice),
        bob.moderate(room, "ban", alice),
        bob.upgrade(room, "12"),
        bob.redact(room, others),
        bob.send(room, "m.room.redaction", {"redacts": others}),
    ):
        with refused(403, "M_USER_SUSPENDED"):
            await attempt
    assert texts((await bob.messages(room))["chunk"]) == ["yours", "mine"]
    assert (await bob.sync()).joined(room).texts == ["mine", "yours"]
    await bob.redact(room, own)
    await bob.leave(third)
    await bob.leave(room)
