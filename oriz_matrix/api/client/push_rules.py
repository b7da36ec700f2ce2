"""Push rules. Client-server API, "Push rules"."""

from typing import Any

import msgspec

from oriz_matrix.protocol.push.rules import to_json
from oriz_matrix.protocol.push.shape import parse_kind, parse_rule
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import UserCall
from oriz_matrix.web.endpoint import CLIENT_R0_V3, Auth, JsonObject
from oriz_matrix.web.limits import Limit

RULE = "/pushrules/global/{rule_kind}/{rule_id}"


class Place(msgspec.Struct):
    """The own rules that a rule is placed beside."""

    before: str | None = None
    after: str | None = None


class Enabled(msgspec.Struct):
    """Whether a rule is on."""

    enabled: bool


class Actions(msgspec.Struct):
    """What a rule does."""

    actions: list[Any]


@endpoint.get("/pushrules/", versions=CLIENT_R0_V3, auth=Auth.USER)
async def push_rules(call: UserCall) -> dict[str, Any]:
    """GET /pushrules/."""
    return to_json(await call.services.push_rules.get(call.requester))


@endpoint.get("/pushrules/global/", versions=CLIENT_R0_V3, auth=Auth.USER)
async def global_push_rules(call: UserCall) -> dict[str, Any]:
    """GET /pushrules/global/."""
    rules: dict[str, Any] = to_json(await call.services.push_rules.get(call.requester))["global"]
    return rules


@endpoint.get(RULE, versions=CLIENT_R0_V3, auth=Auth.USER)
async def push_rule(call: UserCall, rule_kind: str, rule_id: str) -> dict[str, Any]:
    """GET /pushrules/global/{kind}/{ruleId}."""
    return (await call.services.push_rules.rule(call.requester, parse_kind(rule_kind), rule_id)).to_json()


@endpoint.put(RULE, versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.GENERAL)
async def put_push_rule(call: UserCall, rule_kind: str, rule_id: str, query: Place, body: JsonObject) -> dict[str, str]:
    """PUT /pushrules/global/{kind}/{ruleId}."""
    kind = parse_kind(rule_kind)
    rule = parse_rule(kind, rule_id, body)
    await call.services.push_rules.put(call.requester, kind, rule, query.before, query.after)
    return {}


@endpoint.delete(RULE, versions=CLIENT_R0_V3, auth=Auth.USER)
async def remove_push_rule(call: UserCall, rule_kind: str, rule_id: str) -> dict[str, str]:
    """DELETE /pushrules/global/{kind}/{ruleId}."""
    await call.services.push_rules.remove(call.requester, parse_kind(rule_kind), rule_id)
    return {}


@endpoint.get(RULE + "/enabled", versions=CLIENT_R0_V3, auth=Auth.USER)
async def push_rule_enabled(call: UserCall, rule_kind: str, rule_id: str) -> Enabled:
    """GET /pushrules/global/{kind}/{ruleId}/enabled."""
    rule = await call.services.push_rules.rule(call.requester, parse_kind(rule_kind), rule_id)
    return Enabled(rule.enabled)


@endpoint.put(RULE + "/enabled", versions=CLIENT_R0_V3, auth=Auth.USER)
async def set_push_rule_enabled(call: UserCall, rule_kind: str, rule_id: str, body: Enabled) -> dict[str, str]:
    """PUT /pushrules/global/{kind}/{ruleId}/enabled."""
    await call.services.push_rules.set_enabled(call.requester, parse_kind(rule_kind), rule_id, body.enabled)
    return {}


@endpoint.get(RULE + "/actions", versions=CLIENT_R0_V3, auth=Auth.USER)
async def push_rule_actions(call: UserCall, rule_kind: str, rule_id: str) -> Actions:
    """GET /pushrules/global/{kind}/{ruleId}/actions."""
    rule = await call.services.push_rules.rule(call.requester, parse_kind(rule_kind), rule_id)
    return Actions(list(rule.actions))


@endpoint.put(RULE + "/actions", versions=CLIENT_R0_V3, auth=Auth.USER)
async def set_push_rule_actions(call: UserCall, rule_kind: str, rule_id: str, body: Actions) -> dict[str, str]:
    """PUT /pushrules/global/{kind}/{ruleId}/actions."""
    await call.services.push_rules.set_actions(call.requester, parse_kind(rule_kind), rule_id, body.actions)
    return {}
