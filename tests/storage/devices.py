"""A part of the day that is recorded: what people do with keys and devices, and what is done about those elsewhere."""

from oriz_matrix.protocol.encryption import Device, PublicKey, Signature, Usage, UserKeys
from oriz_matrix.protocol.identifiers import DeviceId, ServerName
from oriz_matrix.storage import (
    device_keys,
    device_lists,
    device_updates,
    interning,
    remote_devices,
    rooms,
    servers,
    to_device,
)
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.dialects import Dialect
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position
from tests.storage import seeding
from tests.support.people import User


async def encrypt(room: str, alice: User, bob: User) -> None:
    """Two people upload, query and claim keys, and send messages to devices."""
    since = bob.since
    another = await alice.log_in_again()
    for person in (alice, bob, another):
        keys = {"user_id": person.id, "device_id": person.device_id, "algorithms": [], "keys": {}}
        for text in ("one", "other"):
            once = {f"curve25519:{text}": text}
            body = {"device_keys": {**keys, text: 1}, "one_time_keys": once, "fallback_keys": {"curve25519:f": text}}
            await person.request("POST", "/v3/keys/upload", body)
    await bob.request("POST", "/v3/keys/query", {"device_keys": {alice.id: [], bob.id: []}})
    for _ in range(3):
        wanted = {"one_time_keys": {alice.id: {alice.device_id: "curve25519"}}}
        await bob.request("POST", "/v3/keys/claim", wanted)
    for txn_id in ("1", "1", "2"):
        await alice.request("PUT", f"/v3/sendToDevice/m.x/{txn_id}", {"messages": {bob.id: {"*": {}}}})
    await bob.sync()
    await bob.sync()
    await alice.leave(room)
    await bob.request("GET", "/v3/keys/changes", from_=since, to=since)
    await alice.join(room)
    await bob.sync()
    await another.request("POST", "/v3/logout", {})
    await bob.sync()


def elsewhere(dialect: Dialect) -> None:
    """What is done about devices of users elsewhere, and to tell other servers; for that people of here will do."""
    with dialect.session() as session, session.transaction():
        tx = Transaction(session, Caches())
        name = rooms.find(tx, seeding.room_id(5))
        assert name is not None
        users = seeding.CROWD[:30]
        user, server = interning.user(tx, users[1]), ServerName("elsewhere.test")
        device_keys.put_cross_signing(tx, user, {Usage.MASTER: PublicKey("key", {"keys": {"ed25519:key": "key"}})})
        device_keys.add_signatures(tx, [Signature(users[1], "D", users[1], "ed25519:x", "y")])
        device_updates.announce(tx, user, [DeviceId("D")])
        device_updates.announce_signing_keys(tx, user, [Usage.MASTER])
        device_updates.tell_new_server(tx, name.nid, server)
        device_updates.tell_of_newcomer(tx, name.nid, user)
        remote_devices.known(tx, users)
        remote_devices.learn(tx, users[1], device_lists.get(tx, user), UserKeys({DeviceId("D"): Device({})}), 7)
        remote_devices.put(tx, user, DeviceId("D"), Device({}))
        remote_devices.has(tx, user, DeviceId("D"))
        device_lists.mark_stale(tx, user, server)
        device_lists.stale(tx, server, 10)
        device_lists.forget(tx, user)
        servers.count(tx, name.nid, {server: 1})
        servers.came_with(tx, name.nid, server, user)
        to_device.forget_ids(tx, Position(2**40))
