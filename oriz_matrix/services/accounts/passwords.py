"""Passwords: what a new one must look like, and their hashes: argon2id for new ones, bcrypt of imported accounts too.

Hashing is slow on purpose, so it runs on a few threads of its own. Passwords are hashed in Unicode's form NFKC, so that
what looks the same is the same; imported bcrypt hashes were made of that form as well.
"""

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import argon2
import bcrypt
from argon2.exceptions import InvalidHashError, VerificationError

from oriz_matrix.base.config import accounts as config
from oriz_matrix.protocol.errors import InvalidParam, WeakPassword

THREADS = 2
BCRYPT_BYTES = 72
"""bcrypt ignores what comes after so many bytes; newer libraries refuse it instead."""


class Hasher:
    """Hashes and verifies on the caller's thread."""

    def __init__(self, settings: config.Passwords) -> None:
        self._settings = settings
        cost = settings.argon2
        self._argon2 = argon2.PasswordHasher(
            time_cost=cost.time_cost, memory_cost=cost.memory_kib, parallelism=cost.parallelism
        )

    def check(self, password: str) -> None:
        """Whether a new password may be used; raises WeakPassword, InvalidParam."""
        if len(password) < self._settings.minimum_length:
            raise WeakPassword(f"The password needs {self._settings.minimum_length} characters or more")
        self._check_length(password)

    def hash(self, password: str) -> str:
        """The hash to store, with its parameters and salt; raises InvalidParam for a password that is too long."""
        self._check_length(password)
        return self._argon2.hash(_normal(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password fits. Takes as long for None, so that nobody learns which accounts there are."""
        if len(password) > self._settings.maximum_length:
            return False
        if stored is None:
            self.hash(password)
            return False
        return _fits_bcrypt(stored, password) if stored.startswith("$2") else self._fits_argon2(stored, password)

    def _check_length(self, password: str) -> None:
        if len(password) > self._settings.maximum_length:
            raise InvalidParam(f"The password is longer than {self._settings.maximum_length} characters")

    def _fits_argon2(self, stored: str, password: str) -> bool:
        try:
            return self._argon2.verify(stored, _normal(password))
        except (VerificationError, InvalidHashError):
            return False


class Passwords:
    """The same off the event loop, a few at a time."""

    def __init__(self, hasher: Hasher, threads: int = THREADS) -> None:
        self._hasher = hasher
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="password")

    def check(self, password: str) -> None:
        """Whether a new password may be used; raises WeakPassword, InvalidParam."""
        self._hasher.check(password)

    async def hash(self, password: str) -> str:
        """The hash to store; raises InvalidParam for a password that is too long."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password fits what is stored; takes as long where nothing is."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.verify, stored, password)

    def close(self) -> None:
        """Ends the threads; what has begun is finished."""
        self._threads.shutdown(cancel_futures=True)


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def _fits_bcrypt(stored: str, password: str) -> bool:
    try:
        return bcrypt.checkpw(_normal(password).encode()[:BCRYPT_BYTES], stored.encode())
    except ValueError:  # the stored text is no hash
        return False
