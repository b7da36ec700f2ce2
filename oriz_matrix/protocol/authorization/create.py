"""The rule for m.room.create, which depends on nothing but the event."""

from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import domain_of, is_user_id
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS


def check_create(event: Event) -> None:
    """Raise Forbidden unless the event may start a room of its version."""
    if event.prev_event_ids:
        raise Forbidden("m.room.create: there are events before it")
    _check_room_id(event)
    content = event.content
    if "room_version" in content and not _is_known_version(content["room_version"]):
        raise Forbidden("m.room.create: the room version is not known")
    if event.version.creator_in_content and "creator" not in content:
        raise Forbidden("m.room.create: creator is missing")
    if event.version.privileged_creators and "additional_creators" in content:
        _check_additional_creators(content["additional_creators"])


def _check_room_id(event: Event) -> None:
    if event.version.room_id_is_create_hash:
        if "room_id" in event.pdu:
            raise Forbidden("m.room.create: room_id must be absent, it is the event's own hash")
    elif domain_of(event.room_id) != domain_of(event.sender):
        raise Forbidden("m.room.create: the room id is not of the sender's server")


def _is_known_version(name: object) -> bool:
    return isinstance(name, str) and name in ROOM_VERSIONS


def _check_additional_creators(creators: object) -> None:
    if not isinstance(creators, list) or not all(isinstance(c, str) and is_user_id(c) for c in creators):
        raise Forbidden("m.room.create: additional_creators is not a list of user ids")
