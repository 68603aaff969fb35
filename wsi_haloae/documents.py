"""JSON files that another run wrote, or that a person may have edited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import read_own


def read_document(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file; empty if the file cannot be read or contains something else."""
    try:
        document = json.loads(read_own(path))
    except (OSError, ValueError, RecursionError):  # no file, not UTF-8, not JSON, or an impossible path
        return {}
    return document if isinstance(document, dict) else {}
