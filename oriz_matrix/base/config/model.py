"""The whole configuration, and the sections too small for a file of their own.

`Config(server_name="example.org")` is a full, valid configuration: every other option has a default that is safe in
production. Paths in a loaded configuration are absolute.
"""

from enum import Enum
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from oriz_matrix.base.config.accounts import Passwords, Registration, Sessions
from oriz_matrix.base.config.federation import Federation
from oriz_matrix.base.config.limits import Limits
from oriz_matrix.base.config.listeners import Listener
from oriz_matrix.base.config.types import Secret, Section


class Engine(Enum):
    """The database engines."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class Database(Section, frozen=True, kw_only=True):
    """Where everything is kept: in one SQLite file (no set-up; one process), or in PostgreSQL (for larger servers)."""

    engine: Annotated[Engine, Meta(description="The database engine.")] = Engine.SQLITE
    file: Annotated[
        Path | None,
        Meta(description="SQLite: the database's file; by default `oriz.db` inside `data_dir`.", examples=["oriz.db"]),
    ] = None
    url: Annotated[
        Secret | None,
        Meta(
            description="PostgreSQL: where the database is; secret because it can hold a password.",
            examples=["postgresql://oriz:password@localhost/oriz"],
        ),
    ] = None
    url_file: Annotated[
        Path | None, Meta(description="A file that holds `url`.", examples=["/run/secrets/oriz-database"])
    ] = None
    read_threads: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description=(
                "SQLite: threads that read, beside the one that writes. PostgreSQL: threads, each with a connection "
                "of its own. More processes help sooner than more threads."
            ),
        ),
    ] = 4


class Rooms(Section, frozen=True, kw_only=True):
    """Rooms that are created here."""

    default_version: Annotated[
        str,
        Meta(
            description="The version of a new room where the client names none.",
            extra={"expected": 'a room version in quotes, such as "12"'},
        ),
    ] = "12"


class Compression(Section, frozen=True, kw_only=True):
    """Answers are compressed for clients that take zstd, brotli or gzip. Lists and histories shrink to a third."""

    enabled: Annotated[
        bool, Meta(description="Whether answers are compressed; off where your reverse proxy does it.")
    ] = True
    minimum_bytes: Annotated[
        int, Meta(ge=0, description="The smallest answer that is compressed. Smaller ones fit into one packet anyway.")
    ] = 1024


class LogLevel(Enum):
    """What is worth a line in the log, and all that is graver."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(Enum):
    """The form of a line in the log."""

    TEXT = "text"
    JSON = "json"


class Logging(Section, frozen=True, kw_only=True):
    """What the server writes about its work."""

    level: Annotated[LogLevel, Meta(description="The least grave lines that are written.")] = LogLevel.INFO
    format: Annotated[LogFormat, Meta(description="Lines for people or for machines.")] = LogFormat.TEXT
    file: Annotated[
        Path | None,
        Meta(
            description=(
                "A file to append to, instead of the standard error stream. Where it is moved away, a new one is begun."
            ),
            examples=["oriz.log"],
        ),
    ] = None


ServerNameText = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?\Z",
        max_length=230,
        extra={"expected": "a host name or an IP address, with a port where it is not the usual one"},
    ),
]

BaseUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?\Z", extra={"expected": "a URL that starts with https:// or http://"}
    ),
]


class Config(Section, frozen=True, kw_only=True):
    """What the server is called, where it is reached, and where it keeps what is its own."""

    server_name: Annotated[
        ServerNameText,
        Meta(
            description=(
                "The name of this server: the part after the colon in user ids. It is chosen once: it is kept in the "
                "database and in every event, and can never be changed."
            ),
            examples=["example.org"],
        ),
    ]
    public_base_url: Annotated[
        BaseUrl | None,
        Meta(
            description=(
                "The URL at which clients and servers reach this server from outside. With it, this server answers "
                "`/.well-known/matrix/client` and `/server`; without it, those are not found."
            ),
            examples=["https://matrix.example.org"],
        ),
    ] = None
    data_dir: Annotated[
        Path, Meta(description="The folder for everything that the server keeps itself; made where it is missing.")
    ] = Path("data")
    signing_key_file: Annotated[
        Path | None,
        Meta(
            description=(
                "The key that signs for this server; by default `signing.key` inside `data_dir`. Made at the first "
                "start. Keep a copy: other servers know this one by it."
            ),
            examples=["signing.key"],
        ),
    ] = None
    database: Database = Database()
    listeners: Annotated[tuple[Listener, ...], Meta(min_length=1)] = (Listener(port=8008),)
    registration: Registration = Registration()
    passwords: Passwords = Passwords()
    sessions: Sessions = Sessions()
    rooms: Rooms = Rooms()
    federation: Federation = Federation()
    limits: Limits = Limits()
    compression: Compression = Compression()
    logging: Logging = Logging()

    @property
    def signing_key_path(self) -> Path:
        """The signing key's file, given or by default."""
        return self.signing_key_file or self.data_dir / "signing.key"

    @property
    def sqlite_path(self) -> Path:
        """SQLite's file, given or by default."""
        return self.database.file or self.data_dir / "oriz.db"
