"""The file of the server's signing key: one line, `ed25519 NAME BASE64`, the form that other servers use too."""

import os
from pathlib import Path

from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.signing import SigningKey


def create(file: Path, ids: Ids) -> SigningKey:
    """Make a new key and write it to a new file that only its owner can read.

    Raises FileExistsError rather than overwrite, and OSError if the file cannot be written.
    """
    key = SigningKey(ids.key_version(), ids.key_seed())
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as new:
        new.write(key.to_text())
        new.flush()
        os.fsync(new.fileno())
    return key


def rotate(file: Path, ids: Ids) -> Path:
    """Make a new key in the place of the one in the file, which is kept beside it; the path of the one kept.

    Raises FileExistsError rather than overwrite, ValueError if the file holds no key, and OSError.
    """
    name = read(file).key_id.partition(":")[2]
    kept = file.with_name(f"{file.name}.{name}")
    kept.hardlink_to(file)
    file.unlink()
    create(file, ids)
    return kept


def read(file: Path) -> SigningKey:
    """The key in a file; raises OSError if it cannot be read and ValueError if it holds no key."""
    return SigningKey.from_text(file.read_text(encoding="ascii"))
