"""The authorization rules of rooms, for every room version.

The specification numbers the rules anew in each room version; here they stand in the order of that list, and flags of
`RoomVersion` switch them. They are run three times on an event from outside (traps.md 21), with three states:

1. `check_auth_events(event, auth_events, rejected)`, then `check_with_state(event, <those events>)`: else rejected.
2. `check_with_state(event, <state before the event>)`: else rejected.
3. `check_with_state(event, <current state of the room>)`: else soft-failed.

A state need only hold the keys that `auth_keys` names and the create event, which stands under ("m.room.create", "")
in every room version. It never holds a rejected create event. Each check raises `Forbidden` with the rule that was
broken. What needs keys is not done here: signatures, that of `join_authorised_via_users_server` included, are checked
before (server-server API, "Checks performed on receipt of a PDU", step 2).
Source: room version pages, "Authorisation rules"; server-server API, "Auth events selection".
"""

from oriz_matrix.protocol.authorization.general import check_static, check_with_state
from oriz_matrix.protocol.authorization.power import State, may_redact, may_send, power_levels
from oriz_matrix.protocol.authorization.selection import auth_keys, auth_keys_of, check_auth_events

__all__ = [
    "State",
    "auth_keys",
    "auth_keys_of",
    "check_auth_events",
    "check_static",
    "check_with_state",
    "may_redact",
    "may_send",
    "power_levels",
]
