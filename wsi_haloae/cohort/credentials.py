"""How `score` proves to a scheduler that it may use it: certificates, from options or from Dask's configuration.

Whoever may talk to a Dask scheduler runs code on its workers. So a scheduler and its workers either listen on ``tls://``
and accept nobody without a certificate of theirs, or they must be where only their owner reaches them.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import dask
from distributed.comm.addressing import parse_address
from distributed.security import Security

from wsi_haloae.errors import UsageError

ENCRYPTED = frozenset({"tls", "wss"})
"""Schemes of addresses where both sides show a certificate."""
OPTIONS = "--tls-ca-file, --tls-cert and --tls-key"


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: the certificate of whoever signs, and one's own with its private key."""

    ca_file: Path
    cert: Path
    key: Path

    @classmethod
    def given(cls, ca_file: Path | None, cert: Path | None, key: Path | None, scheduler: str | None) -> Self | None:
        """All three options or none; `UsageError` for one or two of them, and for some without ``--scheduler``."""
        if ca_file is None and cert is None and key is None:
            return None
        if ca_file is None or cert is None or key is None:
            raise UsageError(f"{OPTIONS} belong together: give all three, or none of them.")
        if scheduler is None:
            raise UsageError(f"{OPTIONS} were given without --scheduler: slides are scored on this machine.")
        return cls(ca_file, cert, key)


def is_encrypted(address: str) -> bool:
    """Whether a scheduler at this address asks for a certificate (an address without a scheme is tcp)."""
    return parse_address(address)[0] in ENCRYPTED


def client_security(address: str, files: TlsFiles | None) -> Security | None:
    """What a client shows to the scheduler at ``address``; None leaves it to Dask's configuration.

    Raises `UsageError` for certificates without TLS, for TLS without certificates, and for files that hold none.
    """
    encrypted = is_encrypted(address)
    if files is None:
        if encrypted and not _configured():
            raise UsageError(
                f"--scheduler {address}: it needs certificates, and none were given. Pass {OPTIONS}, or set "
                "distributed.comm.tls in Dask's configuration."
            )
        return None
    if not encrypted:
        raise UsageError(
            f"--scheduler {address}: certificates were given, but this address does not use TLS. Write "
            f"tls://{parse_address(address)[1]}, or leave out {OPTIONS}."
        )
    security = Security(
        require_encryption=True,
        tls_ca_file=str(files.ca_file),
        tls_client_cert=str(files.cert),
        tls_client_key=str(files.key),
    )
    try:
        security.get_connection_args("client")
    except ssl.SSLError as error:
        raise UsageError(
            f"--tls-ca-file {files.ca_file}, --tls-cert {files.cert}, --tls-key {files.key}: these are not two "
            f"certificates and the second one's private key, in PEM format ({error})."
        ) from None
    return security


def _configured() -> bool:
    """Whether Dask's configuration names a client's certificates, or a function that gives them."""
    configured = Security().get_tls_config_for_role("client")
    named = configured["ca_file"] and configured["cert"]
    return bool(named or dask.config.get("distributed.client.security-loader", None))
