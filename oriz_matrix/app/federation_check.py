"""Tries to talk with another server, step by step, and tells what each step found."""

from collections.abc import Callable

import msgspec

from oriz_matrix.app.reach import Reach
from oriz_matrix.net.discovery import Resolution
from oriz_matrix.net.errors import RemoteFailed
from oriz_matrix.net.names import NameFailed
from oriz_matrix.net.peers import PeerRequest
from oriz_matrix.net.probe import Certificate
from oriz_matrix.protocol.identifiers import ServerName, is_ip_literal, is_server_name
from oriz_matrix.protocol.server_discovery import Target

VERSION = "/_matrix/federation/v1/version"


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


async def check(server: str, reached: Reach, moment: Callable[[int], str | None], *, by_proxy: bool) -> Report:
    """Takes all steps as far as they lead. `moment` writes milliseconds for people."""
    steps = [_name(server, reached)]
    if steps[-1].ok:
        name = ServerName(server)
        try:
            found = await reached.discovery.resolve(name)
        except RemoteFailed as error:
            steps.append(Step("discovery", ok=False, found=str(error)))
        else:
            steps += _discovered(found)
            for target in () if by_proxy else found.targets:
                steps += await _addresses(reached, target)
            steps += [await _keys(reached, name, moment), await _version(reached, name)]
    return Report(server, steps[-1].step == "version" and all(step.ok for step in steps[-2:]), steps)


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


async def _addresses(reached: Reach, target: Target) -> list[Step]:
    literal = is_ip_literal(f"[{target.host}]" if ":" in target.host else target.host)
    try:
        addresses = [target.host] if literal else await reached.client.names.addresses(target.host)
    except NameFailed as error:
        return [Step("address", ok=False, found=str(error))]
    return [await _address(reached, address, target) for address in dict.fromkeys(addresses)]


async def _address(reached: Reach, address: str, target: Target) -> Step:
    try:
        certificate = await reached.client.probe(address, target)
    except RemoteFailed as error:
        return Step("address", ok=False, found=f"{address}: {error}")
    return Step("address", ok=True, found=f"{address}: {_shown(certificate)}")


def _shown(certificate: Certificate) -> str:
    if certificate.expires is None:
        return f"{certificate.tls_version}, the certificate is not checked"
    names = ", ".join(certificate.names[:5])
    return f"{certificate.tls_version}, certificate for {names} by {certificate.issuer} until {certificate.expires}"


async def _keys(reached: Reach, server: ServerName, moment: Callable[[int], str | None]) -> Step:
    try:
        published = await reached.keys.direct(server)
    except RemoteFailed as error:
        return Step("keys", ok=False, found=str(error))
    used = [key_id for key_id, key in published.keys.items() if key.current]
    old = len(published.keys) - len(used)
    until = moment(published.valid_until)
    return Step("keys", ok=True, found=f"{', '.join(used)}, good until {until}" + (f"; {old} old" if old else ""))


async def _version(reached: Reach, server: ServerName) -> Step:
    try:
        content = await reached.peers.ask(server, PeerRequest(method="GET", uri=VERSION))
    except RemoteFailed as error:
        return Step("version", ok=False, found=str(error))
    software = content.get("server")
    told = software if isinstance(software, dict) else {}
    return Step("version", ok=True, found=f"{told.get('name', 'unknown')} {told.get('version', '')}".strip()[:200])
