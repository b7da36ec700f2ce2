"""Plays for people who use matrix-nio and encrypt: the devices of the others read what they say, and no server."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import nio

from tests.clients.nio_person import Person
from tests.clients.nio_stage import granted, share_a_room

ENCRYPTION = {"algorithm": "m.megolm.v1.aes-sha2"}


class SecretPerson(Person):
    """A person whose client encrypts, with keys that it keeps in a folder."""

    def __init__(self, url: str, name: str, store: Path) -> None:
        super().__init__(url, name)
        self.name = name
        store.mkdir(parents=True, exist_ok=True)
        config = nio.AsyncClientConfig(encryption_enabled=True)
        self.use(nio.AsyncClient(url, name, store_path=str(store), config=config))

    async def encrypts(self, room: str) -> None:
        """Turns encryption on in a room."""
        granted(await self.client.room_put_state(room, "m.room.encryption", ENCRYPTION), nio.RoomPutStateResponse)

    async def says(self, room: str, text: str) -> str:
        """Sends a text; in an encrypted room to all devices, verified or not."""
        content = {"msgtype": "m.text", "body": text}
        answer = await self.client.room_send(room, "m.room.message", content, ignore_unverified_devices=True)
        return str(granted(answer, nio.RoomSendResponse).event_id)


@asynccontextmanager
async def secret_people(url: str, folder: Path, *names: str) -> AsyncIterator[list[SecretPerson]]:
    """Persons of these names: registered, logged in, and listening."""
    async with AsyncExitStack() as stage:
        persons = []
        for name in names:
            plain = Person(url, name)
            await plain.registers()
            await plain.client.close()
            persons.append(await stage.enter_async_context(_device(url, plain.name, folder / name)))
        yield persons


@asynccontextmanager
async def _device(url: str, name: str, store: Path) -> AsyncIterator[SecretPerson]:
    person = SecretPerson(url, name, store)
    try:
        await person.logs_in()
        person.listens()
        yield person
    finally:
        await person.leaves_the_stage()


async def test_what_is_said_in_secret_is_heard_by_those_in_the_room(server_url: str, tmp_path: Path) -> None:
    """Alice and Bob talk; Carol comes in and hears what is said from then on, and Bob's other device as well."""
    async with secret_people(server_url, tmp_path, "alice", "bob", "carol") as (alice, bob, carol):
        room = await share_a_room(alice, bob)
        await alice.encrypts(room)
        for person in (alice, bob):
            await person.sees(lambda person=person: person.client.rooms[room].encrypted, "encryption")  # type: ignore[misc]
        sent = await alice.says(room, "Psst")
        await bob.hears(room, alice, "Psst")
        stored = granted(await bob.client.room_get_event(room, sent), nio.RoomGetEventResponse)
        assert stored.event.decrypted
        await bob.says(room, "I hear you")
        await alice.hears(room, bob, "I hear you")
        await alice.invites(carol, room)
        await carol.sees(lambda: room in carol.client.invited_rooms, "the invitation")
        await carol.joins(room)
        await alice.sees(lambda: carol.id in alice.client.rooms[room].users, "Carol")
        await alice.says(room, "Welcome, Carol")
        for person in (bob, carol):
            await person.hears(room, alice, "Welcome, Carol")
        async with _device(server_url, bob.name, tmp_path / "other") as other:
            await other.sees(lambda: room in other.client.rooms, "the room")
            await alice.sees(lambda: other.client.device_id in alice.client.device_store[bob.id], "Bob's new device")
            await alice.says(room, "To both of you")
            for device in (bob, other):
                await device.hears(room, alice, "To both of you")
