"""An authority whose certificates the servers of a play believe."""

from pathlib import Path
from typing import NamedTuple

import trustme


class Certificate(NamedTuple):
    """The files of a certificate with its chain, and of its key, both in PEM."""

    certificate: Path
    key: Path


class Authority:
    """Its own certificate is in `file`, what it issues beside that."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.trustme = trustme.CA()
        self.file = folder / "authority.pem"
        self.trustme.cert_pem.write_to_path(self.file)

    def issue(self, host: str) -> Certificate:
        """A new certificate for a name or an address."""
        issued = self.trustme.issue_cert(host)
        files = Certificate(self._folder / f"{host}.crt", self._folder / f"{host}.key")
        files.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        files.key.touch(mode=0o600)
        issued.private_key_pem.write_to_path(files.key)
        return files
