"""How much anybody may ask: rates and sizes."""

from typing import Annotated

from msgspec import Meta

from oriz_matrix.base.config.types import Count, Section


class Rate(Section, frozen=True, kw_only=True):
    """A leaky bucket: `burst` requests at once, and `per_second` new ones each second."""

    per_second: Annotated[float, Meta(ge=0.001, le=1_000_000, description="Requests that are regained each second.")]
    burst: Annotated[int, Meta(ge=1, le=1_000_000, description="Requests that may come at once.")]


class Rates(Section, frozen=True, kw_only=True):
    """How often somebody may do something. Whoever asks too often is told when to come again (429).

    Counted per user, where it says so per device, and per address where nobody is logged in; each process counts for
    itself."""

    enabled: Annotated[bool, Meta(description="Whether rates are limited at all. Off only for tests.")] = True
    exempt_users: Annotated[
        tuple[str, ...],
        Meta(
            description="Users of this server who may ask as often as they like, such as bots; by their whole ids.",
            examples=[["@bot:example.org"]],
        ),
    ] = ()
    login: Annotated[Rate, Meta(description="Logging in, by address.")] = Rate(per_second=0.1, burst=10)
    registration: Annotated[Rate, Meta(description="Making an account, by address.")] = Rate(per_second=0.05, burst=5)
    messages: Annotated[Rate, Meta(description="Sending messages and redactions.")] = Rate(per_second=5, burst=50)
    state: Annotated[Rate, Meta(description="Changing the state of rooms.")] = Rate(per_second=2, burst=50)
    room_creation: Annotated[Rate, Meta(description="Creating rooms.")] = Rate(per_second=0.1, burst=10)
    joins: Annotated[Rate, Meta(description="Joining rooms and leaving them.")] = Rate(per_second=0.5, burst=20)
    invites: Annotated[Rate, Meta(description="Inviting others.")] = Rate(per_second=0.5, burst=20)
    receipts: Annotated[Rate, Meta(description="Receipts and read markers, by device.")] = Rate(
        per_second=20, burst=200
    )
    typing: Annotated[Rate, Meta(description="Typing notices, by device.")] = Rate(per_second=5, burst=50)
    general: Annotated[Rate, Meta(description="Everything else that is limited, by device.")] = Rate(
        per_second=20, burst=200
    )

    def by_kind(self) -> dict[str, Rate]:
        """The rate of each kind by its name; none at all if rates are not limited."""
        return {kind: getattr(self, kind) for kind in RATE_KINDS} if self.enabled else {}


RATE_KINDS = tuple(name for name in Rates.__struct_fields__ if name not in ("enabled", "exempt_users"))


class Limits(Section, frozen=True, kw_only=True):
    """Bounds that keep one user or server from using up the others' share."""

    rates: Rates = Rates()
    client_body_bytes: Annotated[
        int, Meta(ge=65536, description="The largest body of a client's request, media aside.")
    ] = 1048576
    federation_body_bytes: Annotated[
        int, Meta(ge=65536, description="The largest body of another server's request, such as a transaction.")
    ] = 20971520
    event_page: Annotated[
        Count, Meta(description="The most events in one answer of `/messages`; a token leads on to more.")
    ] = 500
