"""The authorization rules, in the order and with the numbers of room version 12 (other versions in brackets)."""

# ruff: noqa: C901, PLR0911, PLR0912 - the functions have the shape of the text

import math
import re
from collections.abc import Mapping
from typing import Any

from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.third_party_invites import proves_binding

State = Mapping[tuple[str, str], Event]
LEVEL_NAMES = ["users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"]


def number(event: Event) -> int:
    """The room version as a number."""
    return int(event.version.name)


def domain(identifier: str) -> str:
    """What follows the first colon."""
    return identifier.split(":", 1)[1] if ":" in identifier else ""


def level(value: Any, version: int) -> int | None:
    """A power level of the version, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if version < 10 and isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]+\s*", value, re.ASCII):
        return int(value)
    if version < 6 and isinstance(value, float) and math.isfinite(value):
        return math.trunc(value)
    return None


def is_user(text: str) -> bool:
    """Whether it is like a user id; the generated ones are all simple."""
    return re.fullmatch(r"@[^:]*:[a-z.]+", text) is not None


def creators(create: Event) -> list[str]:
    """Room creators of version 12, or the creator of those before."""
    if number(create) >= 12:
        return [create.sender, *create.content.get("additional_creators", [])]
    return [create.sender if number(create) >= 11 else create.content["creator"]]


def user_level(user: str, state: State) -> float:
    """A user's power level; nobody has one before the create event."""
    create = state.get(("m.room.create", ""))
    if create is None:
        return 0
    if number(create) >= 12 and user in creators(create):
        return math.inf
    power = state.get(("m.room.power_levels", ""))
    if power is None:
        return 100 if user in creators(create) else 0
    for value in (power.content.get("users", {}).get(user), power.content.get("users_default")):
        parsed = level(value, number(create))
        if parsed is not None:
            return parsed
    return 0


def named_level(name: str, state: State) -> int:
    """One of the levels that an action needs."""
    defaults = {"invite": 0, "kick": 50, "ban": 50, "redact": 50, "state_default": 50, "events_default": 0}
    power = state.get(("m.room.power_levels", ""))
    parsed = level(power.content.get(name), number(power)) if power is not None else None
    return defaults[name] if parsed is None else parsed


def required_level(event: Event, state: State) -> int:
    """The event type's required power level."""
    power = state.get(("m.room.power_levels", ""))
    if power is not None:
        parsed = level(power.content.get("events", {}).get(event.type), number(power))
        if parsed is not None:
            return parsed
    return named_level("events_default" if event.state_key is None else "state_default", state)


def membership(user: str, state: State) -> str | None:
    """A user's current membership."""
    event = state.get(("m.room.member", user))
    return None if event is None else event.content.get("membership")


def allowed(event: Event, state: State) -> bool:
    """Whether the rules allow the event in the state."""
    version = number(event)
    if event.type == "m.room.create":  # rule 1
        return create_allowed(event)
    create = state.get(("m.room.create", ""))
    if create is None or (version >= 12 and event.room_id != "!" + create.event_id[1:]):  # rule 2 (or none selected)
        return False
    if create.content.get("m.federate") is False and domain(event.sender) != domain(create.sender):  # rule 4 (3)
        return False
    if version < 6 and event.type == "m.room.aliases":  # rule 4 before version 6
        return event.state_key is not None and event.state_key == domain(event.sender)
    if event.type == "m.room.member":  # rule 5
        return member_allowed(event, state)
    if membership(event.sender, state) != "join":  # rule 6
        return False
    mine = user_level(event.sender, state)
    if event.type == "m.room.third_party_invite":  # rule 7
        return mine >= named_level("invite", state)
    if required_level(event, state) > mine:  # rule 8
        return False
    if event.state_key is not None and event.state_key.startswith("@") and event.state_key != event.sender:  # rule 9
        return False
    if event.type == "m.room.power_levels":  # rule 10
        return power_levels_allowed(event, state, mine)
    if version < 3 and event.type == "m.room.redaction":  # rule 11 of versions 1 and 2
        return mine >= named_level("redact", state) or domain(event.pdu.get("redacts", "")) == domain(event.event_id)
    return True


def create_allowed(event: Event) -> bool:
    """Rule 1."""
    version = number(event)
    if event.pdu["prev_events"]:
        return False
    if version >= 12:
        if "room_id" in event.pdu:
            return False
    elif domain(event.room_id) != domain(event.sender):
        return False
    if event.content.get("room_version", "1") not in [str(n) for n in range(1, 13)]:
        return False
    if version < 11 and "creator" not in event.content:
        return False
    additional = event.content.get("additional_creators", [])
    return version < 12 or (isinstance(additional, list) and all(is_user(u) for u in additional))


def member_allowed(event: Event, state: State) -> bool:
    """Rule 5 (4), without the signatures of 5.2."""
    if event.state_key is None or "membership" not in event.content:
        return False
    rules = {"join": join_allowed, "invite": invite_allowed, "leave": leave_allowed, "ban": ban_allowed}
    if number(event) >= 7:
        rules["knock"] = knock_allowed
    rule = rules.get(event.content["membership"])
    return rule is not None and rule(event, state)


def join_rule_of(state: State) -> str:
    """The join rule."""
    event = state.get(("m.room.join_rules", ""))
    rule: str = "invite" if event is None else event.content.get("join_rule", "invite")
    return rule


