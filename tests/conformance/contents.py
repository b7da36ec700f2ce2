"""Contents that the server reads the inside of: how each comes in, how it should look, and all the ways to be wrong.

Whatever stands in a content is replaced by wrong things, and wrong names are put beside all names (`hostile`).
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.conformance.hostile import VALUES

Json = dict[str, Any]
Place = tuple[str | int, ...]
RELATIONS = ("m.thread", "m.replace", "m.annotation", "m.reference")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A request with a content, where `{alice}`, `{bob}`, `{room}`, `{alias}`, `{event}` and `{domain}` stand for ids.

    version: of the room; then: a request whose answer shows what became of the content, `{answer}` the first one's.
    """

    method: str = "PUT"
    path: str
    good: Json
    version: str = "12"
    then: str = ""


def _state(kind: str, good: Json, state_key: str = "", version: str = "12") -> Subject:
    return Subject(path=f"/rooms/{{room}}/state/{kind}/{state_key}", good=good, version=version)


def _message(good: Json, kind: str = "m.room.message") -> Subject:
    return Subject(path=f"/rooms/{{room}}/send/{kind}/{{txn}}", good=good)


LEVELS: Json = {
    "users": {"{bob}": 50, "@nobody:elsewhere.invalid": -1},
    "events": {"m.room.name": 50},
    "users_default": 0,
    "events_default": 0,
    "state_default": 50,
    "ban": 50,
    "kick": 50,
    "redact": 50,
    "invite": 0,
    "notifications": {"room": 50},
}
ALLOW: Json = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": "{room}"}]}
ACL: Json = {"allow": ["*"], "deny": ["*.evil.invalid"], "allow_ip_literals": False}
MEMBER: Json = {
    "membership": "join",
    "displayname": "Alice",
    "avatar_url": "mxc://example.org/a",
    "reason": "none",
    "is_direct": True,
    "join_authorised_via_users_server": "{alice}",
    "third_party_invite": {"display_name": "A", "signed": {"mxid": "{alice}", "token": "t", "signatures": {"a": {}}}},
}
EVENTS: Json = {"limit": 10, "types": ["m.*"], "not_types": [], "senders": ["{bob}"], "not_senders": ["@a:b"]}
FILTER: Json = {
    "event_fields": ["content.body"],
    "event_format": "client",
    "account_data": EVENTS,
    "presence": EVENTS,
    "room": {
        "rooms": ["{room}"],
        "not_rooms": [],
        "include_leave": True,
        "state": {**EVENTS, "lazy_load_members": True},
        "timeline": {**EVENTS, "contains_url": False, "unread_thread_notifications": True},
        "ephemeral": EVENTS,
        "account_data": EVENTS,
    },
}
CONDITIONS: list[Json] = [
    {"kind": "event_match", "key": "content.body", "pattern": "t*a"},
    {"kind": "event_property_is", "key": r"content.m\.mentions.room", "value": True},
    {"kind": "event_property_contains", "key": r"content.m\.mentions.user_ids", "value": "{bob}"},
    {"kind": "room_member_count", "is": ">=2"},
    {"kind": "sender_notification_permission", "key": "room"},
    {"kind": "contains_display_name"},
]
CREATION: Json = {
    "creation_content": {"m.federate": False, "additional_creators": ["{bob}"], "type": "m.space", "predecessor": {}},
    "initial_state": [{"type": "m.room.topic", "state_key": "", "content": {"topic": "tea"}}],
    "power_level_content_override": {**LEVELS, "users": {"{alice}": 100}},
    "invite": ["{bob}"],
    "invite_3pid": [],
    "room_version": "11",
    "preset": "trusted_private_chat",
}

