"""Rate limits: how often somebody may do something.

Each kind has a rate and a burst, and is counted per user, per device or per address. The counters live in this process
only, so several workers allow several times as much. Client-server API, "Rate limiting".

A counter is one number, the moment at which its bucket of tokens would be full again (the generic cell rate
algorithm, which equals a token bucket): nothing has to be refilled, and a moment in the past may be forgotten.
"""

import math
from collections.abc import Mapping
from enum import Enum
from itertools import islice

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.limits import Rate
from oriz_matrix.protocol.errors import LimitExceeded
from oriz_matrix.services.accounts.requester import Requester


class Scope(Enum):
    """What a limit counts by; a request without a requester is counted by its address."""

    USER = "user"
    DEVICE = "device"
    ADDRESS = "address"


class Limit(Enum):
    """The kinds of limits, by the names of their options in `base.config.limits.Rates`."""

    LOGIN = "login"
    REGISTRATION = "registration"
    MESSAGES = "messages"
    STATE = "state"
    ROOM_CREATION = "room_creation"
    JOINS = "joins"
    INVITES = "invites"
    RECEIPTS = "receipts"
    TYPING = "typing"
    GENERAL = "general"


SCOPES = {
    Limit.LOGIN: Scope.ADDRESS,
    Limit.REGISTRATION: Scope.ADDRESS,
    Limit.RECEIPTS: Scope.DEVICE,
    Limit.TYPING: Scope.DEVICE,
    Limit.GENERAL: Scope.DEVICE,
}
"""The scope of each kind that is not counted by user."""


class Limits:
    """The counters of one process, at most `capacity` of them; `rates` as `Rates.by_kind` gives them."""

    def __init__(self, rates: Mapping[str, Rate], clock: Clock, capacity: int = 100_000) -> None:
        self._rates = {Limit(kind): rate for kind, rate in rates.items()}
        self._clock = clock
        self._capacity = capacity
        self._full_at: dict[tuple[Limit, str, str | None], float] = {}

    def take(self, kind: Limit, ip: str, requester: Requester | None = None) -> None:
        """Count one request; raises `LimitExceeded` if it is one too many. A kind without a rate has no limit."""
        rate = self._rates.get(kind)
        if rate is not None and (requester is None or requester.rate_limited):
            self._count(_key(kind, ip, requester), rate)

    def _count(self, key: tuple[Limit, str, str | None], rate: Rate) -> None:
        now = self._clock.monotonic()
        cost = 1 / rate.per_second
        full_at = max(self._full_at.get(key, now), now) + cost
        wait = full_at - now - rate.burst * cost
        if wait > 1e-9:
            raise LimitExceeded(math.ceil(wait * 1000))
        if len(self._full_at) >= self._capacity and key not in self._full_at:
            self._make_room(now)
        self._full_at[key] = full_at

    def _make_room(self, now: float) -> None:
        """Forget the counters that say nothing any more; a tenth of the oldest if there are too few of those."""
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        for key in list(islice(self._full_at, max(0, len(self._full_at) - self._capacity * 9 // 10))):
            del self._full_at[key]


def _key(kind: Limit, ip: str, requester: Requester | None) -> tuple[Limit, str, str | None]:
    scope = SCOPES.get(kind, Scope.USER)
    if requester is None or scope is Scope.ADDRESS:
        return kind, ip, None
    return kind, requester.user_id, requester.device_id if scope is Scope.DEVICE else None
