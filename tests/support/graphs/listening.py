"""A client that listens to one room by /sync all along, and pages for what lies before a limited timeline."""

from oriz_matrix.protocol.identifiers import EventId
from tests.scenarios.truth import same
from tests.support.graphs.expected import Story
from tests.support.homeserver import Json
from tests.support.people import RoomUpdate, User, ids


class Listener:
    """heard: the events in the order in which they came; state: as it is rebuilt."""

    def __init__(self, user: User, timeline: Json, *, after: bool = False) -> None:
        self.user = User(user.server, {"user_id": user.id, "device_id": "listener", "access_token": user.token})
        self.heard: list[str] = []
        self.state: dict[tuple[str, str], str] = {}
        self._query: Json = {"filter": {"room": {"timeline": timeline}}, "use_state_after": after}
        self._room_id = ""

    async def begin(self, room_id: str) -> None:
        """The first sync: what was before is history."""
        self._room_id = room_id
        update = (await self.user.sync(**self._query)).joined(room_id)
        history = await self.user.messages(room_id, "b", limit=100)
        self.heard = ids(history["chunk"])[::-1]
        self._rebuild(update)

    async def hear(self) -> None:
        """One more sync."""
        since = self.user.since
        update = (await self.user.sync(**self._query)).joined(self._room_id)
        if update.limited:
            gap = await self.user.history(self._room_id, "b", from_=update.prev_batch, to=since, limit=50)
            self.heard += ids(gap)[::-1]
        self.heard += ids(update.timeline)
        self._rebuild(update)

    def _rebuild(self, update: RoomUpdate) -> None:
        in_timeline = [] if update.has_state_after else [event for event in update.timeline if "state_key" in event]
        for event in update.state + in_timeline:
            self.state[event["type"], event["state_key"]] = event["event_id"]

    def check(self, story: Story) -> None:
        """It has heard of each accepted event once and in order, of no other, and knows the state."""
        assert len(self.heard) == len(set(self.heard)), "heard twice"
        visible = story.visible()
        unsure = story.undecided | story.late
        heard = [each for each in self.heard if each in story.accepted and each not in unsure]
        same(heard, [each for each in visible if each not in unsure], "what a client heard")
        same({EventId(each) for each in self.heard} & story.hidden, set(), "what no client may hear")
        if self._query["use_state_after"]:  # else a state event of a fork, which lost, is taken for the state
            state = story.graph.merged(story.ends())
            known = {key: each for key, each in self.state.items() if key in state}  # nothing tells that a key is gone
            same(known, state, "the state that a client has rebuilt")
