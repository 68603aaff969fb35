"""The guard: who may ask, and what every answer forbids."""

from __future__ import annotations

import pytest
from starlette.types import ASGIApp

from tests.viewer.asking import PORT, ask

OWN = f"127.0.0.1:{PORT}"


@pytest.mark.parametrize(
    "host", [OWN, "127.0.0.1", f"localhost:{PORT}", "LOCALHOST", f"[::1]:{PORT}", "localhost:9000", "127.0.0.1:1"]
)
def test_its_own_names_are_answered_at_any_port(app: ASGIApp, host: str) -> None:
    """``ssh -L 9000:127.0.0.1:8765``: the browser names the port of its own machine."""
    assert ask(app, "/", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        f"example.org:{PORT}",
        "127.0.0.1.example.org",
        "localhost.example.org:9000",
        "localhost:9000@example.org",
        "localhost:",
        "localhost:123456",
        "192.168.1.5",
        "",
        "0.0.0.0",
    ],
)
@pytest.mark.parametrize("address", ["/", "/api/slides", "/static/css/theme.css", "/nothing"])
def test_a_foreign_host_is_refused(app: ASGIApp, host: str, address: str) -> None:
    answer = ask(app, address, headers={"host": host})
    assert answer.status == 421
    assert b"slide" not in answer.body


def test_a_request_without_a_host_is_refused(app: ASGIApp) -> None:
    assert ask(app, "/", headers={}).status == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://example.org"},
        {"origin": "null"},
        {"origin": f"http://127.0.0.1:{PORT + 1}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        {"sec-fetch-site": "anything"},
    ],
)
def test_other_sites_are_refused(app: ASGIApp, headers: dict[str, str]) -> None:
    for address in ("/", "/api/slides", "/api/slides/ramp/scores"):
        answer = ask(app, address, headers={"host": OWN} | headers)
        assert answer.status == 403, address
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_a_link_to_the_page_may_be_followed_but_not_to_what_it_shows(app: ASGIApp) -> None:
    followed = {"host": OWN, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert ask(app, "/", headers=followed).status == 200
    assert ask(app, "/api/slides", headers=followed).status == 403


@pytest.mark.parametrize(
    "headers", [{"origin": f"http://{OWN}"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}]
)
def test_its_own_page_is_answered(app: ASGIApp, headers: dict[str, str]) -> None:
    assert ask(app, "/api/slides", headers={"host": OWN} | headers).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"])
def test_nothing_but_reading(app: ASGIApp, method: str) -> None:
    assert ask(app, "/api/slides", method).status == 405


@pytest.mark.parametrize("address", ["/", "/api/slides", "/api/slides/ramp/icon.jpg", "/static/js/main.js", "/nothing"])
def test_every_answer_carries_the_headers_that_forbid(app: ASGIApp, address: str) -> None:
    headers = ask(app, address).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert not any(name.startswith("access-control") for name in headers)


def test_head_is_answered_without_a_body(app: ASGIApp) -> None:
    answer = ask(app, "/api/slides", "HEAD")
    assert answer.status == 200
