"""What types cannot say: rules between options, and files that must be there.

A check is a function whose parameters are named like the options of `Config` that it reads; it yields a `Finding` for
each fault. It runs when those options are right by themselves.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from oriz_matrix.base.config.accounts import Passwords, Registration
from oriz_matrix.base.config.federation import Federation
from oriz_matrix.base.config.limits import Limits
from oriz_matrix.base.config.listeners import Listener
from oriz_matrix.base.config.model import Database, Engine, Rooms
from oriz_matrix.base.config.problems import Finding
from oriz_matrix.protocol.errors import InvalidParam
from oriz_matrix.protocol.identifiers import domain_of, is_server_name, parse_user_id
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS

SECRET_LENGTH = 16
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened at


def database_fits_engine(database: Database) -> Iterator[Finding]:
    """PostgreSQL needs a URL, SQLite may have a file."""
    if database.engine is Engine.POSTGRESQL:
        if database.url is None:
            yield Finding("database.url", "is missing; PostgreSQL needs it, or `url_file`, or ORIZ_DATABASE_URL")
        elif not database.url.reveal().startswith(("postgresql://", "postgres://")):
            yield Finding("database.url", "expected a URL that starts with postgresql://")
        if database.file is not None:
            yield Finding("database.file", "expected nothing, because only SQLite has a file")
    elif database.url is not None:
        yield Finding("database.engine", "expected postgresql, because a `url` is given")


def listeners_have_one_place(listeners: tuple[Listener, ...]) -> Iterator[Finding]:
    """Each listener has a port or a socket, and no two have the same."""
    for index, listener in enumerate(listeners):
        option = f"listeners[{index}]"
        if (listener.port is None) == (listener.socket is None):
            yield Finding(option, "expected either `port` or `socket`")
            continue
        for earlier, other in enumerate(listeners[:index]):
            if _same_place(listener, other):
                part = "port" if listener.socket is None else "socket"
                yield Finding(f"{option}.{part}", f"expected another one, because listeners[{earlier}] has it already")


def _same_place(one: Listener, other: Listener) -> bool:
    if one.socket is not None or other.socket is not None:
        return one.socket == other.socket
    same_address = one.address == other.address or one.address in EVERYWHERE or other.address in EVERYWHERE
    return same_address and one.port == other.port and one.port not in (None, 0)


def tls_files_are_there(listeners: tuple[Listener, ...]) -> Iterator[Finding]:
    """Certificates and keys can be read."""
    for index, listener in enumerate(listeners):
        if listener.tls is not None:
            for name in ("certificate", "key"):
                yield from _readable(f"listeners[{index}].tls.{name}", getattr(listener.tls, name))


def _readable(option: str, file: Path) -> Iterator[Finding]:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        yield Finding(option, f"expected a file that can be read, but {file} cannot: {error.strerror}")


def open_registration_is_meant(registration: Registration) -> Iterator[Finding]:
    """Nobody opens a server to everybody by one word; no proof can be asked for yet, so both words are needed."""
    if registration.enabled and not registration.without_verification:
        yield Finding(
            "registration.without_verification",
            "expected true, because `registration.enabled` lets anybody in unverified; say so here if it is meant",
        )


def shared_secret_is_long(registration: Registration) -> Iterator[Finding]:
    """A secret that makes administrators cannot be guessed."""
    secret = registration.shared_secret
    if secret is not None and len(secret.reveal()) < SECRET_LENGTH:
        yield Finding("registration.shared_secret", f"expected {SECRET_LENGTH} characters or more")


def password_lengths_are_in_order(passwords: Passwords) -> Iterator[Finding]:
    """Some password is allowed."""
    if passwords.minimum_length > passwords.maximum_length:
        message = f"expected at most `maximum_length`, which is {passwords.maximum_length}"
        yield Finding("passwords.minimum_length", message)


def argon2_has_its_memory(passwords: Passwords) -> Iterator[Finding]:
    """RFC 9106, section 3.1: 8 KiB for each lane."""
    least = 8 * passwords.argon2.parallelism
    if passwords.argon2.memory_kib < least:
        yield Finding("passwords.argon2.memory_kib", f"expected at least {least}, 8 times `parallelism`")


def room_version_is_known(rooms: Rooms) -> Iterator[Finding]:
    """New rooms have a version that this server knows."""
    if rooms.default_version not in ROOM_VERSIONS:
        known = ", ".join(ROOM_VERSIONS)
        yield Finding("rooms.default_version", f"expected one of {known}, found '{rooms.default_version}'")


def exempt_users_are_ours(limits: Limits, server_name: str) -> Iterator[Finding]:
    """Limits are lifted for users of this server by their whole ids; a slip would lift nothing and say nothing."""
    for index, user_id in enumerate(limits.rates.exempt_users):
        try:
            ours = domain_of(parse_user_id(user_id, "user_id")) == server_name
        except InvalidParam:
            ours = False
        if not ours:
            message = f"expected a user of this server, such as @bot:{server_name}, found '{user_id}'"
            yield Finding(f"limits.rates.exempt_users[{index}]", message)


def authorities_are_there(federation: Federation) -> Iterator[Finding]:
    """The files of trusted authorities can be read."""
    for index, file in enumerate(federation.ca_files):
        yield from _readable(f"federation.ca_files[{index}]", file)


def notaries_are_servers(federation: Federation) -> Iterator[Finding]:
    """A notary is named like any server, with its port where it has one."""
    for index, name in enumerate(federation.trusted_notaries):
        if not is_server_name(name):
            yield Finding(f"federation.trusted_notaries[{index}]", f"expected the name of a server, found '{name}'")


def proxy_is_an_address(federation: Federation) -> Iterator[Finding]:
    """The proxy speaks HTTP; what its URL holds beside is nobody's business."""
    if federation.proxy is not None and not federation.proxy.reveal().startswith(("http://", "https://")):
        yield Finding("federation.proxy", "expected a URL that starts with http:// or https://")


CHECKS: tuple[Callable[..., Iterator[Finding]], ...] = (
    database_fits_engine,
    listeners_have_one_place,
    tls_files_are_there,
    open_registration_is_meant,
    shared_secret_is_long,
    password_lengths_are_in_order,
    argon2_has_its_memory,
    room_version_is_known,
    exempt_users_are_ours,
    authorities_are_there,
    notaries_are_servers,
    proxy_is_an_address,
)
