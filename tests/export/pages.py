"""What is in a page, as a browser would read it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote


class Page(HTMLParser):
    """Tags with their attributes, in order, and the words outside of the style."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.tags, self._words, self._silent = path, [], [], False
        self.feed(path.read_text(encoding="utf-8"))
        self.words = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self._silent = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._words.append(data)

    def values(self, tag: str, attribute: str) -> list[str]:
        return [
            attributes[attribute] or "" for name, attributes in self.tags if name == tag and attribute in attributes
        ]

    def assert_self_contained(self) -> None:
        """Nothing is fetched, nothing runs, and every link leads to a file that is there."""
        assert not {name for name, _ in self.tags} & {"script", "link", "iframe", "object", "embed", "base", "form"}
        pictures = [attributes for name, attributes in self.tags if name == "img"]
        assert all(one["src"].startswith("data:image/") for one in pictures)
        assert all(one["alt"] for one in pictures), "people who do not see pictures"
        assert not any(name.startswith("on") for _, attributes in self.tags for name in attributes)
        for target in self.values("a", "href"):
            assert ":" not in target.split("/")[0], target
            assert (self.path.parent / unquote(target)).exists(), target
        text = self.path.read_text(encoding="utf-8")
        assert "://" not in text
        assert "url(" not in text
        assert "default-src 'none'" in self.values("meta", "content")[0]
