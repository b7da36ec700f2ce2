"""Random names and secrets, from a source that tests can replace by a seeded one."""

import base64
import random
import string

ACCESS_TOKEN_PREFIX = "oat_"  # noqa: S105 - a mark, so that leaked tokens can be found
REFRESH_TOKEN_PREFIX = "ort_"  # noqa: S105
OPENID_TOKEN_PREFIX = "oid_"  # noqa: S105


class Ids:
    """Makes what must be unguessable or unique. `source` is the operating system's randomness by default."""

    def __init__(self, source: random.Random | None = None) -> None:
        self._source = source or random.SystemRandom()

    def access_token(self) -> str:
        """A secret of 256 bits for one session."""
        return ACCESS_TOKEN_PREFIX + self._secret(32)

    def refresh_token(self) -> str:
        """A secret of 256 bits that is changed for a new access token."""
        return REFRESH_TOKEN_PREFIX + self._secret(32)

    def openid_token(self) -> str:
        """A secret of 256 bits that proves to a third party who somebody is."""
        return OPENID_TOKEN_PREFIX + self._secret(32)

    def device_id(self) -> str:
        """Ten capital letters, as clients show them to people."""
        return self._letters(10, string.ascii_uppercase)

    def room_opaque(self) -> str:
        """The part between `!` and `:` of a room id, in room versions before 12."""
        return self._letters(18, string.ascii_letters)

    def localpart(self) -> str:
        """The name of a user who did not choose one: twelve digits, as guests have."""
        return self._letters(12, string.digits)

    def session_id(self) -> str:
        """A session of user-interactive authentication."""
        return self._letters(24, string.ascii_letters)

    def nonce(self) -> str:
        """A number used once, of 256 bits, as hexadecimal digits."""
        return self._source.randbytes(32).hex()

    def job_owner(self) -> str:
        """A name for one taking of a job, which no other process gives to another."""
        return self._letters(16, string.ascii_letters)

    def message_id(self) -> str:
        """A message to another server's devices, which takes it once; at most 32 characters."""
        return self._letters(24, string.ascii_letters)

    def request_id(self) -> str:
        """A short mark for the lines that one request writes to the log; unique enough for that."""
        return self._letters(8, string.ascii_lowercase + string.digits)

    def key_version(self) -> str:
        """The version of a new signing key, the part after `ed25519:`; two keys of a server never share one."""
        return "a_" + self._letters(6, string.ascii_letters)

    def key_seed(self) -> bytes:
        """32 bytes, the seed of an ed25519 key."""
        return self._source.randbytes(32)

    def _secret(self, size: int) -> str:
        return base64.urlsafe_b64encode(self._source.randbytes(size)).decode().rstrip("=")

    def _letters(self, length: int, alphabet: str) -> str:
        return "".join(self._source.choices(alphabet, k=length))
