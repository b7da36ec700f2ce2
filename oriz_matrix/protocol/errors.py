"""Every error that Oriz tells a client or another server, as one small tree.

    MatrixError
    ├── BadRequest (400)      NotJson  BadJson  MissingParam  InvalidParam  TooDeep ...
    ├── Unauthorized (401)    MissingToken  UnknownToken  UserLocked
    ├── Forbidden (403)       UserDeactivated  GuestAccessForbidden  BadState ...
    ├── NotFound (404)        Unrecognized
    ├── ServerManaged (405)
    ├── AlreadyExists (409)
    ├── TooLarge (413)
    ├── LimitExceeded (429)
    ├── Internal (500)
    ├── BadGateway (502)
    └── Unavailable (503)

Raised anywhere, translated to HTTP in one place (`web.responses`). The message is for people; it names the offending
field and never anything internal. Codes: client-server API, "Common error codes"; server-server API, "Errors".
"""

from typing import Any


class MatrixError(Exception):
    """An error with a Matrix errcode and an HTTP status; `extra` are further members of the JSON answer."""

    errcode = "M_UNKNOWN"
    status = 400
    message = "The request could not be carried out"

    def __init__(self, message: str | None = None, **extra: Any) -> None:
        self.message = message or type(self).message
        self.extra = extra
        super().__init__(self.message)

    def body(self) -> dict[str, Any]:
        """The JSON answer: errcode, error and whatever the code adds."""
        return {"errcode": self.errcode, "error": self.message, **self.extra}


class BadRequest(MatrixError):
    """The request is understood and cannot be carried out as it is."""


class NotJson(BadRequest):
    """The body is not JSON at all."""

    errcode = "M_NOT_JSON"
    message = "The content is not JSON"


class BadJson(BadRequest):
    """The body is JSON, and something in it is missing or of the wrong shape."""

    errcode = "M_BAD_JSON"
    message = "The JSON does not have the expected form"


class MissingParam(BadRequest):
    """A required parameter is absent."""

    errcode = "M_MISSING_PARAM"
    message = "A required parameter is missing"


class InvalidParam(BadRequest):
    """A parameter has a value that is not allowed."""

    errcode = "M_INVALID_PARAM"
    message = "A parameter has a wrong value"


class KeyTooLarge(BadRequest):
    """The name of a profile field is longer than allowed."""

    errcode = "M_KEY_TOO_LARGE"
    message = "The name of the profile field is too long"


class ProfileTooLarge(BadRequest):
    """The profile would become larger than allowed."""

    errcode = "M_PROFILE_TOO_LARGE"
    message = "The profile would become too large"


class InvalidUsername(BadRequest):
    """The wanted user name breaks the grammar."""

    errcode = "M_INVALID_USERNAME"
    message = "The user name is not valid"


class UserInUse(BadRequest):
    """The wanted user name is taken."""

    errcode = "M_USER_IN_USE"
    message = "The user name is taken"


class WeakPassword(BadRequest):
    """The password does not satisfy the server's policy."""

    errcode = "M_WEAK_PASSWORD"
    message = "The password is too weak"


class RoomInUse(BadRequest):
    """The wanted room alias is taken."""

    errcode = "M_ROOM_IN_USE"
    message = "The room alias is taken"


class BadAlias(BadRequest):
    """An alias in m.room.canonical_alias does not point to the room."""

    errcode = "M_BAD_ALIAS"
    message = "The alias does not point to this room"


class InvalidRoomState(BadRequest):
    """The initial state of a room would be refused by the authorization rules."""

    errcode = "M_INVALID_ROOM_STATE"
    message = "The room cannot be created with this state"


class UnsupportedRoomVersion(BadRequest):
    """The wanted room version is not one that this server can create."""

    errcode = "M_UNSUPPORTED_ROOM_VERSION"
    message = "This room version is not supported"


class IncompatibleRoomVersion(BadRequest):
    """The other server does not know the room's version; `room_version` names it."""

    errcode = "M_INCOMPATIBLE_ROOM_VERSION"
    message = "The room has a version that you do not support"


