"""The page in a real browser, through a tunnel's port and through proxies: seen, gone through, marked and saved."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.viewer.browsing import HEIGHT, WIDTH
from tests.viewer.process import running_viewer
from tests.viewer.proxy import Proxy, running
from tests.viewer.scored import Scored, score_slide, write_slide

HUB, NODE = "hub.example.org", "cn12.example.org:8765"
WAYS = {
    "ssh -L": (Proxy("localhost"), []),
    "jupyter-server-proxy": (Proxy(HUB, "/user/jane%40x/proxy/8765"), ["--allow-host", HUB]),
    "Open OnDemand, rnode": (
        Proxy(HUB, "/rnode/cn12/8765", host=NODE),
        ["--allow-host", f"{HUB}:PORT", "--allow-host", NODE],
    ),
    "Open OnDemand, node": (
        Proxy(HUB, "/node/cn12/8765", strips=False, host=NODE),
        ["--allow-host", f"{HUB}:PORT", "--allow-host", NODE, "--base-path", "/node/cn12/8765"],
    ),
}


@pytest.fixture
def described(tmp_path: Path) -> Scored:
    """A slide with descriptors, whose tiles can be marked."""
    return score_slide(tmp_path / "out", write_slide(tmp_path / "s.tif"), described=True)


@pytest.mark.parametrize("way", WAYS)
def test_everything_works_through_it(way: str, browser: Browser, described: Scored) -> None:
    made, options = WAYS[way]
    saved = described.folder / "anchors.geojson"
    with running(replace(made, strayed=[])) as proxy:
        given = [option.replace("PORT", str(proxy.port)) for option in options]
        with running_viewer(described.folder.parent, *given) as (_, proxy.to_port):
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            asked, failed = [], []
            page.on("response", lambda answer: asked.append(answer.url))
            page.on("response", lambda answer: answer.status >= 400 and failed.append(answer.url))
            page.goto(proxy.address if proxy.strips else proxy.address.rstrip("/"))
            page.wait_for_selector("body[data-ready=s]")
            page.keyboard.press("j")
            picture = page.locator("#tile-picture")
            expect(picture).to_have_js_property("complete", True)
            assert picture.evaluate("image => image.naturalWidth") == 128
            with page.expect_response(re.compile(r"/map/\d+/\d+_\d+\.png")):
                page.keyboard.press("m")
            for key in ("m", "Escape", "r"):
                page.keyboard.press(key)
            page.mouse.click(WIDTH / 2, HEIGHT / 2)
            expect(page.locator("#mark-count")).to_have_text("1 marked")
            page.get_by_role("button", name="Save").click()
            expect(page.locator("#mark-words")).to_contain_text("wsi-haloae export")
            page.wait_for_load_state("networkidle")
            assert {url.rsplit("/zoom/")[0] for url in asked} >= {f"{proxy.address}api/slides/s"}, "the slide itself"
            assert all(url.startswith(proxy.address.rstrip("/")) for url in asked)
            assert (failed, proxy.strayed) == ([], [])
            page.close()
    assert len(json.loads(saved.read_text())["features"]) == 1


def test_the_page_says_what_to_do_where_a_proxy_hides_its_name(browser: Browser, described: Scored) -> None:
    """The proxy passes on the viewer's own name, and Chromium says that the scripts' page has another."""
    with (
        running(Proxy(HUB, "/p", host="127.0.0.1:8765")) as proxy,
        running_viewer(described.folder.parent) as (_, proxy.to_port),
    ):
        page = browser.new_page()
        page.goto(proxy.address)
        expect(page.get_by_text("start the viewer with --allow-host")).to_be_visible(timeout=20_000)
        page.close()


def test_without_its_last_slash_a_stripped_address_says_what_is_missing(browser: Browser, described: Scored) -> None:
    """Nobody can tell the viewer that the slash is missing, so its addresses lead out of the path."""
    with (
        running(Proxy("localhost", "/a/p")) as proxy,
        running_viewer(described.folder.parent) as (_, proxy.to_port),
    ):
        page = browser.new_page()
        page.goto(proxy.address.rstrip("/"))
        expect(page.get_by_text("does not end with a slash, add one")).to_be_visible()
        page.goto(proxy.address)
        page.wait_for_selector("body[data-ready=s]")
        expect(page.get_by_text("does not end with a slash, add one")).to_have_count(0)
        page.close()
