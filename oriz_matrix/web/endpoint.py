"""How an endpoint is declared: a decorator that attaches a frozen `Endpoint` to the function, and nothing else.

    @endpoint.put("/rooms/{room_id}/send/{event_type}/{txn_id}",
                  versions=CLIENT_R0_V3, auth=Auth.USER, limit=Limit.MESSAGES, guests=True)
    async def send_message(call: UserCall, room_id: RoomId, event_type: str, txn_id: str,
                           body: JsonObject) -> EventIdResponse: ...

Path templates: `{name}` is one segment that is not empty; `{name?}`, only at the end, may also be empty or absent with
its slash (the function then gets ""); a template that ends with a slash matches without it too. The function's
arguments are matched by name: the call first, then those of the path, `body` and `query` (see `web.arguments`).
Nothing is registered here: `declared` finds the declarations of a module, `web.dispatch` makes a table of them.
"""

from collections.abc import Awaitable, Callable, Iterator
from enum import Enum
from types import ModuleType
from typing import Annotated, Any, Required, TypedDict, TypeVar, Unpack

import msgspec

from oriz_matrix.base.config.listeners import Surface as Part
from oriz_matrix.web.limits import Limit

JsonObject = dict[str, Any]
OptionalJsonObject = Annotated[JsonObject, "empty where there is no body"]
Handler = Callable[..., Awaitable[Any]]
H = TypeVar("H", bound=Handler)

CLIENT_R0_V3 = ("r0", "v3")
CLIENT_V1 = ("v1",)
CLIENT_V3 = ("v3",)
CLIENT_R0_V1_V3 = ("r0", "v1", "v3")
FEDERATION_V1 = ("v1",)
FEDERATION_V2 = ("v2",)
KEYS_V2 = ("v2",)


class Auth(Enum):
    """Who may call an endpoint; decides the type of its call."""

    NONE = "none"
    OPTIONAL_USER = "optional user"
    USER = "user"
    ADMIN = "admin"
    SERVER = "server"


class Surface(msgspec.Struct, frozen=True):
    """A family of endpoints; `part` is what a listener must offer so that they stand there.

    Endpoints stand at `prefix/version/path`, those without versions at `prefix/path`.
    """

    part: Part
    prefix: str = ""
    cors: bool = True


CLIENT = Surface(Part.CLIENT, "/_matrix/client")
MEDIA = Surface(Part.CLIENT, "/_matrix/media")
ADMIN = Surface(Part.CLIENT)
PAGES = Surface(Part.CLIENT)
FEDERATION = Surface(Part.FEDERATION, "/_matrix/federation")
KEYS = Surface(Part.FEDERATION, "/_matrix/key")
METRICS = Surface(Part.METRICS, cors=False)


class Options(TypedDict, total=False):
    """What a declaration says beside method and path.

    versions: the path's versions below the surface's prefix; empty where the path has none.
    guests: may guest accounts call it?
    locked: may locked accounts call it? (Only what logs out.)
    unstable: further paths, complete below `prefix/unstable`, such as "/org.matrix.msc3916/media/config".
    cancellable: may the function be cancelled when the client goes away? Never for what writes.
    body_limit: bytes, where it is not the surface's configured one.
    """

    auth: Required[Auth]
    versions: tuple[str, ...]
    limit: Limit | None
    guests: bool
    locked: bool
    surface: Surface
    unstable: tuple[str, ...]
    cancellable: bool
    body_limit: int | None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One declared endpoint; the members are those of `Options`."""

    method: str
    path: str
    handler: Handler
    auth: Auth
    versions: tuple[str, ...] = ()
    limit: Limit | None = None
    guests: bool = False
    locked: bool = False
    surface: Surface = CLIENT
    unstable: tuple[str, ...] = ()
    cancellable: bool = False
    body_limit: int | None = None

    @property
    def label(self) -> str:
        """The endpoint's name in metrics: its template without the version."""
        return self.surface.prefix + self.path

    def paths(self) -> list[str]:
        """Every complete path template at which the endpoint stands."""
        prefix = self.surface.prefix
        stable = [f"{prefix}/{version}{self.path}" for version in self.versions] or [prefix + self.path]
        return stable + [f"{prefix}/unstable{path}" for path in self.unstable]


def get(path: str, **options: Unpack[Options]) -> Callable[[H], H]:
    """Declare a GET endpoint."""
    return _declare("GET", path, options)


def put(path: str, **options: Unpack[Options]) -> Callable[[H], H]:
    """Declare a PUT endpoint."""
    return _declare("PUT", path, options)


def post(path: str, **options: Unpack[Options]) -> Callable[[H], H]:
    """Declare a POST endpoint."""
    return _declare("POST", path, options)


def delete(path: str, **options: Unpack[Options]) -> Callable[[H], H]:
    """Declare a DELETE endpoint."""
    return _declare("DELETE", path, options)


def _declare(method: str, path: str, options: Options) -> Callable[[H], H]:
    def attach(handler: H) -> H:
        vars(handler)["endpoint"] = Endpoint(method=method, path=path, handler=handler, **options)
        return handler

    return attach


def of(handler: Handler) -> Endpoint:
    """The declaration attached to a function; `KeyError` if there is none."""
    declaration = vars(handler)["endpoint"]
    assert isinstance(declaration, Endpoint)
    return declaration


def declared(*modules: ModuleType) -> Iterator[Endpoint]:
    """The declarations of the functions that these modules define, in the order of their source."""
    for module in modules:
        for member in vars(module).values():
            if getattr(member, "__module__", None) == module.__name__ and "endpoint" in getattr(member, "__dict__", {}):
                yield of(member)
