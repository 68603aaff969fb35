"""JSON files that another run, or somebody's editor, has left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import read_own


def read_document(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file; empty where there is none that can be read, or something else in it."""
    try:
        document = json.loads(read_own(path))
    except (OSError, ValueError, RecursionError):  # no file, no UTF-8, no JSON, a path that no file can have
        return {}
    return document if isinstance(document, dict) else {}
