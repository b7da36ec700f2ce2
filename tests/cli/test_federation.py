"""`oriz federation check` as an operator types it, against servers of its own world."""

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


async def check(world: Outside, server: str, *arguments: str, **options: Any) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command as a process."""
    file = world.ca_file.with_name("oriz.yaml")
    federation = {"ca_files": [str(world.ca_file)], "allowed_addresses": ["127.0.0.0/8"], "connect_seconds": 20}
    file.write_text(yaml.safe_dump({"server_name": "us.test", "federation": {**federation, **options}}))
    command = [sys.executable, "-m", "oriz_matrix", "federation", "check", server, "--config", str(file), *arguments]
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
