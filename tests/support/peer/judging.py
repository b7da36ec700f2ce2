"""A room that a peer holds as an honest server would: what the rules of the room forbid changes no state."""

from collections.abc import Collection

from oriz_matrix.protocol.authorization import auth_keys_of, check_auth_events, check_with_state
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_contents import CREATE
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId
from tests.support.peer.room import PeerRoom, State


class JudgingRoom(PeerRoom):
    """refused: what was rejected, and why. It says nothing of soft failure, which is each server's own."""

    refused: dict[EventId, str]

    def add(self, event: Event) -> None:
        """Takes an event into the graph; where it is rejected, it leaves the state as it was."""
        if not hasattr(self, "refused"):
            self.refused = {}
        before = self.state([each for each in event.prev_event_ids if each in self.after])
        super().add(event)
        try:
            self._check(event, before)
        except Forbidden as error:
            self.refused[event.event_id] = error.message
            self.after[event.event_id] = before

    def rejected(self, ids: Collection[EventId]) -> Collection[EventId]:
        """For state resolution."""
        return {each for each in ids if each in self.refused}

    def _check(self, event: Event, before: State) -> None:
        if event.type == CREATE[0]:
            return
        cited = [self.known[each] for each in event.auth_event_ids]
        by_auth = check_auth_events(event, cited, self.refused)
        check_with_state(event, {CREATE: self.known[self._create_id()], **by_auth})
        wanted: list[StateKey] = [CREATE, *auth_keys_of(event)]
        check_with_state(event, {key: self.known[before[key]] for key in wanted if key in before})

    def _create_id(self) -> EventId:
        return next(each for each, event in self.known.items() if event.type == CREATE[0])
