"""The nine operations on push rules, through every door; how rules are edited is tested in tests/protocol."""

from typing import Any

import pytest

from tests.support.homeserver import Home, User, refused

NOTIFY = {"actions": ["notify"], "pattern": "cake*lie"}
GLOBAL = "/v3/pushrules/global"


async def ids(user: User, kind: str) -> list[str]:
    """The own rules of a kind, in their order."""
    rules = await user.request("GET", f"{GLOBAL}/")
    return [rule["rule_id"] for rule in rules[kind] if not rule["default"]]


@pytest.mark.parametrize("version", ["r0", "v3"])
async def test_a_rule_is_made_read_changed_and_deleted(either_home: Home, version: str) -> None:
    alice = await either_home.user("alice")
    path = f"/{version}/pushrules/global/content/no%20cake"
    for method, where in [("GET", ""), ("DELETE", ""), ("GET", "/enabled"), ("GET", "/actions")]:
        with refused(404, "M_NOT_FOUND"):
            await alice.request(method, path + where)
    assert await alice.request("PUT", path, NOTIFY) == {}
    rule = {"rule_id": "no cake", "default": False, "enabled": True, **NOTIFY}
    assert await alice.request("GET", path) == rule
    assert await alice.request("GET", f"{path}/enabled") == {"enabled": True}
    assert await alice.request("GET", f"{path}/actions") == {"actions": ["notify"]}
    await alice.request("PUT", f"{path}/enabled", {"enabled": False})
    loud = ["notify", {"set_tweak": "sound", "value": "bing"}]
    await alice.request("PUT", f"{path}/actions", {"actions": loud})
    assert await alice.request("GET", path) == {**rule, "enabled": False, "actions": loud}
    assert await alice.request("DELETE", path) == {}
    with refused(404, "M_NOT_FOUND"):
        await alice.request("GET", path)


async def test_rules_stand_where_they_are_put(home: Home) -> None:
    alice = await home.user("alice")
    for name, query in [("a", {}), ("b", {}), ("c", {"after": "a"}), ("d", {"before": "a", "after": "b"})]:
        await alice.request("PUT", f"{GLOBAL}/sender/@{name}:example.org", {"actions": []}, **_users(query))
    assert await ids(alice, "sender") == [f"@{name}:example.org" for name in "bdac"]
    await alice.request("PUT", f"{GLOBAL}/sender/@c:example.org", {"actions": []}, before="@b:example.org")
    assert await ids(alice, "sender") == [f"@{name}:example.org" for name in "cbda"]


def _users(query: dict[str, str]) -> dict[str, str]:
    return {name: f"@{user}:example.org" for name, user in query.items()}


async def test_a_change_reaches_every_device(either_home: Home) -> None:
    alice = await either_home.user("alice")
    phone = await alice.log_in_again()
    await phone.sync()
    for method, path, body in [
        ("PUT", "content/cake", NOTIFY),
        ("PUT", "content/cake/enabled", {"enabled": False}),
        ("PUT", "override/.m.rule.master/enabled", {"enabled": True}),
        ("PUT", "underride/.m.rule.message/actions", {"actions": []}),
        ("DELETE", "content/cake", None),
    ]:
        async with phone.waiting() as hears:
            await alice.request(method, f"{GLOBAL}/{path}", body)
        assert hears.result().account_data["m.push_rules"] == await alice.request("GET", "/v3/pushrules/")
    await alice.request("PUT", f"{GLOBAL}/override/.m.rule.master/enabled", {"enabled": True})
    assert not (await phone.sync()).account_data


async def test_predefined_rules_are_changed_and_stay(home: Home) -> None:
    alice = await home.user("alice")
    path = f"{GLOBAL}/underride/.m.rule.message"
    await alice.request("PUT", f"{path}/actions", {"actions": []})
    assert (await alice.request("GET", path))["actions"] == []
    with refused(400, "M_INVALID_PARAM", "rule_id"):
        await alice.request("DELETE", path)
    with refused(400, "M_INVALID_PARAM", "rule_id"):
        await alice.request("PUT", path, {"actions": []})
    with refused(404, "M_NOT_FOUND"):
        await alice.request("PUT", f"{GLOBAL}/override/.m.rule.message/enabled", {"enabled": True})


@pytest.mark.parametrize(
    ("path", "body", "query", "errcode", "naming"),
    [
        ("content/.mine", NOTIFY, {}, "M_INVALID_PARAM", "rule_id"),
        ("content/a%2Fb", NOTIFY, {}, "M_INVALID_PARAM", "rule_id"),
        ("content/a%5Cb", NOTIFY, {}, "M_INVALID_PARAM", "rule_id"),
        ("colour/red", NOTIFY, {}, "M_INVALID_PARAM", "kind"),
        ("content/cake", {"pattern": "cake"}, {}, "M_MISSING_PARAM", "actions"),
        ("content/cake", {"actions": []}, {}, "M_MISSING_PARAM", "pattern"),
        ("content/cake", {"actions": ["shout"], "pattern": "x"}, {}, "M_INVALID_PARAM", "actions"),
        ("content/cake", {"actions": "notify", "pattern": "x"}, {}, "M_BAD_JSON", "actions"),
        ("content/cake", {"actions": [], "pattern": 5}, {}, "M_BAD_JSON", "pattern"),
        ("override/cake", {"actions": [], "conditions": {}}, {}, "M_BAD_JSON", "conditions"),
        ("content/cake", [], {}, "M_BAD_JSON", ""),
        ("content/cake", NOTIFY, {"before": "never"}, "M_UNKNOWN", "never"),
        ("content/cake", NOTIFY, {"after": "never"}, "M_UNKNOWN", "never"),
        ("content/cake", NOTIFY, {"after": ".m.rule.contains_user_name"}, "M_INVALID_PARAM", "after"),
        ("content/cake/enabled", {"enabled": "yes"}, {}, "M_BAD_JSON", "enabled"),
        ("content/cake/enabled", {}, {}, "M_BAD_JSON", "enabled"),
        ("content/cake/actions", {}, {}, "M_BAD_JSON", "actions"),
        ("content/cake/actions", {"actions": [5]}, {}, "M_INVALID_PARAM", "actions"),
    ],
)
async def test_rules_that_are_none(
    home: Home, path: str, body: Any, query: dict[str, str], errcode: str, naming: str
) -> None:
    alice = await home.user("alice")
    with refused(400, errcode, naming):
        await alice.request("PUT", f"{GLOBAL}/{path}", body, **query)
    assert await ids(alice, "content") == []
