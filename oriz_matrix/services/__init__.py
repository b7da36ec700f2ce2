"""What the server does: `Services` is the frozen bundle of all services that the endpoints use."""

from dataclasses import dataclass

from oriz_matrix.services.account_data import AccountData
from oriz_matrix.services.accounts.login import Login
from oriz_matrix.services.accounts.register import Register
from oriz_matrix.services.accounts.sessions import Sessions
from oriz_matrix.services.accounts.shared_secret import SharedSecret
from oriz_matrix.services.capabilities import Capabilities
from oriz_matrix.services.creation.create import Create
from oriz_matrix.services.creation.upgrade import Upgrade
from oriz_matrix.services.filters import Filters
from oriz_matrix.services.membership.change import Membership
from oriz_matrix.services.profiles import Profiles
from oriz_matrix.services.push_rules import PushRules
from oriz_matrix.services.receipts import Receipts
from oriz_matrix.services.rooms.aliases import Aliases
from oriz_matrix.services.rooms.history import History
from oriz_matrix.services.rooms.read import Read
from oriz_matrix.services.rooms.send import Send
from oriz_matrix.services.server_keys import ServerKeys
from oriz_matrix.services.sync.respond import Sync
from oriz_matrix.services.typing_notices import TypingNotices


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every service, by the name of its subject."""

    account_data: AccountData
    aliases: Aliases
    capabilities: Capabilities
    create: Create
    filters: Filters
    history: History
    login: Login
    membership: Membership
    profiles: Profiles
    push_rules: PushRules
    read: Read
    receipts: Receipts
    register: Register
    send: Send
    server_keys: ServerKeys
    sessions: Sessions
    shared_secret: SharedSecret
    sync: Sync
    typing_notices: TypingNotices
    upgrade: Upgrade
