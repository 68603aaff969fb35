"""The table of limits: it is what the documentation lists, and the environment changes it."""

from __future__ import annotations

import importlib.util

import pytest

from tests.data_paths import REPOSITORY
from wsi_haloae.bounds.table import BOUNDS, Bound
from wsi_haloae.errors import SlideError, UsageError

BOUND = Bound("TEST", 100, "pages", "tests")


def test_the_page_lists_the_limits_of_today() -> None:
    spec = importlib.util.spec_from_file_location("list_bounds", REPOSITORY / "docs/list_bounds.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (REPOSITORY / "docs/bounds.md").read_text(encoding="utf-8")
    assert script.with_bound_list(page) == page, "run python docs/list_bounds.py"


def test_each_limit_has_a_name_of_its_own() -> None:
    assert len({bound.variable for bound in BOUNDS}) == len(BOUNDS) > 10


def test_a_refusal_says_what_was_given_and_what_raises_the_limit() -> None:
    BOUND.require(100, "a.tif", SlideError)
    with pytest.raises(SlideError, match=r"a\.tif: 101 pages, but at most 100 .* WSI_HALOAE_MOST_TEST=101"):
        BOUND.require(101, "a.tif", SlideError)


@pytest.mark.parametrize(("text", "most"), [("0", 0), ("250", 250), ("9" * 18, 10**18 - 1)])
def test_the_environment_changes_it(text: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BOUND.variable, text)
    assert BOUND.most == most


@pytest.mark.parametrize("text", ["", "1e6", "-1", "1_000", "²", "9" * 19])
def test_a_value_that_is_no_number_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BOUND.variable, text)
    with pytest.raises(UsageError, match=r"WSI_HALOAE_MOST_TEST=.*: a whole number is needed"):
        BOUND.require(1, "a.tif", SlideError)
