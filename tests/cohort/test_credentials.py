"""Who may talk to a scheduler: nobody to that of this machine, and to another's whoever has its certificates."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import dask
import psutil
import pytest
import torch
from distributed.security import Security

from tests.cohort.conftest import Study
from tests.cohort.test_score_cohort import cluster, rows
from wsi_haloae.cli.main import run
from wsi_haloae.cohort.cluster import LOOPBACK, ClusterOptions, connected
from wsi_haloae.cohort.credentials import TlsFiles, client_security
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Reporter

STRANGER = """
import asyncio, sys
from distributed.comm import connect

async def ask(address):
    try:
        comm = await asyncio.wait_for(connect(address, timeout=5), 5)  # pages of a dashboard never answer this
    except Exception as error:
        print(f"{address} refused: {error}", file=sys.stderr)
    else:
        print(address)
        comm.abort()

async def main():
    await asyncio.gather(*map(ask, sys.argv[1:]))

asyncio.run(main())
"""
INTRUDER = """
import sys
from distributed import Client

for address in sys.argv[1:]:
    try:
        with Client(address, timeout=5, set_as_default=False) as client:
            print(client.run_on_scheduler(lambda: "code of another user has run"))
    except Exception as error:
        print(f"{address} refused: {error}", file=sys.stderr)
"""


def plain_process(script: str, *addresses: str) -> str:
    """What a process without any credentials prints."""
    return subprocess.run(
        [sys.executable, "-c", script, *addresses], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, timeout=100,
    ).stdout  # fmt: skip


def listening() -> set[tuple[str, int]]:
    """Where this process and those below it listen."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    sockets = [one for process in processes for one in process.net_connections("inet")]
    return {one.laddr for one in sockets if one.status == psutil.CONN_LISTEN}


def test_nobody_else_talks_to_scheduler_or_workers_of_this_machine() -> None:
    before = listening()
    with connected(ClusterOptions(None, 1), 1, torch.device("cpu"), 1, Reporter(quiet=True)) as found:
        found.client.wait_for_workers(1)
        sockets = listening() - before
        scheduler = found.client.scheduler.address
        assert len(sockets) >= 3, "scheduler, nanny and worker"
        assert {host for host, _ in sockets} == {LOOPBACK}
        assert not plain_process(INTRUDER, scheduler.replace("tls://", "tcp://"), scheduler)
        assert not plain_process(STRANGER, *(f"tcp://{host}:{port}" for host, port in sockets))


def written(security: Security, folder: Path) -> TlsFiles:
    """The certificate of a scheduler that signs for itself, as files."""
    folder.mkdir()
    files = TlsFiles(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    contents = (security.tls_ca_file, security.tls_client_cert, security.tls_client_key)
    for path, content in zip((files.ca_file, files.cert, files.key), contents, strict=True):
        path.write_text(content)
    return files


def spelled(files: TlsFiles) -> list[str]:
    return ["--tls-ca-file", str(files.ca_file), "--tls-cert", str(files.cert), "--tls-key", str(files.key)]


def in_configuration(files: TlsFiles) -> dict[str, str]:
    """The same for Dask's configuration."""
    tls = "distributed.comm.tls"
    return {
        f"{tls}.ca-file": str(files.ca_file),
        f"{tls}.client.cert": str(files.cert),
        f"{tls}.client.key": str(files.key),
    }


def test_a_scheduler_that_asks_for_certificates(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own, others = written(Security.temporary(), tmp_path / "own"), written(Security.temporary(), tmp_path / "others")
    asked = ["score", *map(str, study.slides[:2]), "-m", str(study.model), "-o", str(tmp_path / "out")]
    with cluster(tmp_path, "--protocol", "tls", *spelled(own)) as address:
        with monkeypatch.context() as patch:
            patch.setattr("wsi_haloae.cohort.cluster.CONNECT_SECONDS", 2)  # both wait to the end
            assert run([*asked, "--scheduler", address, *spelled(others)]) == 2
            assert "no Dask scheduler that accepts these certificates" in capsys.readouterr().err
            assert run([*asked, "--scheduler", address.replace("tls://", "tcp://")]) == 2
        assert "If yours uses TLS, write tls://" in capsys.readouterr().err
        assert not (tmp_path / "out" / study.slides[0].stem).exists()

        assert run([*asked, "--scheduler", address, *spelled(own)]) == 0
        assert {row["state"] for row in rows(tmp_path / "out").values()} == {"done"}
        assert "anyone who can reach this address" not in capsys.readouterr().err
        with dask.config.set(in_configuration(own)):
            assert run([*asked, "--scheduler", address]) == 0
        assert "2 by an earlier run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "change", "told"),
    [
        ("tcp://127.0.0.1:9", {}, "does not use TLS. Write tls://127.0.0.1:9"),
        ("127.0.0.1:9", {}, "does not use TLS. Write tls://127.0.0.1:9"),
        ("tls://127.0.0.1:9", {"--tls-key": None}, "Pass all three"),
        (None, {}, "without --scheduler"),
        (
            "tls://127.0.0.1:9",
            dict.fromkeys(("--tls-ca-file", "--tls-cert", "--tls-key")),
            "this address needs certificates",
        ),
        ("tls://127.0.0.1:9", {"--tls-cert": "absent.pem"}, "absent.pem: there is no such file."),
        (
            "tls://127.0.0.1:9",
            {"--tls-cert": "own/key.pem"},
            "these must be a CA certificate, a certificate and its private key",
        ),
        ("tls://127.0.0.1:9", {"--tls-ca-file": "own/key.pem"}, "these must be a CA certificate"),
        ("tls://127.0.0.1:9", {"--tls-key": "others/key.pem"}, "these must be a CA certificate"),
    ],
)
def test_certificates_that_do_not_fit(
    address: str | None,
    change: Mapping[str, str | None],
    told: str,
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    own = written(Security.temporary(), tmp_path / "own")
    written(Security.temporary(), tmp_path / "others")
    names = spelled(own)
    given = {**dict(zip(names[::2], names[1::2], strict=True)), "--scheduler": address, **change}
    options = [part for name, value in given.items() if value is not None for part in (name, value)]
    assert run(["score", *map(str, study.slides[:2]), "-m", str(study.model), "-o", "out", *options]) == 2
    said = capsys.readouterr().err
    assert told in " ".join(said.split()), said
    assert "Traceback" not in said


def test_a_configuration_that_asks_for_encryption(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["score", *map(str, study.slides[:2]), "-m", str(study.model), "-o", str(tmp_path)]
    with dask.config.set({"distributed.comm.require-encryption": True}):
        assert run([*asked, "--scheduler", "tcp://127.0.0.1:9"]) == 2
    said = capsys.readouterr().err
    assert "encryption required" in said
    assert "Traceback" not in said


def test_a_function_of_dasks_configuration_may_give_them() -> None:
    with dask.config.set({"distributed.client.security-loader": "some.module.loader"}):
        assert client_security("tls://127.0.0.1:9", None) is None, "left to Dask"
    with pytest.raises(UsageError):
        client_security("tls://127.0.0.1:9", None)
