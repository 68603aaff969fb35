"""What may be said about a proxy, and whom that lets in."""

from __future__ import annotations

import pytest
from starlette.types import ASGIApp

from tests.viewer.asking import PORT, ask
from wsi_haloae.errors import UsageError
from wsi_haloae.viewer.front import Front
from wsi_haloae.viewer.opened import OpenedSlides
from wsi_haloae.viewer.pages import viewer_app

HUB, NODE = "hub.example.org", "cn12:8765"
"""What the browser's address has, and what the proxy passes on."""
MARKS = "/api/slides/ramp/anchors"


@pytest.fixture
def behind(slides: OpenedSlides) -> ASGIApp:
    return viewer_app(slides, Front.given("/node/cn12/8765", [HUB, NODE]))


@pytest.mark.parametrize("host", [HUB, f"{HUB}:8000", "HUB.example.org", NODE, f"localhost:{PORT}", "127.0.0.1:9000"])
def test_allowed_names_are_answered_besides_the_own(behind: ASGIApp, host: str) -> None:
    assert ask(behind, "/", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "host", ["cn12", "cn12:8766", "cn13:8765", f"evil.{HUB}", f"{HUB}.evil.org", "example.org", "*"]
)
def test_others_are_not(behind: ASGIApp, host: str) -> None:
    """A name that was allowed with a port is allowed with this port alone."""
    claimed = {"x-forwarded-host": HUB, "forwarded": f"host={HUB}", "x-forwarded-for": "127.0.0.1"}
    assert ask(behind, "/api/slides", headers={"host": host} | claimed).status == 421


def test_the_refusal_names_the_host_that_is_to_be_allowed(app: ASGIApp) -> None:
    assert b"asked for hub.example.org:8000. If you came" in ask(app, "/", headers={"host": f"{HUB}:8000"}).body
    assert b"<" not in ask(app, "/", headers={"host": "<b>.org"}).body


@pytest.mark.parametrize(
    ("host", "origin", "may"),
    [
        (HUB, f"https://{HUB}", True),
        (HUB, f"https://{HUB}:443", True),
        (f"{HUB}:8000", f"http://{HUB}:8000", True),
        (NODE, f"https://{HUB}", True),  # the proxy replaced the name
        ("localhost:9000", "http://localhost:9000", True),  # ssh -L
        (HUB, f"https://{HUB}:9999", False),  # another user's page on the same machine
        (NODE, f"https://{HUB}:8000", False),
        ("localhost:9000", "http://localhost:9001", False),
        ("localhost:9000", "http://127.0.0.1:9000", False),
        (HUB, "http://localhost:9000", False),
        (HUB, "https://example.org", False),
        (HUB, "null", False),
        (HUB, f"file://{HUB}", False),
        (HUB, f"https://{HUB}/x", False),
        (HUB, f"https://user@{HUB}", False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_who_may_read_and_mark_through_a_proxy(behind: ASGIApp, host: str, origin: str, may: bool, method: str) -> None:
    headers = {"host": host, "origin": origin, "content-type": "application/json"}
    # 404: the guard let it in, and there is no such slide.
    assert ask(behind, "/api/slides/none/anchors", method, headers, b"[]").status == (404 if may else 403)


def test_an_allowed_host_does_not_allow_other_sites(behind: ASGIApp) -> None:
    for site in ("cross-site", "same-site", "none"):
        headers = {"host": HUB, "origin": f"https://{HUB}", "content-type": "application/json", "sec-fetch-site": site}
        assert ask(behind, MARKS, "PUT", headers, b"[]").status == 403
    assert ask(behind, MARKS, "PUT", {"host": HUB, "content-type": "application/json"}, b"[]").status == 403
    twice = {
        "host": HUB,
        "origin": f"https://{HUB}",
        "Origin": "https://example.org",
        "content-type": "application/json",
    }
    assert ask(behind, MARKS, "PUT", twice, b"[]").status == 403


def test_without_allow_host_no_outer_page_may_mark(app: ASGIApp) -> None:
    headers = {"host": f"127.0.0.1:{PORT}", "origin": f"https://{HUB}", "content-type": "application/json"}
    answer = ask(app, MARKS, "PUT", headers, b"[]")
    assert answer.status == 403
    assert "--allow-host" in answer.json()["error"]


def test_the_base_path_is_taken_off_and_may_be_missing(behind: ASGIApp) -> None:
    for base in ("", "/node/cn12/8765"):
        for address in ("/", "/static/js/main.js", "/api/slides", "/api/slides/ramp/scores"):
            assert ask(behind, base + address, headers={"host": HUB}).status == 200, base + address
    for astray in ("/node/cn12/8765/../8766/", "/node/cn12/87650/", "/node/cn12/", "/node/cn12/8765//"):
        assert ask(behind, astray, headers={"host": HUB}).status == 404, astray


def test_the_base_path_without_its_last_slash_leads_to_the_page(slides: OpenedSlides) -> None:
    app = viewer_app(slides, Front.given("/user/jane%40x/proxy/", [HUB]))
    answer = ask(app, "/user/jane%40x/proxy", headers={"host": HUB})
    assert (answer.status, answer.headers["location"]) == (308, "/user/jane%40x/proxy/")
    assert "content-security-policy" in answer.headers
    assert ask(app, answer.headers["location"], headers={"host": HUB}).status == 200
    assert ask(app, "/user/jane%40x/proxy", headers={"host": "example.org"}).status == 421


def test_the_page_below_the_base_path_may_be_linked_to_but_not_what_it_shows(behind: ASGIApp) -> None:
    followed = {"host": HUB, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert ask(behind, "/node/cn12/8765/", headers=followed).status == 200
    assert ask(behind, "/node/cn12/8765", headers=followed).status == 308
    assert ask(behind, "/node/cn12/8765/api/slides", headers=followed).status == 403


@pytest.mark.parametrize(
    "given", ["https://hub.example.org", "hub.example.org/x", "*.example.org", "", "a b", "h:port"]
)
def test_what_is_no_name_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match=r"--allow-host .*no host name.*hub\.example\.org"):
        Front.given("", [given])


@pytest.mark.parametrize("given", ["https://hub/x", "/a/../b", "/a//b", "/a?b", "/a#b", "/a\nb", "/a\\b"])
def test_what_is_no_path_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match=r"(?s)--base-path .*no path"):
        Front.given(given, [])


@pytest.mark.parametrize(("given", "address"), [("", "/"), ("/", "/"), ("/a/b", "/a/b/"), ("a/b/", "/a/b/")])
def test_slashes_around_a_base_path_do_not_matter(given: str, address: str) -> None:
    assert Front.given(given, []).address == address
