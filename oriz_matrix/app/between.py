"""What passes between this server and others, constructed in the order in which it depends on each other."""

from typing import NamedTuple

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.ids import Ids
from oriz_matrix.net.federation import Federation
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.encryption.incoming import IncomingDevices
from oriz_matrix.services.federation_in.backfill import Backfill
from oriz_matrix.services.federation_in.edus import EDUS, Edu
from oriz_matrix.services.federation_in.entering import Entering
from oriz_matrix.services.federation_in.missing import MissingEvents
from oriz_matrix.services.federation_in.receive import Receive
from oriz_matrix.services.federation_in.retracted import Retracted
from oriz_matrix.services.federation_in.settle import Count, Settle
from oriz_matrix.services.federation_in.transactions import Taking, Told, Transactions
from oriz_matrix.services.federation_in.verify import Verify
from oriz_matrix.services.federation_out.senders import Owner, Senders
from oriz_matrix.services.jobs import Jobs
from oriz_matrix.services.membership.elsewhere import Elsewhere, Finding
from oriz_matrix.services.membership.handshakes import Handshakes
from oriz_matrix.services.membership.invited import Invited
from oriz_matrix.services.membership.remote import Incoming, Remote
from oriz_matrix.services.membership.resident import Resident
from oriz_matrix.services.membership.third_party import ThirdPartyInvites
from oriz_matrix.services.outgoing import Outgoing
from oriz_matrix.services.policy_servers import PolicyServers
from oriz_matrix.services.rooms.append import Append, Makes
from oriz_matrix.services.rooms.prepare import Prepare
from oriz_matrix.services.server_keys import ServerKeys
from oriz_matrix.services.typing_notices import TypingNotices
from oriz_matrix.storage.database import Database


class Below(NamedTuple):
    """What it stands on; `federation` is None where this server talks with no other; `fates` hears what becomes of
    events of others."""

    database: Database
    clock: Clock
    ids: Ids
    here: ServerName
    changes: Changes
    jobs: Jobs
    outgoing: Outgoing
    federation: Federation | None
    server_keys: ServerKeys
    prepare: Prepare
    policy: PolicyServers
    append: Append
    typing_notices: TypingNotices
    finding: Finding
    fates: Count


class Between(NamedTuple):
    """What takes in, and what sends; `senders` is None where this server talks with no other."""

    receive: Receive
    backfill: Backfill
    transactions: Transactions
    resident: Resident
    invited: Invited
    elsewhere: Elsewhere
    third_party_invites: ThirdPartyInvites
    senders: Senders | None


def between(below: Below) -> Between:
    """Constructs it all; nothing runs yet."""
    database, clock, here, federation = below.database, below.clock, below.here, below.federation
    verify = Verify(below.server_keys)
    missing = MissingEvents(database, federation, verify)
    settle = Settle(database, below.append, missing, below.policy, below.fates)
    entering = Entering()
    receive = Receive(database, below.append, settle, entering, clock, below.fates)
    owner = Owner(below.ids.job_owner(), database.one_process)
    devices = {kind: Edu(take, durable=True) for kind, take in IncomingDevices(here).takes.items()}
    edus = {**EDUS, **devices}
    taking = Taking(verify, receive, Retracted(database, verify, below.changes), entering, edus)
    handshakes = Handshakes(federation, here, below.prepare.key, clock)
    remote = Remote(database, below.append, below.prepare, handshakes, Incoming(verify, missing, receive, entering))
    makes = Makes(below.prepare, below.policy)
    elsewhere = Elsewhere(database, below.finding, makes, remote, handshakes, receive)
    told = Told(below.changes, below.jobs, below.typing_notices, below.fates)
    return Between(
        receive=receive,
        backfill=Backfill(database, federation, verify, missing),
        transactions=Transactions(database, taking, told, clock),
        resident=Resident(database, below.prepare, verify, receive, elsewhere.inviting),
        invited=Invited(database, verify, remote, below.prepare),
        elsewhere=elsewhere,
        third_party_invites=ThirdPartyInvites(database, below.append, elsewhere, handshakes, below.jobs),
        senders=Senders(database, federation, below.outgoing, clock, owner, here) if federation else None,
    )
