"""The command: where it listens, how it ends, what it refuses."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.viewer.process import running_viewer
from tests.viewer.scored import Scored
from wsi_haloae.cli.main import run
from wsi_haloae.errors import UsageError
from wsi_haloae.viewer.server import serve


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["view", *arguments]) == 2
    return " ".join(capsys.readouterr().err.split())


def test_a_folder_without_scores_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no scored slide here" in refused(capsys, str(tmp_path))


def test_a_taken_port_is_refused(scored: Scored, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        message = refused(capsys, str(scored.folder), "--port", port)
    assert f"--port {port}" in message
    assert "--port 0" in message


def test_one_file_of_annotations_is_not_for_many_slides(out: Path, scored: Scored, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name / "scores.zarr").mkdir(parents=True)
    annotations = tmp_path / "a.geojson"
    annotations.write_text("[]")
    with pytest.raises(UsageError, match=r"holds 2 slides.*folder of <stem>.geojson"):
        serve(tmp_path, 0, annotations, pytest.fail, pytest.fail)


def test_an_address_is_taken_as_it_is_spelled(viewer: int) -> None:
    own = http.client.HTTPConnection("127.0.0.1", viewer, timeout=20)
    for raw in ("/../../etc/passwd", "/static/../pages.py", "/static/%2e%2e/pages.py", "/api/slides/..%2f..%2f"):
        own.putrequest("GET", raw)
        own.endheaders()
        answer = own.getresponse()
        assert (answer.status, answer.read()) == (404, b"Not Found")
    own.close()


def test_a_foreign_host_learns_nothing_of_it(viewer: int) -> None:
    own = http.client.HTTPConnection("127.0.0.1", viewer, timeout=20)
    own.putrequest("GET", "/api/slides", skip_host=True)
    own.putheader("Host", "attacker.example")
    own.endheaders()
    answer = own.getresponse()
    assert answer.status == 421
    assert b"cmu" not in answer.read()
    assert "server" not in {name.lower() for name, _ in answer.getheaders()}
    own.close()


def test_it_listens_on_this_machine_alone(viewer: int) -> None:
    for host in other_addresses():
        with socket.socket() as outside, pytest.raises(OSError):
            outside.settimeout(2)
            outside.connect((host, viewer))


def other_addresses() -> list[str]:
    """This machine's addresses but the loopback ones; may be none."""
    found = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    return [address for address in found if "." in address and not address.startswith("127.")]


@pytest.mark.parametrize("host", ["localhost:8765", "localhost:9000"])
def test_case_20_the_page_through_a_tunnel_names_nothing_outside_its_folder(viewer: int, host: str) -> None:
    """``ssh -L 9000:127.0.0.1:8765``; below a proxy's path, an address with a leading slash would lead out of it."""
    own = http.client.HTTPConnection("127.0.0.1", viewer, timeout=20)
    own.request("GET", "/", headers={"Host": host})
    answer = own.getresponse()
    assert answer.status == 200
    addresses = re.findall(r'(?:src|href)="([^"]*)"', answer.read().decode())
    assert len(addresses) > 20
    assert not [address for address in addresses if address.startswith(("/", "http"))]
    own.close()


@pytest.mark.parametrize("option", [("--allow-host", "https://hub/"), ("--base-path", "https://hub/x")])
def test_what_is_said_of_a_proxy_is_checked_before_anything_is_opened(
    scored: Scored, option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert " ".join(option) in refused(capsys, str(scored.folder), *option)


def test_the_command_takes_a_base_path(scored: Scored) -> None:
    with running_viewer(scored.folder, "--base-path", "/node/cn12/8765") as (_, port):
        own = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        own.request("GET", "/node/cn12/8765/api/slides")
        assert own.getresponse().status == 200
        own.close()
