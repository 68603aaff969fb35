"""How long marks on a slide of 75,000 tiles, with 128 numbers each, take to show.

A running `wsi-haloae view` is asked over HTTP, as its page asks it; and, where Chromium is there, by clicks on
the page itself, until the next two frames after the answer are drawn.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from bench_adapt import reference
from bench_export import COLUMNS, ROWS, scored_store
from machine import print_row
from playwright.sync_api import sync_playwright

RUNS = 5
MARKS = (1, 3, 10, 100)
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def seconds(server: str, marks: int) -> float:
    """Median of the time until the last byte of the answer from ``server``, 127.0.0.1:PORT."""
    random, taken = np.random.default_rng(marks), []
    for _ in range(RUNS + 1):
        places = random.choice(ROWS * COLUMNS, marks, replace=False).tolist()
        body = json.dumps([[place // COLUMNS, place % COLUMNS] for place in places])
        start = time.perf_counter()
        connection = HTTPConnection(server)
        headers = {"Content-Type": "application/json", "Origin": f"http://{server}"}
        connection.request("POST", "/api/slides/slide/anchors", body, headers)
        connection.getresponse().read()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def browser_seconds(server: str) -> dict[str, float]:
    """Median and longest time of clicks on the page, each of which marks one more tile; empty without a browser."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        return {}
    taken = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1360, "height": 860})
        page.goto(f"http://{server}/")
        page.wait_for_selector("body[data-ready=slide]")
        page.wait_for_load_state("networkidle")
        page.keyboard.press("r")
        for number in range(2 * RUNS):
            start = time.perf_counter()
            with page.expect_response(re.compile(r"/anchors$")):
                page.mouse.click(500 + 24 * number, 400)
            page.wait_for_load_state("networkidle") if number == 0 else page.evaluate(TWO_FRAMES)
            taken.append(time.perf_counter() - start)
        marked = page.locator("#mark-count").inner_text()
        browser.close()
    assert marked == f"{2 * RUNS} marked", marked
    return {"browser_seconds": round(statistics.median(taken[1:]), 3), "browser_longest": round(max(taken[1:]), 3)}


def main() -> None:
    """Print one row."""
    with tempfile.TemporaryDirectory() as name:
        scored_store(Path(name) / "slide", reference=reference()).assemble()
        command = [sys.executable, "-m", "wsi_haloae", "view", name, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:
            assert viewer.stdout is not None
            server = viewer.stdout.readline().strip().removeprefix("http://").rstrip("/")
            found = {f"seconds_with_{marks}": round(seconds(server, marks), 3) for marks in MARKS}
            found |= browser_seconds(server)
            viewer.terminate()
    print_row("marking", tiles=ROWS * COLUMNS, **found)


if __name__ == "__main__":
    main()