SUBJECTS: dict[str, Subject] = {
    **{
        f"relation {kind}": _message(
            {
                "msgtype": "m.text",
                "body": "tea for bob",
                "m.relates_to": {
                    "rel_type": kind,
                    "event_id": "{event}",
                    "key": "+1",
                    "is_falling_back": True,
                    "m.in_reply_to": {"event_id": "{event}"},
                },
                "m.new_content": {"body": "tea", "m.mentions": {"user_ids": ["{bob}"]}},
            }
        )
        for kind in RELATIONS
    },
    "mentions": _message({"msgtype": "m.text", "body": "tea", "m.mentions": {"user_ids": ["{bob}"], "room": True}}),
    "reaction": _message(
        {"m.relates_to": {"rel_type": "m.annotation", "event_id": "{event}", "key": "a"}}, "m.reaction"
    ),
    "redaction": _message({"redacts": "{event}", "reason": "tea"}, "m.room.redaction"),
    "levels": _state("m.room.power_levels", LEVELS),
    "levels of version 1": _state("m.room.power_levels", LEVELS, version="1"),
    "levels of version 9": _state("m.room.power_levels", LEVELS, version="9"),
    "own member": _state("m.room.member", MEMBER, "{alice}"),
    "member": _state("m.room.member", {**MEMBER, "membership": "ban"}, "{bob}", "9"),
    "canonical alias": _state("m.room.canonical_alias", {"alias": "{alias}", "alt_aliases": ["{alias}"]}),
    "join rules": _state("m.room.join_rules", ALLOW),
    "join rules of version 7": _state("m.room.join_rules", ALLOW, version="7"),
    "history visibility": _state("m.room.history_visibility", {"history_visibility": "shared"}),
    "guest access": _state("m.room.guest_access", {"guest_access": "can_join"}),
    "server ACL": _state("m.room.server_acl", ACL),
    "name": _state("m.room.name", {"name": "Tea"}),
    "tombstone": _state("m.room.tombstone", {"body": "gone", "replacement_room": "!a:b"}),
    "child of a space": _state("m.space.child", {"via": ["localhost"], "order": "a", "suggested": True}, "{room}"),
    "third party invite": _state(
        "m.room.third_party_invite",
        {"display_name": "A", "public_key": "a", "key_validity_url": "a", "public_keys": [{"public_key": "a"}]},
        "token",
    ),
    "rule with conditions": Subject(
        path="/pushrules/global/override/odd",
        good={"actions": ["notify", {"set_tweak": "highlight", "value": True}], "conditions": CONDITIONS},
    ),
    "rule with a pattern": Subject(
        path="/pushrules/global/content/odd",
        good={"actions": ["notify", {"set_tweak": "sound", "value": "default"}], "pattern": "t?a*"},
    ),
    "ignored users": Subject(
        path="/user/{alice}/account_data/m.ignored_user_list", good={"ignored_users": {"{bob}": {}, "@a:b": {}}}
    ),
    "direct chats": Subject(path="/user/{alice}/account_data/m.direct", good={"{bob}": ["{room}"]}),
    "tag": Subject(path="/user/{alice}/rooms/{room}/account_data/m.tag", good={"tags": {"u.work": {"order": 0.5}}}),
    "unread mark": Subject(path="/user/{alice}/rooms/{room}/account_data/m.marked_unread", good={"unread": True}),
    "receipt": Subject(method="POST", path="/rooms/{room}/receipt/m.read/{event}", good={"thread_id": "main"}),
    "read markers": Subject(
        method="POST",
        path="/rooms/{room}/read_markers",
        good={"m.fully_read": "{event}", "m.read": "{event}", "m.read.private": "{event}"},
    ),
    "filter": Subject(method="POST", path="/user/{alice}/filter", good=FILTER, then="/sync?filter={answer}"),
    "new room": Subject(method="POST", path="/createRoom", good=CREATION),
    "profile": Subject(path="/profile/{alice}/org.example.tea", good={"org.example.tea": {"a": ["b"]}}),
}

ODD_NAMES: dict[str, str] = {
    "no name": "",
    "a NUL in a name": "a\0b",
    "a lone surrogate in a name": "\ud800",
    "a long name": "x" * 5000,
    "a name of 300": "é" * 300,
    "a user without a server": "@alice",
    "a user with a bad port": "@alice:localhost:999999",
    "a user of 300": "@" + "x" * 300 + ":localhost",
    "a user with blanks": "@a b:c d",
    "dots": "a..b.",
    "backslashes": "a\\.b\\",
}
"""Put beside every name in an object, with the value that stands there."""

MORE_VALUES: dict[str, object] = {
    "a whole float": 1.0,
    "the least integer": -(2**53) + 1,
    "a negative integer of 70 bits": -(2**70),
    "digits": "50",
    "digits with blanks and a sign": " +50 ",
    "many digits": "9" * 5000,
    "digits of another script": "\u0665\u0660",
    "a nesting of 90": json.loads("[" * 90 + "]" * 90),
    "an object of 90 levels": json.loads('{"a":' * 90 + "1" + "}" * 90),
    "a thousand strings": [f"@user{number}:{{domain}}" for number in range(1000)],
    "a sigil": "@",
    "a user without a server": "@alice",
    "a user of 300": "@" + "x" * 300 + ":localhost",
    "a room without a server": "!room",
    "an alias without a name": "#:localhost",
    "an event's sigil": "$",
    "an event of 300": "$" + "x" * 300,
    "a glob": "*" * 200 + "a",
    "groups": "(" * 200,
    "Infinity": "Infinity",
}
"""Put in the place of everything inside a content, with those of `hostile.VALUES`."""


def variants(good: Json) -> Iterator[tuple[str, Json]]:
    """The content with one thing wrong: its place and what is wrong there, and the whole."""
    for place, there in _places(good):
        where = ".".join(map(str, place))
        for name, value in (VALUES | MORE_VALUES).items():
            yield f"{where}: {name}", _with(good, place, value)
        if place and isinstance(place[-1], str):
            for name, key in ODD_NAMES.items():
                yield f"{where}: {name}", _with(good, (*place[:-1], key), there)
        if isinstance(there, list) and there:
            yield f"{where}: the same 500 times", _with(good, place, there * 500)


def _places(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every place inside a content, with what stands there."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*place, key), inner
        yield from _places(inner, (*place, key))


def _with(good: Json, place: Place, value: object) -> Json:
    """A copy in which a value stands at a place."""
    copied: Json = deepcopy(good)
    inner: Any = copied
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return copied
