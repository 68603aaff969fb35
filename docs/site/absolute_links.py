"""Makes README.md's links absolute, so that they also lead somewhere from PyPI: part of a release (docs/releasing.md).

python docs/site/absolute_links.py https://HOST/OWNER/wsi-haloae vX.Y.Z
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
LINK = re.compile(r"(?P<image>!?)(?P<words>\[[^\]]*\])\((?!\w+:|#)(?P<path>[^)\s]+)\)")


def absolute(text: str, address: str, tag: str) -> str:
    """The Markdown with links to the files of the repository at ``address``, as of ``tag``; others stay."""

    def replaced(link: re.Match[str]) -> str:
        kind = "raw" if link["image"] else "blob"
        return f"{link['image']}{link['words']}({address.rstrip('/')}/{kind}/{tag}/{link['path']})"

    return LINK.sub(replaced, text)


if __name__ == "__main__":
    README.write_text(absolute(README.read_text(encoding="utf-8"), *sys.argv[1:3]), encoding="utf-8")
