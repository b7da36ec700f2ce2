"""What the server does: `Services` is the frozen bundle of all services that the endpoints use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every service, by the name of its subject."""
