"""What the server does: `Services` is the frozen bundle of all services that the endpoints use."""

from dataclasses import dataclass

from oriz_matrix.services.accounts.login import Login
from oriz_matrix.services.accounts.register import Register
from oriz_matrix.services.accounts.sessions import Sessions
from oriz_matrix.services.accounts.shared_secret import SharedSecret
from oriz_matrix.services.capabilities import Capabilities
from oriz_matrix.services.filters import Filters
from oriz_matrix.services.push_rules import PushRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every service, by the name of its subject."""

    capabilities: Capabilities
    filters: Filters
    login: Login
    push_rules: PushRules
    register: Register
    sessions: Sessions
    shared_secret: SharedSecret
