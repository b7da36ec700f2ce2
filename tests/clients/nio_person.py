"""A person with matrix-nio in their hands, for the plays of this folder.

The verbs are what one sees people do: `alice.says(room, "Good morning")`, `await bob.hears(room, "Good morning")`.
Every verb insists on the client's word for success, every `sees_...` waits for the client's own sync loop to bring it.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import nio
from nio.responses import RegisterInteractiveResponse

PASSWORD = "correct horse battery staple"
PATIENCE_SECONDS = 15.0
NO_STAGE_YET = {"session": ""}  # matrix-nio turns an empty dictionary into the dummy stage itself


class Person:
    """One account on one device.

    `heard` holds (room, sender, text) in the order in which the loop brought them, `left` the rooms that it brought as
    left: matrix-nio itself makes nothing of those.
    """

    def __init__(self, url: str, name: str) -> None:
        self.name = f"{name}-{secrets.token_hex(4)}"
        self.heard: list[tuple[str, str, str]] = []
        self.left: set[str] = set()
        self._loop: asyncio.Task[None] | None = None
        self.use(nio.AsyncClient(url, self.name))

    def use(self, client: nio.AsyncClient) -> None:
        """Takes a client into their hands."""
        self.client = client
        client.add_event_callback(self._remember, nio.RoomMessageText)
        client.add_response_callback(self._notice_what_ended, nio.SyncResponse)
        client.add_response_callback(self._give_up, nio.SyncError)

    @property
    def id(self) -> str:
        """The full user id, known once the person has logged in."""
        return str(self.client.user_id)

    async def registers(self) -> None:
        """First learns from the server's 401 what it asks for, then does that one stage: m.login.dummy."""
        offer = await self.client.register_interactive(self.name, PASSWORD, NO_STAGE_YET)
        assert isinstance(offer, RegisterInteractiveResponse), offer
        assert "m.login.dummy" in offer.stages
        done = await self.client.register(self.name, PASSWORD, session_token=offer.session)
        assert isinstance(done, nio.RegisterResponse), done

    async def logs_in(self) -> None:
        """Logs in by password, which makes a new device."""
        offer = await self.client.login_info()
        assert isinstance(offer, nio.LoginInfoResponse), offer
        assert "m.login.password" in offer.flows
        self.client.device_id = ""
        done = await self.client.login(PASSWORD, device_name="the stage")
        assert isinstance(done, nio.LoginResponse), done
        assert await self.whoami() == self.id

    async def whoami(self) -> str:
        """Whose token the server takes this one for."""
        answer = await self.client.whoami()
        assert isinstance(answer, nio.WhoamiResponse), answer
        return str(answer.user_id)

    def listens(self) -> None:
        """Starts the client's own endless sync loop."""
        self._loop = asyncio.create_task(self.client.sync_forever(timeout=10_000))

    async def goes_offline(self) -> str:
        """Stops listening; returns the token up to which everything has been seen."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
            self._loop = None
        return str(self.client.next_batch)

    async def is_shown_out(self, *, within: float) -> str:
        """Waits until the server ends the loop with an error, for so many seconds; returns what the error says."""
        assert self._loop is not None, f"{self.name} does not listen"
        await asyncio.wait({self._loop}, timeout=within)
        assert self._loop.done(), f"{self.name} still listens"
        return str(self._loop.exception())

    async def leaves_the_stage(self) -> None:
        """Closes whatever is open, so that nothing outlives the play."""
        await self.goes_offline()
        await self.client.close()

    async def creates_room(self, *, name: str, invite: tuple[str, ...] = ()) -> str:
        """A private room; returns its id."""
        answer = await self.client.room_create(name=name, invite=invite, preset=nio.RoomPreset.private_chat)
        assert isinstance(answer, nio.RoomCreateResponse), answer
        return str(answer.room_id)

    async def invites(self, other: "Person", room: str) -> None:
        """Invites by user id."""
        answer = await self.client.room_invite(room, other.id)
        assert isinstance(answer, nio.RoomInviteResponse), answer

    async def joins(self, room: str) -> None:
        """Takes the invitation, and waits until the room is there."""
        answer = await self.client.join(room)
        assert isinstance(answer, nio.JoinResponse), answer
        await self.sees(lambda: room in self.client.rooms, "the joined room")

    async def leaves(self, room: str) -> None:
        """Leaves, or rejects an invitation."""
        answer = await self.client.room_leave(room)
        assert isinstance(answer, nio.RoomLeaveResponse), answer

    async def says(self, room: str, text: str) -> str:
        """Sends a text message; returns the event's id."""
        content = {"msgtype": "m.text", "body": text}
        answer = await self.client.room_send(room, "m.room.message", content)
        assert isinstance(answer, nio.RoomSendResponse), answer
        return str(answer.event_id)

    async def redacts(self, room: str, event: str, reason: str) -> str:
        """Takes an event back; returns the id of the redaction."""
        answer = await self.client.room_redact(room, event, reason)
        assert isinstance(answer, nio.RoomRedactResponse), answer
        return str(answer.event_id)

    async def types(self, room: str, *, typing: bool = True) -> None:
        """Starts or stops the typing notice."""
        answer = await self.client.room_typing(room, typing, timeout=10_000)
        assert isinstance(answer, nio.RoomTypingResponse), answer

    async def reads(self, room: str, event: str) -> None:
        """Sends a public read receipt."""
        answer = await self.client.update_receipt_marker(room, event)
        assert isinstance(answer, nio.UpdateReceiptMarkerResponse), answer

    async def pages_back(self, room: str, start: str, limit: int) -> nio.RoomMessagesResponse:
        """One page of history, newest first."""
        answer = await self.client.room_messages(room, start, limit=limit)
        assert isinstance(answer, nio.RoomMessagesResponse), answer
        return answer

    async def syncs(self, since: str | None = None, sync_filter: dict[str, Any] | None = None) -> nio.SyncResponse:
        """One sync by hand, which does not wait."""
        answer = await self.client.sync(timeout=0, sync_filter=sync_filter, since=since)
        assert isinstance(answer, nio.SyncResponse), answer
        return answer

    def knows_read(self, room: str, reader: "Person") -> set[str]:
        """The events up to which the reader has read, as far as this client knows: in the room and in its threads."""
        seen = self.client.rooms[room]
        receipts = [seen.read_receipts.get(reader.id), *seen.threaded_read_receipts.get(reader.id, {}).values()]
        return {receipt.event_id for receipt in receipts if receipt is not None}

    async def hears(self, room: str, sender: "Person", text: str) -> None:
        """Waits until the sync loop brought that message."""
        await self.sees(lambda: (room, sender.id, text) in self.heard, f"{text!r} from {sender.name}")

    async def sees(self, there: Callable[[], bool], what: str) -> None:
        """Waits until the condition holds, and says what was missed when it does not come to hold."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not there():
                    self._insist_on_listening()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{self.name} never saw {what}; heard {self.heard}") from None

    def _insist_on_listening(self) -> None:
        """A loop that broke down says why, instead of letting the person wait in vain."""
        assert self._loop is not None, f"{self.name} does not listen"
        if self._loop.done():
            self._loop.result()

    def _remember(self, room: nio.MatrixRoom, event: nio.RoomMessageText) -> None:
        self.heard.append((room.room_id, event.sender, event.body))

    async def _give_up(self, error: nio.SyncError) -> None:
        """Ends the loop; matrix-nio itself would ask again at once, and for ever."""
        raise AssertionError(f"the sync of {self.name} failed: {error}")

    async def _notice_what_ended(self, sync: nio.SyncResponse) -> None:
        self.left.update(sync.rooms.leave)
