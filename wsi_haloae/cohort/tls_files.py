"""The options with which `score` names its certificates. Checked before Dask is loaded, which takes seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wsi_haloae.errors import UsageError

OPTIONS = "--tls-ca-file, --tls-cert and --tls-key"


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: the certificate of the certificate authority, and the client's certificate and private key."""

    ca_file: Path
    cert: Path
    key: Path

    @classmethod
    def given(cls, ca_file: Path | None, cert: Path | None, key: Path | None, scheduler: str | None) -> Self | None:
        """The files, or None if no option was given.

        Raises `UsageError` if only some of the three were given, or if ``--scheduler`` was not.
        """
        if ca_file is None and cert is None and key is None:
            return None
        if ca_file is None or cert is None or key is None:
            raise UsageError(f"{OPTIONS} belong together. Pass all three, or none of them.")
        if scheduler is None:
            raise UsageError(
                f"{OPTIONS} were given without --scheduler, which they belong to. Pass --scheduler as well."
            )
        return cls(ca_file, cert, key)
