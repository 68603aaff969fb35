"""What the page takes from others is what the lock file names, byte by byte, and comes from nowhere at run time."""

from __future__ import annotations

import hashlib
import json
import re

from wsi_haloae.viewer.static_files import FOLDER

WEB = FOLDER.parent / "web"
VENDORED = json.loads((WEB / "vendored.json").read_text())


def test_the_copies_are_those_of_the_locked_package() -> None:
    locked = json.loads((WEB / "package-lock.json").read_text())["packages"]["node_modules/openseadragon"]
    wanted = json.loads((WEB / "package.json").read_text())["dependencies"]["openseadragon"]
    assert locked["version"] == wanted == VENDORED["version"]
    assert locked["integrity"] == VENDORED["integrity"]
    assert "resolved" not in locked
    for name, sha256 in VENDORED["sha256"].items():
        assert hashlib.sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest() == sha256, name
    assert {path.name for path in (FOLDER / "vendor").iterdir()} == set(VENDORED["sha256"])
    assert f"openseadragon {VENDORED['version']}" in (FOLDER / "vendor" / "openseadragon.min.js").read_text()[:80]


def test_the_page_names_no_other_host() -> None:
    own = [
        path for path in FOLDER.rglob("*") if path.suffix in {".html", ".css", ".js"} and path.parent.name != "vendor"
    ]
    assert len(own) > 10
    for path in own:
        assert not re.search(r"https?:|//[a-z]+\.", path.read_text()), path.name


def test_every_address_of_the_page_is_relative() -> None:
    """Below a proxy's path, an address with a leading slash leads out of the viewer."""
    for path in (path for path in FOLDER.rglob("*") if path.suffix in {".html", ".css", ".js"}):
        if path.parent.name != "vendor":
            assert not re.search(r"""["'`(=]/[a-z]""", path.read_text()), path.name


def test_no_script_or_style_stands_in_the_page() -> None:
    page = (FOLDER / "index.html").read_text()
    assert not re.search(r"\son[a-z]+=|\sstyle=|<style|<script(?![^>]*\ssrc=)", page)


def test_all_modules_are_fetched_at_once_not_one_after_the_other() -> None:
    page = (FOLDER / "index.html").read_text()
    named = re.findall(r'<link rel="modulepreload" href="static/js/([a-z_]+\.js)">', page)
    assert sorted([*named, "main.js"]) == sorted(path.name for path in (FOLDER / "js").glob("*.js"))