class UnableToAuthoriseJoin(BadRequest):
    """This server cannot see whether somebody may join a restricted room; another one may."""

    errcode = "M_UNABLE_TO_AUTHORISE_JOIN"
    message = "This server cannot tell whether the user may join"


class UnableToGrantJoin(BadRequest):
    """Somebody may join a restricted room, and nobody here has the power to let them in; another server may have."""

    errcode = "M_UNABLE_TO_GRANT_JOIN"
    message = "Nobody on this server may let the user in"


class InvalidSignature(BadRequest):
    """A key that is to be published is not signed as it must be."""

    errcode = "M_INVALID_SIGNATURE"
    message = "The signature is missing or wrong"


class DuplicateAnnotation(BadRequest):
    """The same reaction by the same user to the same event."""

    errcode = "M_DUPLICATE_ANNOTATION"
    message = "You have sent this reaction already"


class Unauthorized(MatrixError):
    """The request lacks the credentials it needs."""

    errcode = "M_UNAUTHORIZED"
    status = 401
    message = "Not authorized"


class MissingToken(Unauthorized):
    """No access token was given."""

    errcode = "M_MISSING_TOKEN"
    message = "Missing access token"


class UnknownToken(Unauthorized):
    """The access token is not (or no longer) valid; `soft_logout=True` says that logging in again keeps the device."""

    errcode = "M_UNKNOWN_TOKEN"
    message = "Unrecognised access token"


class UserLocked(Unauthorized):
    """The account is locked; only logging out is possible."""

    errcode = "M_USER_LOCKED"
    message = "This account has been locked"


class Forbidden(MatrixError):
    """The requester may not do this."""

    errcode = "M_FORBIDDEN"
    status = 403
    message = "You may not do this"


class UserDeactivated(Forbidden):
    """The account was deactivated."""

    errcode = "M_USER_DEACTIVATED"
    message = "This account has been deactivated"


class UserSuspended(Forbidden):
    """The account is suspended and may only do a few things."""

    errcode = "M_USER_SUSPENDED"
    message = "This account is suspended"


class BadState(Forbidden):
    """The wanted change does not fit the present state, such as the lifting of a ban where there is none."""

    errcode = "M_BAD_STATE"
    message = "The room's state does not allow this"


class GuestAccessForbidden(Forbidden):
    """Guests may not do this."""

    errcode = "M_GUEST_ACCESS_FORBIDDEN"
    message = "Guests may not do this"


class NotFound(MatrixError):
    """There is no such thing, or the requester may not know that there is."""

    errcode = "M_NOT_FOUND"
    status = 404
    message = "Not found"


class Unrecognized(MatrixError):
    """The server does not know this path (404), or not with this method (405)."""

    errcode = "M_UNRECOGNIZED"
    status = 404
    message = "Unrecognised request"

    def __init__(self, message: str | None = None, *, status: int = 404) -> None:
        super().__init__(message)
        self.status = status


class ServerManaged(MatrixError):
    """What the server manages itself cannot be set by clients in this way."""

    errcode = "M_BAD_JSON"
    status = 405
    message = "This is managed by the server"


class AlreadyExists(MatrixError):
    """There is such a thing already."""

    status = 409
    message = "It exists already"


class TooLarge(MatrixError):
    """The request, or an event made from it, is larger than allowed."""

    errcode = "M_TOO_LARGE"
    status = 413
    message = "The request is too large"


class LimitExceeded(MatrixError):
    """Too many requests; `retry_after_ms` says when to come again."""

    errcode = "M_LIMIT_EXCEEDED"
    status = 429
    message = "Too many requests"

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__(None, retry_after_ms=retry_after_ms)


class Internal(MatrixError):
    """A fault of this server; says nothing about its inside."""

    status = 500
    message = "Internal server error"


class BadGateway(MatrixError):
    """Another server, on which the answer depends, is away or does not answer as it should."""

    status = 502
    message = "The other server cannot be reached"


class Unavailable(MatrixError):
    """The server cannot answer just now (starting, stopping, its database away); a retry may succeed."""

    status = 503
    message = "The server cannot answer just now, try again"
