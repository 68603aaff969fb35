"""How `score` authenticates to a scheduler: with certificates from options or from Dask's configuration.

Anyone who can connect to a Dask scheduler can run code on its workers. So a scheduler and its workers should either
listen on ``tls://`` and require a certificate, or be reachable by their owner only.
"""

from __future__ import annotations

import ssl

import dask
from distributed.comm.addressing import parse_address
from distributed.security import Security

from wsi_haloae.cohort.tls_files import OPTIONS, TlsFiles
from wsi_haloae.errors import UsageError

ENCRYPTED = frozenset({"tls", "wss"})
"""Address schemes with which both sides show a certificate."""


def is_encrypted(address: str) -> bool:
    """Whether a scheduler at this address requires a certificate (an address without a scheme is tcp)."""
    return parse_address(address)[0] in ENCRYPTED


def client_security(address: str, files: TlsFiles | None) -> Security | None:
    """The client's credentials for the scheduler at ``address``; None leaves them to Dask's configuration.

    Raises `UsageError` for certificates without TLS, TLS without certificates, and files without valid certificates.
    """
    encrypted = is_encrypted(address)
    if files is None:
        if encrypted and not _configured():
            raise UsageError(
                f"--scheduler {address}: this address needs certificates, and none were given. Pass {OPTIONS}, or set "
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
            f"--tls-ca-file {files.ca_file}, --tls-cert {files.cert}, --tls-key {files.key}: these must be a CA "
            f"certificate, a certificate and its private key, in PEM format ({error})."
        ) from None
    return security


def _configured() -> bool:
    """Whether Dask's configuration names a client's certificates, or a function that returns them."""
    configured = Security().get_tls_config_for_role("client")
    named = configured["ca_file"] and configured["cert"]
    return bool(named or dask.config.get("distributed.client.security-loader", None))
