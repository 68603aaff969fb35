"""A server process with a dead slide: one whose file lets every reader wait for ever, as a lost network mount does."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.viewer.process import running_viewer
from tests.viewer.scored import score_slide, write_slide
from wsi_haloae.viewer.prompt_protocol import REQUEST_SECONDS
from wsi_haloae.viewer.slide_threads import DEADLINE

MANY = 1000
DEAD = """[Virtual Microscope Specimen]
NoLayers=1
NoJpegColumns=1
NoJpegRows=1
ImageFile=pipe
MapFile=pipe
"""
"""A slide of several files for OpenSlide, which waits for a writer of the pipe."""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A viewer that shows a good slide, a dead one, and one that is itself a pipe."""
    folder = tmp_path_factory.mktemp("load")
    good = score_slide(folder / "out", write_slide(folder / "good.tif"))
    os.mkfifo(folder / "pipe")
    (folder / "dead.vms").write_text(DEAD)
    for name, slide in (("dead", "dead.vms"), ("piped", "pipe")):
        other = shutil.copytree(good.folder, folder / "out" / name)
        record = json.loads((other / "run.json").read_text())
        record["slide"]["path"] = str(folder / slide)
        (other / "run.json").write_text(json.dumps(record))
    shutil.move(folder / "out/good", folder / "out/a-good")  # the first is opened before anybody asks
    with running_viewer(folder / "out") as (_, port):
        yield port


async def asked(port: int, address: str) -> tuple[int, bytes, float]:
    """Status, body and seconds of one request on a connection of its own."""
    begun = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body, time.monotonic() - begun


async def tiles(port: int, count: int) -> list[float]:
    """Seconds of that many requests for tiles of the good slide, one after the other."""
    seconds = []
    for number in range(count):
        status, _, taken = await asked(port, f"/api/slides/a-good/tiles/{number % 5}_{number % 7}.jpg")
        assert status == 200
        seconds.append(taken)
    return seconds


def test_a_thousand_requests_for_a_dead_slide_do_not_slow_the_others(port: int) -> None:
    async def measure() -> tuple[list[float], list[float], list[tuple[int, bytes, float]]]:
        while (await asked(port, "/api/slides/a-good"))[0] == 503:
            pass  # a busy machine may need longer to open it
        quiet = await tiles(port, 40)
        dead = [asyncio.create_task(asked(port, f"/api/slides/dead/zoom/9/{n}_0.jpg")) for n in range(MANY)]
        await asyncio.sleep(2)  # until all of them are waiting
        loaded = await tiles(port, 40)
        assert not any(task.done() for task in dead), "the measurement took longer than the time limit"
        return quiet, loaded, await asyncio.gather(*dead)

    quiet, loaded, dead = asyncio.run(measure())
    assert statistics.median(loaded) < 2 * statistics.median(quiet) + 0.02, (quiet, loaded)
    assert {status for status, _, _ in dead} == {503}
    assert "could not be read within 10 seconds" in json.loads(dead[0][1])["error"]
    assert max(taken for _, _, taken in dead) < DEADLINE + 10
    status, _, taken = asyncio.run(asked(port, "/api/slides/dead"))
    assert (status, taken < DEADLINE / 2) == (503, True), "a slide that hangs is known by now"
    assert asyncio.run(asked(port, "/api/slides"))[0] == 200


def test_a_pipe_is_no_slide_and_its_thumbnail_is_shown(port: int) -> None:
    status, body, taken = asyncio.run(asked(port, "/api/slides/piped"))
    assert status == 200
    assert "this is a pipe or a device" in json.loads(body)["message"]
    assert taken < DEADLINE
    assert asyncio.run(asked(port, "/api/slides/piped/zoom/0/0_0.jpg"))[0] == 200


@pytest.mark.parametrize("place", ["zoom/9/{}_0.jpg", "zoom/{}/0_0.jpg", "map/0/0_{}.png", "tiles/{}_0.jpg"])
def test_numbers_of_any_length_are_of_no_tile(place: str, port: int) -> None:
    for digits in (9, 10, 5000):
        assert asyncio.run(asked(port, f"/api/slides/a-good/{place.format('9' * digits)}"))[0] == 404


BEGUN = {
    "nothing": b"",
    "its headers": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    "a second request": b"GET /api/slides HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HTTP/1.1\r\n",
    "its body": (
        b"PUT /api/slides/a-good/anchors HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n"
        b"Content-Type: application/json\r\nContent-Length: 9999\r\n\r\n["
    ),
}
"""What clients have sent before they become slow."""


def test_clients_that_send_byte_by_byte_are_disconnected(port: int) -> None:
    with ThreadPoolExecutor(len(BEGUN)) as pool:
        seconds = dict(
            zip(BEGUN, pool.map(lambda begun: _until_disconnected(begun, port), BEGUN.values()), strict=True)
        )
    assert all(2 < taken < REQUEST_SECONDS + 10 for taken in seconds.values()), seconds


def _until_disconnected(begun: bytes, port: int) -> float:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(0.5)
        client.sendall(begun)
        opened = time.monotonic()
        while time.monotonic() - opened < REQUEST_SECONDS + 10:
            try:
                if not client.recv(1 << 20):
                    break
            except TimeoutError:
                client.sendall(b" " if begun else b"")
            except OSError:  # the server has closed it while a byte was under way
                break
        return time.monotonic() - opened


def test_a_client_may_ask_again_on_its_connection(port: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for _ in range(3):
        client.request("GET", "/api/slides")
        answer = client.getresponse()
        assert (answer.status, len(json.loads(answer.read())["slides"])) == (200, 3)
        time.sleep(1)
    client.close()
