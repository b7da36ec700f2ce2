"""Relations between events: reading `m.relates_to`, and the rules of threads, edits and bundling.

A relation that does not fit the schema or breaks a rule of its type is ignored, never an error (client-server API,
"Forming relationships between events").
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from oriz_matrix.protocol.errors import InvalidParam
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import EventId, parse_event_id

ANNOTATION: Final = "m.annotation"
REFERENCE: Final = "m.reference"
REPLACE: Final = "m.replace"
THREAD: Final = "m.thread"

MAX_HOPS: Final = 3
"""How many relations are followed to find an event's thread, and by `recurse` (receipts, "Threaded read receipts")."""

_MAX_ID: Final = 255  # characters of a namespaced identifier


@dataclass(frozen=True, slots=True)
class Relation:
    """What `m.relates_to` says of a typed relation; `key` is what an annotation annotates with.

    `is_falling_back` marks a thread's reply that is there only for clients without threads.
    """

    rel_type: str
    event_id: EventId
    key: str | None = None
    is_falling_back: bool = False


def relation(content: Mapping[str, Any]) -> Relation | None:
    """The typed relation in an event's content, None where there is none or it is malformed."""
    relates_to = content.get("m.relates_to")
    if not isinstance(relates_to, Mapping):
        return None
    rel_type = relates_to.get("rel_type")
    event_id = _event_id(relates_to)
    if not isinstance(rel_type, str) or not 0 < len(rel_type) <= _MAX_ID or event_id is None:
        return None
    key = relates_to.get("key")
    return Relation(
        rel_type=rel_type,
        event_id=event_id,
        key=key if isinstance(key, str) else None,
        is_falling_back=relates_to.get("is_falling_back") is True,
    )


def reply_target(content: Mapping[str, Any]) -> EventId | None:
    """The event that this one replies to (`m.in_reply_to`), which needs no `rel_type` ("Rich replies")."""
    relates_to = content.get("m.relates_to")
    return _event_id(relates_to.get("m.in_reply_to")) if isinstance(relates_to, Mapping) else None


def may_root_thread(content: Mapping[str, Any]) -> bool:
    """Whether an event with this content may become the root of a thread.

    The text bars events "with an m.relates_to property" and defines that as one with a `rel_type`, so a reply may.
    """
    return relation(content) is None


def thread_root(
    content: Mapping[str, Any], look_up: Callable[[EventId], Mapping[str, Any] | None], hops: int = MAX_HOPS
) -> EventId | None:
    """The root of the thread that an event is in, None for the main timeline.

    `look_up` gives the content of another event of the same room, None where it is unknown. An event without
    `m.thread` belongs to the thread of what it relates to, over at most `hops` relations (traps.md 38). Roots, and
    what relates to a root otherwise, are in the main timeline; replies are not relations in this sense.
    """
    link = relation(content)
    while link is not None and link.rel_type != THREAD:
        parent = look_up(link.event_id) if hops > 0 else None
        link = None if parent is None else relation(parent)
        hops -= 1
    return None if link is None else link.event_id


def bundled_types(event: Event, *, redacted: bool = False) -> tuple[str, ...]:
    """The relation types whose children are bundled under `unsigned.m.relations` of this event.

    State events get no bundles, annotations are never bundled, and a redacted event shows no edits.
    """
    if event.is_state:
        return ()
    return (REFERENCE, THREAD) if redacted else (REFERENCE, REPLACE, THREAD)


def is_valid_edit(edit: Event, original: Event) -> bool:
    """Whether `edit` validly replaces `original` ("Validity of replacement events")."""
    link = relation(edit.content)
    replaced = relation(original.content)
    return (
        link is not None
        and link.rel_type == REPLACE
        and link.event_id == original.event_id
        and (edit.room_id, edit.sender, edit.type) == (original.room_id, original.sender, original.type)
        and not edit.is_state
        and not original.is_state
        and (replaced is None or replaced.rel_type != REPLACE)
        and _has_new_content(edit)
    )


def latest_edit(original: Event, edits: Iterable[Event]) -> Event | None:
    """The newest valid edit: by `origin_server_ts`, then by event id.

    The caller passes only edits that the reader may see: not redacted, visible, of nobody ignored (traps.md 45).
    """
    valid = (edit for edit in edits if is_valid_edit(edit, original))
    return max(valid, key=lambda edit: (edit.origin_server_ts, edit.event_id), default=None)


def _has_new_content(edit: Event) -> bool:
    """Encrypted edits carry `m.new_content` where the server cannot see it."""
    return edit.type == "m.room.encrypted" or isinstance(edit.content.get("m.new_content"), Mapping)


def _event_id(reference: Any) -> EventId | None:
    try:
        return parse_event_id(reference.get("event_id"), "event_id") if isinstance(reference, Mapping) else None
    except InvalidParam:
        return None
