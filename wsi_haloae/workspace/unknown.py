"""Cells that say that nobody knows: two slides of patient NA do not belong to one patient."""

from __future__ import annotations

import re

UNKNOWN = frozenset(
    ("", "NA", "N/A", "n/a", "<NA>", "#NA", "#N/A", "#N/A N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None",
     "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN")
)  # fmt: skip
"""An unknown value, as R, Excel, SQL and Python write it: the defaults of ``pandas.read_csv``."""
_NOBODY = frozenset(
    ("na", "n a", "n d", "nan", "nil", "null", "none", "nothing", "nobody", "missing", "undefined", "tbd", "tba",
     "todo", "unk", "ukn", "unkn", "unknown", "unspecified", "not available", "not applicable", "not known",
     "not given",
     "not recorded", "no data", "unknown patient", "patient unknown", "anon", "anonymous", "anonymised", "anonymized",
     "removed", "redacted", "deidentified", "de identified", "unbekannt", "unbek", "k a", "keine", "keine angabe",
     "nicht bekannt", "inconnu", "inconnue", "desconocido", "desconocida", "sconosciuto", "sconosciuta", "desconhecido",
     "onbekend", "okänd", "ukjent", "tuntematon", "nieznany", "неизвестно", "不明", "未知")
)  # fmt: skip
"""What people write where a patient's name is not known; without signs, and in small letters."""
_SIGNS = re.compile(r"[\W_]+")


def known(cell: str | None) -> str | None:
    """The value of a table cell; None if it is unknown or empty."""
    value = (cell or "").strip()
    return None if value in UNKNOWN else value


def named(cell: str | None) -> str | None:
    """The same for a cell that names a patient or a slide: what people write for an unknown one counts too.

    A group may be called "none" or "-", but no patient is.
    """
    value = known(cell)
    words = _SIGNS.sub(" ", value or "").strip().casefold()
    return None if not words or words in _NOBODY else value
