"""`oriz rooms` and `oriz database size` read the database beside a running server, and change nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from oriz_matrix.app.cli.exits import ExitCode
from oriz_matrix.base.config.model import Config
from oriz_matrix.storage.statistics import ROOM_ROWS
from tests.cli.commands import oriz
from tests.support.in_process import Homeserver, Person, homeserver

Json = dict[str, Any]


@pytest.fixture
async def server(config: Config) -> AsyncIterator[Homeserver]:
    """A running server with three rooms: a busy one, one with two members, an encrypted one whose name is hostile."""
    async with homeserver(config) as running:
        alice, bob = await running.person("alice"), await running.person("bob")
        busy = await new_room(running, alice, name="Busy", topic="Much is said", room_alias_name="busy")
        shared = await new_room(running, alice, name="会議", preset="public_chat")
        assert (await running.ask("POST", f"/v3/rooms/{shared}/join", {}, by=bob)).status == 200
        state = [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
        await new_room(running, bob, name="Secret\x1b[31m\nroom", initial_state=state, room_version="10")
        for number in range(60):
            body = {"msgtype": "m.text", "body": "a long message " * 20}
            path = f"/v3/rooms/{busy}/send/m.room.message/{number}"
            assert (await running.ask("PUT", path, body, by=alice)).status == 200
        yield running


async def new_room(server: Homeserver, by: Person, **options: Any) -> str:
    """A new room's id."""
    answer = await server.ask("POST", "/v3/createRoom", options, by=by)
    assert answer.status == 200, answer
    room_id: str = answer.body["room_id"]
    return room_id


async def told(server: Homeserver, *arguments: str) -> str:
    """What a command prints while the server runs."""
    result = await asyncio.to_thread(oriz, server.config, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


async def told_json(server: Homeserver, *arguments: str) -> Json:
    """The same, as JSON."""
    answer: Json = json.loads(await told(server, *arguments, "--json"))
    return answer


async def test_rooms_are_listed(server: Homeserver) -> None:
    answer = await told_json(server, "rooms", "list")
    assert answer["total"] == 3
    busy, secret, shared = answer["rooms"]
    assert (busy["name"], busy["alias"], busy["version"]) == ("Busy", "#busy:example.org", "12")
    assert (busy["members"], busy["members_here"], busy["encrypted"]) == (1, 1, False)
    history = await server.ask("GET", f"/v3/rooms/{busy['room_id']}/messages?dir=b&limit=100", by=await login(server))
    assert busy["events"] == len(history.body["chunk"])
    assert busy["last_activity"] == history.body["chunk"][0]["origin_server_ts"]
    assert (secret["encrypted"], secret["version"], secret["alias"]) == (True, "10", None)
    assert (shared["name"], shared["members"], shared["members_here"]) == ("会議", 2, 2)


async def login(server: Homeserver) -> str:
    """A new token of alice."""
    body = {"type": "m.login.password", "user": "alice", "password": "a good password"}
    token: str = (await server.ask("POST", "/v3/login", body)).body["access_token"]
    return token


async def test_the_list_is_sorted_and_bounded(server: Homeserver) -> None:
    async def names(*arguments: str) -> list[str]:
        return [room["name"][:4] for room in (await told_json(server, "rooms", "list", *arguments))["rooms"]]

    assert await names("--sort", "events", "--limit", "1") == ["Busy"]
    assert await names("--sort", "members", "--limit", "1") == ["会議"]
    assert await names("--sort", "newest") == ["Secr", "会議", "Busy"]
    assert len(await names("--limit", "0")) == 3


async def test_the_table_is_for_people_and_their_terminals(server: Homeserver) -> None:
    lines = (await told(server, "rooms", "list")).splitlines()
    assert lines[0].startswith("ROOM ")
    assert lines[0].endswith(" LAST ACTIVITY     ENCRYPTED")
    assert len(lines) == 6
    assert lines[-1] == "3 of 3 rooms."
    assert "Secret [31m room" in lines[2]
    assert "\x1b" not in "".join(lines)


async def test_a_room_is_shown_by_its_id_or_alias(server: Homeserver) -> None:
    report = await told_json(server, "rooms", "show", "#busy:example.org")
    assert report == await told_json(server, "rooms", "show", report["room"]["room_id"])
    assert (report["topic"], report["creator"], report["join_rule"]) == ("Much is said", "@alice:example.org", "invite")
    assert report["aliases"] == ["#busy:example.org"]
    assert report["state"]["m.room.member"] == 1
    assert (report["memberships"], report["servers"]) == ({"join": 1}, {"example.org": 1})
    [end] = report["extremities"]
    assert end["depth"] == report["room"]["events"] == report["rows"]["events"]
    assert report["event_bytes"] > 60 * 300
    text = await told(server, "rooms", "show", "#busy:example.org")
    assert end["event_id"] in text
    assert "Much is said" in text


async def test_a_room_that_is_not_here_is_said(server: Homeserver) -> None:
    for name in ("!nowhere:example.org", "#nowhere:example.org", "nonsense"):
        result = await asyncio.to_thread(oriz, server.config, "rooms", "show", name)
        assert (result.exit_code, result.stderr) == (
            ExitCode.NOT_FOUND,
            f"Error: this server knows no room {name}\n",
        )


async def test_every_byte_has_its_place(server: Homeserver) -> None:
    size = await told_json(server, "database", "size")
    tables = {table["table"]: table for table in size["tables"]}
    assert set(ROOM_ROWS) <= set(tables)
    assert tables["accounts"]["rows"] == 2
    assert tables["events"]["bytes"] > tables["events"]["index_bytes"] > 0
    in_tables = sum(table["bytes"] for table in tables.values())
    assert in_tables + size["free_bytes"] <= size["total_bytes"]
    assert [table["bytes"] for table in size["tables"]] == sorted((t["bytes"] for t in tables.values()), reverse=True)
    assert size["rooms"][0]["name"] == "Busy"
    of_rooms = sum(tables[name]["bytes"] for name in ROOM_ROWS if tables[name]["rows"])
    assert sum(room["bytes"] for room in size["rooms"]) == pytest.approx(of_rooms, abs=len(size["rooms"]))


async def test_the_sizes_are_readable(server: Homeserver) -> None:
    text = await told(server, "database", "size", "--limit", "1")
    assert text.startswith("The database takes ")
    assert "1 of 3 rooms." in text


@pytest.mark.parametrize("command", [("rooms", "list"), ("rooms", "show", "!a:b"), ("database", "size")])
def test_what_is_not_there_is_not_made(config: Config, command: tuple[str, ...]) -> None:
    result = oriz(config, *command)
    assert result.exit_code == ExitCode.DATABASE
    assert "yet; the first start of the server" in result.stderr
    assert not config.data_dir.exists()


async def test_a_look_does_not_hold_up_the_server(server: Homeserver) -> None:
    """Messages go on while commands read, one after the other."""
    room = (await told_json(server, "rooms", "list", "--limit", "1"))["rooms"][0]["room_id"]
    token = await login(server)
    looks = [asyncio.create_task(told(server, "database", "size")) for _ in range(3)]
    for number in range(20):
        path = f"/v3/rooms/{room}/send/m.room.message/beside-{number}"
        assert (await server.ask("PUT", path, {"body": "b"}, by=token)).status == 200
    await asyncio.gather(*looks)