def join_allowed(event: Event, state: State) -> bool:
    """Rule 5.3 (4.3, 4.2, 5.2)."""
    version, create = number(event), state["m.room.create", ""]
    if list(event.prev_event_ids) == [create.event_id] and event.state_key == creators(create)[0]:  # 1
        return True
    if event.sender != event.state_key:  # 2
        return False
    mine, rule = membership(event.sender, state), join_rule_of(state)
    if mine == "ban":  # 3
        return False
    if rule == "invite" or (rule == "knock" and version >= 7):  # 4
        return mine in ("invite", "join")
    if (rule == "restricted" and version >= 8) or (rule == "knock_restricted" and version >= 10):  # 5
        if mine in ("invite", "join"):
            return True
        via = event.content.get("join_authorised_via_users_server")
        if via is None or membership(via, state) != "join":
            return False
        return user_level(via, state) >= named_level("invite", state)
    return rule == "public"  # 6, 7


def invite_allowed(event: Event, state: State) -> bool:
    """Rule 5.4."""
    target = str(event.state_key)
    if "third_party_invite" in event.content:  # 1
        if membership(target, state) == "ban":
            return False
        signed = event.content["third_party_invite"].get("signed")
        if signed is None or "mxid" not in signed or "token" not in signed or signed["mxid"] != target:
            return False
        invitation = state.get(("m.room.third_party_invite", signed["token"]))
        if invitation is None or invitation.sender != event.sender:
            return False
        return proves_binding(signed, invitation.content)
    if membership(event.sender, state) != "join":  # 2
        return False
    if membership(target, state) in ("join", "ban"):  # 3
        return False
    return user_level(event.sender, state) >= named_level("invite", state)  # 4


def leave_allowed(event: Event, state: State) -> bool:
    """Rule 5.5."""
    target = str(event.state_key)
    if event.sender == target:  # 1
        return membership(target, state) in (["invite", "join", "knock"] if number(event) >= 7 else ["invite", "join"])
    if membership(event.sender, state) != "join":  # 2
        return False
    mine = user_level(event.sender, state)
    if membership(target, state) == "ban" and mine < named_level("ban", state):  # 3
        return False
    return mine >= named_level("kick", state) and user_level(target, state) < mine  # 4


def ban_allowed(event: Event, state: State) -> bool:
    """Rule 5.6."""
    mine = user_level(event.sender, state)
    if membership(event.sender, state) != "join":
        return False
    return mine >= named_level("ban", state) and user_level(str(event.state_key), state) < mine


def knock_allowed(event: Event, state: State) -> bool:
    """Rule 5.7."""
    rule = join_rule_of(state)
    if rule != "knock" and not (rule == "knock_restricted" and number(event) >= 10):
        return False
    return event.sender == event.state_key and membership(event.sender, state) not in ("ban", "invite", "join")


def power_levels_allowed(event: Event, state: State, mine: float) -> bool:
    """Rule 10 (9). What is no level is refused in all versions; see `authorization.power.check_power_shape`."""
    version, new = number(event), event.content
    maps = ["events", "notifications"] if version >= 6 else ["events"]
    if any(name in new and level(new[name], version) is None for name in LEVEL_NAMES):  # 1
        return False
    for name in [*maps, "users"]:  # 2, 3
        if not isinstance(new.get(name, {}), Mapping):
            return False
        if any(level(value, version) is None for value in new.get(name, {}).values()):
            return False
    if not all(is_user(user) for user in new.get("users", {})):  # 3
        return False
    if version >= 12 and set(creators(state["m.room.create", ""])) & set(new.get("users", {})):  # 4
        return False
    previous = state.get(("m.room.power_levels", ""))
    if previous is None:  # 5
        return True
    old = previous.content
    for name in LEVEL_NAMES:  # 6
        if not change_allowed(level(old.get(name), version), level(new.get(name), version), mine):
            return False
    for name in [*maps, "users"]:  # 7, 8, 9, 10
        for key in {*old.get(name, {}), *new.get(name, {})}:
            was, becomes = level(old.get(name, {}).get(key), version), level(new.get(name, {}).get(key), version)
            if not change_allowed(was, becomes, mine):
                return False
            if name == "users" and key != event.sender and was != becomes and was is not None and was >= mine:
                return False
    return True


def change_allowed(was: int | None, becomes: int | None, mine: float) -> bool:
    """Whether one level may change so."""
    return was == becomes or all(value is None or value <= mine for value in (was, becomes))


def selection(event: Event) -> set[tuple[str, str]]:
    """Server-server API, "Auth events selection"."""
    if event.type == "m.room.create":
        return set()
    keys = {("m.room.power_levels", ""), ("m.room.member", event.sender)}
    if number(event) < 12:
        keys.add(("m.room.create", ""))
    if event.type == "m.room.member":
        change = event.content.get("membership")
        if event.state_key is not None:
            keys.add(("m.room.member", event.state_key))
        if change in ("join", "invite", "knock"):
            keys.add(("m.room.join_rules", ""))
        if change == "invite" and "third_party_invite" in event.content:
            keys.add(("m.room.third_party_invite", event.content["third_party_invite"]["signed"]["token"]))
        if change == "join" and number(event) >= 8 and "join_authorised_via_users_server" in event.content:
            keys.add(("m.room.member", event.content["join_authorised_via_users_server"]))
    return keys
