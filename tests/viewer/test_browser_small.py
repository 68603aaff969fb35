"""The page on a telephone and on a small laptop: nothing is cut off or covered, and fingers move the slide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.viewer.browsing import shot
from tests.viewer.test_browser import NAME

SCREENS: dict[str, dict[str, Any]] = {
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
    "turned": {"viewport": {"width": 844, "height": 390}, "has_touch": True, "is_mobile": True},
    "laptop": {"viewport": {"width": 1366, "height": 768}},
}
REACHED = """element => {
  const box = element.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  if (box.x < 0 || box.y < 0 || box.right > innerWidth + 0.5 || box.bottom > innerHeight + 0.5) return false;
  const top = document.elementFromPoint(x, y);
  return element.contains(top) || top.contains(element);
}"""


@pytest.fixture(params=SCREENS)
def screen(request: pytest.FixtureRequest, browser: Browser, viewer: int) -> Iterator[Page]:
    yield from opened(browser, viewer, request.param)


@pytest.fixture
def phone(browser: Browser, viewer: int) -> Iterator[Page]:
    yield from opened(browser, viewer, "phone")


def opened(browser: Browser, port: int, screen: str) -> Iterator[Page]:
    context = browser.new_context(**SCREENS[screen])
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"http://127.0.0.1:{port}/#{NAME}")
    page.wait_for_selector(f"body[data-ready='{NAME}']")
    page.wait_for_load_state("networkidle")
    yield page
    assert not errors
    context.close()


def expect_all_in_reach(page: Page) -> None:
    """Every control and every line of words can be scrolled to, and lies whole and uncovered on the page."""
    for part in page.locator("main button:visible, main label:visible, main p:visible, main dd:visible").all():
        if part.inner_text().strip() or part.get_attribute("aria-label"):
            part.scroll_into_view_if_needed()
            assert part.evaluate(REACHED), part.evaluate("element => element.outerHTML")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_is_cut_off_or_covered(screen: Page) -> None:
    expect_all_in_reach(screen)
    screen.locator("#stage canvas").first.focus()
    screen.keyboard.press("j")
    expect(screen.locator("#tile")).to_be_visible()
    expect_all_in_reach(screen)
    fold = screen.locator("#fold-layers")
    if fold.get_attribute("aria-expanded") == "false":
        fold.click()
        expect(screen.locator("#tile")).to_be_hidden()
    expect(screen.locator("#opacity")).to_be_visible()
    assert screen.locator("#histogram").evaluate("canvas => canvas.width") > 100, "drawn, though it began folded"
    expect_all_in_reach(screen)
    fold.click()
    expect(screen.locator("#opacity")).to_be_hidden()


def test_the_list_gives_way_to_the_slide(phone: Page) -> None:
    expect(phone.locator("#list")).to_be_hidden()
    phone.locator("#toggle-list").tap()
    expect(phone.locator("#list")).to_be_visible()
    phone.locator("#list-close").tap()
    expect(phone.locator("#list")).to_be_hidden()
    phone.locator("#toggle-list").tap()
    phone.get_by_role("button", name="gone").tap()
    phone.wait_for_selector("body[data-ready=gone]")
    expect(phone.locator("#list")).to_be_hidden()


def test_a_tapped_tile_stays_in_sight_and_so_do_those_that_follow(phone: Page) -> None:
    phone.touchscreen.tap(195, 480)
    expect(phone.locator("#tile")).to_be_visible()
    expect(phone.locator("#readout")).to_be_hidden()
    for _ in range(2):
        phone.wait_for_timeout(700)
        frame = np.abs(shot(phone) - [0x1F, 0x57, 0xC3]).max(axis=2) < 8  # the chosen tile's
        top = phone.locator("#side").bounding_box()
        assert top is not None
        assert frame[84 : int(top["y"])].sum() > 40
        phone.locator("#tile-next").tap()


def touch(page: Page, *paths: tuple[tuple[float, float], tuple[float, float]]) -> None:
    """One finger for each path, from one place to another."""
    session = page.context.new_cdp_session(page)
    for step in range(11):
        points = [
            {"x": start[0] + (end[0] - start[0]) * step / 10, "y": start[1] + (end[1] - start[1]) * step / 10, "id": n}
            for n, (start, end) in enumerate(paths)
        ]
        kind = "touchMove" if step else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.wait_for_timeout(30)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(900)
    session.detach()


def test_fingers_move_and_zoom_the_slide_not_the_page(phone: Page) -> None:
    magnification = phone.locator("#scale-bar-words")
    home, before = magnification.inner_text(), shot(phone)
    touch(phone, ((195, 400), (195, 520)))
    moved = shot(phone)
    expect(magnification).to_have_text(home)
    middle = np.s_[300:700, 60:330]
    assert np.abs(moved - before)[middle].mean() > 5
    touch(phone, ((180, 420), (90, 330)), ((210, 450), (300, 540)))
    expect(magnification).not_to_have_text(home)
    assert phone.evaluate("visualViewport.scale") == 1
    assert phone.evaluate("scrollY") == 0
    phone.locator("#zoom-home").tap()
    expect(magnification).to_have_text(home)
    expect(phone.locator("#tile")).to_be_hidden()
