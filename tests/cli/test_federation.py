"""`oriz federation check` as an operator types it, against servers of its own world and against one's own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
import yaml

from oriz_matrix.app.cli.exits import ExitCode
from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_keys import publish
from oriz_matrix.protocol.signing import SigningKey
from tests.support.outside import Outside, Stranger, outside

KEY = SigningKey("a_1", b"k" * 32)
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(tmp_path) as made:
        yield made


def answering(server: Stranger) -> str:
    """Gives a server what it must answer; its name."""
    name = ServerName(f"127.0.0.1:{server.port}")
    server.answers["/_matrix/key/v2/server"] = publish(name, KEY, {}, Clock().now_ms() + 3_600_000)
    server.answers["/_matrix/federation/v1/version"] = {"server": {"name": "Other\x1b[31m", "version": "1.2"}}
    return name


async def check(world: Outside, *arguments: str, name: str = "us.test", **options: Any) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command as a process, for a server of this name."""
    file = world.ca_file.with_name("oriz.yaml")
    federation = {"ca_files": [str(world.ca_file)], "allowed_addresses": ["127.0.0.0/8"], "connect_seconds": 20}
    surfaces = options.pop("surfaces", ["client", "federation"])
    listeners = [{"port": 0, "surfaces": surfaces}]
    config = {"server_name": name, "listeners": listeners, "data_dir": ".", "federation": {**federation, **options}}
    file.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "oriz_matrix", "federation", "check", "--config", str(file), *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=os.environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def test_a_good_server_is_told_step_by_step(world: Outside) -> None:
    name = answering(await world.server("127.0.0.1"))
    code, output, errors = await check(world, name)
    assert (code, errors) == (ExitCode.OK, "")
    lines = output.splitlines()
    assert [line.split()[:2] for line in lines[:5]] == [
        ["ok", "name"], ["ok", "place"], ["ok", "address"], ["ok", "keys"], ["ok", "version"],
    ]  # fmt: skip
    assert "TLSv1.3, certificate for 127.0.0.1 by trustme" in lines[2]
    assert "ed25519:a_1, good until 20" in lines[3]
    assert lines[4].endswith("Other [31m 1.2")
    assert lines[-1] == f"{name} can be talked with."


async def test_json_is_for_scripts(world: Outside) -> None:
    name = answering(await world.server("127.0.0.1"))
    _, output, _ = await check(world, name, "--json")
    report = msgspec.json.decode(output)
    assert (report["server"], report["ok"]) == (name, True)
    assert [step["step"] for step in report["steps"]] == ["name", "place", "address", "keys", "version"]


async def test_what_fails_is_named(world: Outside) -> None:
    stranger = await world.server("127.0.0.1", authority=trustme.CA())
    good = answering(await world.server("127.0.0.1"))
    silent = await world.server("127.0.0.1")
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("a b", {}, "no  name        is no name of a server"),
        ("denied.test", {"denied_servers": ["*.test"]}, "no  name        the configuration forbids"),
        ("127.0.0.1:1", {}, "no  address     127.0.0.1: Connect"),
        (good, {"allowed_addresses": []}, "no  address     127.0.0.1: connections to 127.0.0.1 are forbidden"),
        (answering(stranger), {}, "no  address     127.0.0.1: [SSL: CERTIFICATE_VERIFY_FAILED]"),
        (f"127.0.0.1:{silent.port}", {}, "no  keys        the server answered 404 M_UNRECOGNIZED"),
    ]
    for name, options, line in cases:
        code, output, errors = await check(world, name, **options)
        assert code == ExitCode.UNREACHABLE
        assert line in output
        assert errors == f"Error: {name} cannot be talked with\n"


async def test_without_checks_of_certificates_it_says_so(world: Outside) -> None:
    name = answering(await world.server("b.test", authority=trustme.CA()))
    code, output, _ = await check(world, name, verify_certificates=False)
    assert code == ExitCode.OK
    assert "the certificate is not checked" in output


@pytest.fixture
async def own(world: Outside) -> str:
    """What answers under one's own name, with one's own key; the name."""
    world.ca_file.with_name("signing.key").write_text(KEY.to_text())
    return answering(await world.server("127.0.0.1"))


async def test_ones_own_server_is_told_as_others_find_it(world: Outside, own: str) -> None:
    """Whom it talks with itself, and which addresses it connects to, say nothing of who finds it."""
    lists = {"denied_servers": ["*"], "allowed_addresses": []}
    for arguments in ((), (own,)):
        code, output, errors = await check(world, *arguments, name=own, **lists)
        assert (code, errors) == (ExitCode.OK, "")
        lines = output.splitlines()
        assert [line[:14].rstrip() for line in lines[:-2]] == [
            "ok  federation", "ok  name", "ok  place", "ok  address", "ok  keys", "ok  own key", "ok  version",
        ]  # fmt: skip
        assert "127.0.0.1 (not reached from outside): TLSv1.3" in lines[3]
        assert lines[5].endswith("ed25519:a_1 is the key of this server")
        assert lines[-1] == f"{own} can be talked with."


async def test_an_address_that_others_reach_is_told_as_such(world: Outside, own: str) -> None:
    _, output, _ = await check(world, name=own)
    assert "127.0.0.1: TLSv1.3" in output


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (SigningKey("a_2", b"k" * 32), "ed25519:a_2, the key of this server, is not in use there: another server"),
        (SigningKey("a_1", b"j" * 32), "ed25519:a_1 is another key there: another server answers"),
    ],
)
async def test_another_server_under_ones_own_name_is_found(
    world: Outside, own: str, key: SigningKey, found: str
) -> None:
    world.ca_file.with_name("signing.key").write_text(key.to_text())
    code, output, errors = await check(world, name=own)
    assert code == ExitCode.UNREACHABLE
    assert f"no  own key     {found}" in output
    assert errors == f"Error: {own} cannot be talked with\n"


async def test_a_key_that_is_only_published_as_old_is_not_in_use(world: Outside) -> None:
    server = await world.server("127.0.0.1")
    name = answering(server)
    now = Clock().now_ms()
    old = {KEY.key_id: (KEY.verify_key, now)}
    server.answers["/_matrix/key/v2/server"] = publish(
        ServerName(name), SigningKey("a_2", b"j" * 32), old, now + 3_600_000
    )
    world.ca_file.with_name("signing.key").write_text(KEY.to_text())
    code, output, _ = await check(world, name=name)
    assert code == ExitCode.UNREACHABLE
    assert "or this one was not started again since its key was replaced" in output


async def test_without_a_key_it_cannot_be_told_who_answers(world: Outside) -> None:
    name = answering(await world.server("127.0.0.1"))
    for text, found in ((None, "was never started"), ("nonsense", "holds no signing key")):
        if text is not None:
            world.ca_file.with_name("signing.key").write_text(text)
        code, output, _ = await check(world, name=name)
        assert code == ExitCode.UNREACHABLE
        assert found in output


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"enabled": False}, "is switched off (federation.enabled)"),
        ({"surfaces": ["client"]}, "no listener serves it (listeners[].surfaces)"),
    ],
)
async def test_a_server_that_is_shut_says_so(world: Outside, own: str, options: dict[str, Any], found: str) -> None:
    code, output, _ = await check(world, name=own, **options)
    assert code == ExitCode.UNREACHABLE
    assert output.splitlines()[0] == f"no  federation  {found}"
