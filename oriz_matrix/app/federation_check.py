"""Tries to talk with a server, step by step, and tells what each step found; one's own is tried as others try it."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from oriz_matrix.app.reach import Reach
from oriz_matrix.net.discovery import Resolution
from oriz_matrix.net.errors import RemoteFailed
from oriz_matrix.net.guard import Guard
from oriz_matrix.net.names import NameFailed
from oriz_matrix.net.peers import PeerRequest
from oriz_matrix.net.probe import Certificate
from oriz_matrix.protocol.identifiers import ServerName, is_ip_literal, is_server_name
from oriz_matrix.protocol.server_discovery import Target
from oriz_matrix.protocol.server_keys import PublishedKeys
from oriz_matrix.protocol.signing import SigningKey

VERSION = "/_matrix/federation/v1/version"
NEEDED = {"federation", "name", "keys", "own key", "version"}
"""The steps that must succeed: of several addresses one may be dead, and a well-known file may be absent."""


class Step(msgspec.Struct, frozen=True):
    """One step, whether it succeeded, and what it found, in words."""

    step: str
    ok: bool
    found: str


class Report(msgspec.Struct, frozen=True):
    """All steps; `ok` says whether the server can be talked with."""

    server: str
    ok: bool
    steps: list[Step]


class Own(NamedTuple):
    """What is known of one's own server.

    shut: why its configuration lets nobody talk with it; None where it does. key: that it signs with, or why that
    cannot be read. guard: which addresses others reach.
    """

    shut: str | None
    key: SigningKey | str
    guard: Guard


async def check(
    server: str, reached: Reach, moment: Callable[[int], str | None], *, by_proxy: bool, own: Own | None = None
) -> Report:
    """Takes all steps as far as they lead. `moment` writes milliseconds for people; `own` where it is one's own."""
    steps = [] if own is None else [Step("federation", ok=own.shut is None, found=own.shut or "is on")]
    steps.append(_name(server, reached))
    if steps[-1].ok:
        name = ServerName(server)
        try:
            found = await reached.discovery.resolve(name)
        except RemoteFailed as error:
            steps.append(Step("discovery", ok=False, found=str(error)))
        else:
            steps += _discovered(found)
            for target in () if by_proxy else found.targets:
                steps += await _addresses(reached, target, own)
            steps += [*await _keys(reached, name, moment, own), await _version(reached, name)]
    good = all(step.ok for step in steps if step.step in NEEDED)
    return Report(server, steps[-1].step == "version" and good, steps)


def _name(server: str, reached: Reach) -> Step:
    if not is_server_name(server):
        return Step("name", ok=False, found="is no name of a server")
    if not reached.peers.allows(ServerName(server)):
        return Step("name", ok=False, found="the configuration forbids to talk with this server")
    return Step("name", ok=True, found="is allowed by the configuration")


def _discovered(found: Resolution) -> list[Step]:
    """What discovery found; the absence of a well-known file or of SRV records is no failure."""
    steps = []
    if found.delegation is not None:
        told = f"names {found.delegation.name}" if found.delegation.name else f"none: {found.delegation.failure}"
        steps.append(Step("well-known", ok=found.delegation.name is not None, found=told))
    if found.service is not None:
        steps.append(Step("SRV", ok=True, found=f"records at {found.service}"))
    for target in found.targets:
        told = f"{target.host} port {target.port}, Host: {target.http_host}, certificate for {target.tls_name}"
        steps.append(Step("place", ok=True, found=told))
    return steps


async def _addresses(reached: Reach, target: Target, own: Own | None) -> list[Step]:
    literal = is_ip_literal(f"[{target.host}]" if ":" in target.host else target.host)
    try:
        addresses = [target.host] if literal else await reached.client.names.addresses(target.host)
    except NameFailed as error:
        return [Step("address", ok=False, found=str(error))]
    return [await _address(reached, address, target, own) for address in dict.fromkeys(addresses)]


async def _address(reached: Reach, address: str, target: Target, own: Own | None) -> Step:
    inside = " (not reached from outside)" if own is not None and not own.guard.permits(address) else ""
    try:
        certificate = await reached.client.probe(address, target)
    except RemoteFailed as error:
        return Step("address", ok=False, found=f"{address}{inside}: {error}")
    return Step("address", ok=True, found=f"{address}{inside}: {_shown(certificate)}")


def _shown(certificate: Certificate) -> str:
    if certificate.expires is None:
        return f"{certificate.tls_version}, the certificate is not checked"
    names = ", ".join(certificate.names[:5])
    return f"{certificate.tls_version}, certificate for {names} by {certificate.issuer} until {certificate.expires}"


async def _keys(reached: Reach, server: ServerName, moment: Callable[[int], str | None], own: Own | None) -> list[Step]:
    try:
        published = await reached.keys.direct(server)
    except RemoteFailed as error:
        return [Step("keys", ok=False, found=str(error))]
    used = _used(published)
    old = len(published.keys) - len(used)
    until = moment(published.valid_until)
    told = Step("keys", ok=True, found=f"{', '.join(used)}, good until {until}" + (f"; {old} old" if old else ""))
    return [told] if own is None else [told, _own_key(published, own.key)]


def _used(published: PublishedKeys) -> list[str]:
    return [key_id for key_id, key in published.keys.items() if key.current]


def _own_key(published: PublishedKeys, key: SigningKey | str) -> Step:
    """Whether what answers under one's own name is one's own server."""
    if isinstance(key, str):
        return Step("own key", ok=False, found=key)
    told = published.keys.get(key.key_id)
    if told is not None and told.current and bytes(told.key) == bytes(key.verify_key):
        return Step("own key", ok=True, found=f"{key.key_id} is the key of this server")
    if told is not None and bytes(told.key) != bytes(key.verify_key):
        return Step("own key", ok=False, found=f"{key.key_id} is another key there: another server answers")
    why = "another server answers, or this one was not started again since its key was replaced"
    return Step("own key", ok=False, found=f"{key.key_id}, the key of this server, is not in use there: {why}")


async def _version(reached: Reach, server: ServerName) -> Step:
    try:
        content = await reached.peers.ask(server, PeerRequest(method="GET", uri=VERSION))
    except RemoteFailed as error:
        return Step("version", ok=False, found=str(error))
    software = content.get("server")
    told = software if isinstance(software, dict) else {}
    return Step("version", ok=True, found=f"{told.get('name', 'unknown')} {told.get('version', '')}".strip()[:200])
