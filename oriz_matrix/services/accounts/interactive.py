"""User-interactive authentication: a request is answered 401 until the client has gone through one of the flows.

A session remembers the request's parameters and which stages are done. Client-server API, "User-Interactive
Authentication API". A `Stage` looks at the credentials of one step and raises a MatrixError for what proves nothing.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.errors import BadJson, Forbidden, MatrixError, Unauthorized
from oriz_matrix.storage import auth_sessions
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction

LIFETIME_MS = 30 * 60_000
DUMMY = "m.login.dummy"

AuthData = Mapping[str, Any]
Stage = Callable[[AuthData], Awaitable[None]]
Flow = tuple[str, ...]


class AuthenticationRequired(Unauthorized):
    """The 401 that says what is still to be proven; carries an errcode only after a stage failed."""

    def body(self) -> dict[str, Any]:
        """Flows, params and session, what is completed, and what was wrong."""
        return self.extra


class Request(msgspec.Struct, frozen=True):
    """What is asked for. Both parts fit into JSON and are stored, so `sealed` holds secrets only as slow hashes.

    Once a stage is done the parameters cannot change; the hashes, which differ each time, are not compared.
    """

    parameters: dict[str, Any] = {}
    sealed: dict[str, Any] = {}


class Progress(msgspec.Struct, kw_only=True):
    """What a session remembers."""

    request: Request
    completed: tuple[str, ...] = ()


class Proof(msgspec.Struct, frozen=True):
    """A flow was gone through, for this request. Whoever acts on it calls `use_up`."""

    purpose: str
    session: str | None
    request: Request


class Attempt(msgspec.Struct, kw_only=True):
    """The member `auth` of a request; credentials are further members."""

    type: str | None = None
    session: str | None = None


class Interactive:
    """The sessions of interactive authentication."""

    def __init__(self, db: Database, clock: Clock, ids: Ids, stages: Mapping[str, Stage]) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._stages = stages

    async def prove(self, purpose: str, flows: Sequence[Flow], request: Request, auth: AuthData | None) -> Proof:
        """The proof that a flow was gone through; raises AuthenticationRequired until it is.

        `purpose` says for what, and for whom: a session serves that alone. A client may repeat its request with nothing
        but `auth`; the session's own parameters are meant then.
        """
        attempt = _attempt(auth)
        session, progress, failure = await self._resume(purpose, attempt, request)
        before = progress.completed
        if auth is not None and failure is None and attempt.type is not None:
            failure = await self._try(attempt.type, auth, flows, progress)
        is_proven = failure is None and progress.completed in flows
        if not is_proven or (session is not None and progress.completed != before):
            session = await self._save(purpose, session, progress)
        if not is_proven:
            assert session is not None
            raise _required(flows, session, progress, failure)
        return Proof(purpose, session, progress.request)

    async def _resume(
        self, purpose: str, attempt: Attempt, request: Request
    ) -> tuple[str | None, Progress, MatrixError | None]:
        """The session that the client names, or a new one with the complaint that there is no such."""
        if attempt.session is None:
            return None, Progress(request=request), None
        payload = await self._db.read(auth_sessions.find, attempt.session, purpose, self._clock.now_ms())
        if payload is None:
            complaint = Forbidden("auth.session: there is no such session, or no longer; here is a new one")
            return None, Progress(request=request), complaint
        progress = msgspec.json.decode(payload, type=Progress)
        if request.parameters and request.parameters != progress.request.parameters:
            if progress.completed:
                raise Forbidden("This is not the request that the session was begun for")
            progress.request = request
        return attempt.session, progress, None

    async def _try(self, stage: str, auth: AuthData, flows: Sequence[Flow], progress: Progress) -> MatrixError | None:
        """Completes a stage, or says what is wrong. One that is completed already is not tried again."""
        if stage in progress.completed:
            return None
        done = (*progress.completed, stage)
        if not any(flow[: len(done)] == done for flow in flows):
            return Forbidden(f"auth.type: {stage} is not the next stage of any flow")
        try:
            await self._stages[stage](auth)
        except MatrixError as error:
            return error
        progress.completed = done
        return None

    async def _save(self, purpose: str, session: str | None, progress: Progress) -> str:
        payload = msgspec.json.encode(progress)
        if session is not None:
            await self._db.write(auth_sessions.replace, session, payload)
            return session
        session = self._ids.session_id()
        now_ms = self._clock.now_ms()
        await self._db.write(auth_sessions.create, session, purpose, payload, (now_ms, now_ms + LIFETIME_MS))
        return session


def use_up(tx: Transaction, proof: Proof, now_ms: int) -> None:
    """In the transaction of what was proven, so that one proof serves once; raises Forbidden for the second."""
    if proof.session is not None and not auth_sessions.take(tx, proof.session, proof.purpose, now_ms):
        raise Forbidden("This session has served its purpose already")


async def dummy(_credentials: AuthData) -> None:
    """m.login.dummy proves nothing and always succeeds."""


def _attempt(auth: AuthData | None) -> Attempt:
    try:
        return msgspec.convert(auth or {}, Attempt)
    except msgspec.ValidationError as error:
        raise BadJson(f"auth: {error}") from None


def _required(
    flows: Sequence[Flow], session: str, progress: Progress, failure: MatrixError | None
) -> AuthenticationRequired:
    body: dict[str, Any] = {"flows": [{"stages": flow} for flow in flows], "params": {}, "session": session}
    if progress.completed:
        body["completed"] = progress.completed
    if failure is not None:
        body |= failure.body()
    return AuthenticationRequired(**body)
