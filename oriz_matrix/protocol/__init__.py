"""What Matrix is: pure functions and frozen types. No I/O, no clock, no randomness, no asyncio, no logging.

What happens to an event (PDU) that comes from another server, and where each step is (server-server API, "Checks
performed on receipt of a PDU"):

1. It has the form of its room version: `event_format`, `events.event_from_pdu`. Else it is dropped.
2. It is signed by every server that must sign it: `signing.verify_event_signatures`. Else it is dropped.
3. Its content has the hash that it names: `hashing.content_hash_matches`. Else only its redacted form is kept
   (`redaction`).
4. It is allowed by the events that it names as its authorization: `authorization.check_auth_events`, then
   `authorization.check_with_state`. Else it is rejected: kept, and shown to nobody.
5. It is allowed by the state before it, which `resolution` makes of the states after its previous events. Else it is
   rejected.
6. It is allowed by the current state of the room. Else it is soft-failed: kept, part of state resolution, not shown.

The server's access control list of a room (`acl`) is asked before all that, at the edge of the network.
"""
