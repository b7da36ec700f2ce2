"""What the server does: `Services` is the frozen bundle of all services that the endpoints use."""

from dataclasses import dataclass

from oriz_matrix.services.account_data import AccountData
from oriz_matrix.services.accounts.login import Login
from oriz_matrix.services.accounts.openid import OpenId
from oriz_matrix.services.accounts.register import Register
from oriz_matrix.services.accounts.sessions import Sessions
from oriz_matrix.services.accounts.shared_secret import SharedSecret
from oriz_matrix.services.capabilities import Capabilities
from oriz_matrix.services.creation.create import Create
from oriz_matrix.services.creation.upgrade import Upgrade
from oriz_matrix.services.encryption.answers import KeyAnswers
from oriz_matrix.services.encryption.cross_signing import CrossSigning
from oriz_matrix.services.encryption.keys import Keys
from oriz_matrix.services.encryption.to_device import ToDevice
from oriz_matrix.services.federation_answers.history import HistoryAnswers
from oriz_matrix.services.federation_answers.states import StateAnswers
from oriz_matrix.services.federation_in.transactions import Transactions
from oriz_matrix.services.filters import Filters
from oriz_matrix.services.membership.change import Membership
from oriz_matrix.services.membership.invited import Invited
from oriz_matrix.services.membership.resident import Resident
from oriz_matrix.services.membership.third_party import ThirdPartyInvites
from oriz_matrix.services.profiles import Profiles
from oriz_matrix.services.push_rules import PushRules
from oriz_matrix.services.receipts import Receipts
from oriz_matrix.services.rooms.aliases import Aliases
from oriz_matrix.services.rooms.directory import Directory
from oriz_matrix.services.rooms.hierarchy import SpaceWalks
from oriz_matrix.services.rooms.history import History
from oriz_matrix.services.rooms.read import Read
from oriz_matrix.services.rooms.send import Send
from oriz_matrix.services.rooms.summaries import Summaries
from oriz_matrix.services.rooms.times import Times
from oriz_matrix.services.server_keys import ServerKeys
from oriz_matrix.services.sync.event_stream import EventStream
from oriz_matrix.services.sync.respond import Sync
from oriz_matrix.services.sync.snapshots import Snapshots
from oriz_matrix.services.typing_notices import TypingNotices


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every service, by the name of its subject."""

    account_data: AccountData
    aliases: Aliases
    capabilities: Capabilities
    create: Create
    cross_signing: CrossSigning
    directory: Directory
    event_stream: EventStream
    filters: Filters
    history: History
    history_answers: HistoryAnswers
    key_answers: KeyAnswers
    keys: Keys
    invited: Invited
    login: Login
    membership: Membership
    openid: OpenId
    profiles: Profiles
    push_rules: PushRules
    read: Read
    receipts: Receipts
    register: Register
    resident: Resident
    send: Send
    server_keys: ServerKeys
    sessions: Sessions
    shared_secret: SharedSecret
    state_answers: StateAnswers
    snapshots: Snapshots
    space_walks: SpaceWalks
    summaries: Summaries
    sync: Sync
    third_party_invites: ThirdPartyInvites
    times: Times
    to_device: ToDevice
    transactions: Transactions
    typing_notices: TypingNotices
    upgrade: Upgrade
