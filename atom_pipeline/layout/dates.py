"""How a layout spells dates and times (AAAAMMDD, DD/MM/AAAA, HHMMSS), in the terms of strptime and of patterns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

# In this order: a four-letter year before a two-letter one.
_TOKEN = re.compile("AAAA|AA|DD|MM|MI|HH|SS|[^A-Z]")
_DIRECTIVES = {"AAAA": "%Y", "AA": "%y", "DD": "%d", "HH": "%H", "MI": "%M", "SS": "%S"}


@dataclass(frozen=True)
class Spelling:
    """One spelling: ``directive`` for strptime and strftime, ``pattern`` that a value must match, its ``length``."""

    directive: str
    pattern: str
    length: int
    digits_only: bool


@lru_cache
def spelling(text: str) -> Spelling:
    """Read a format such as DD/MM/AAAA or AAAAMMDDHHMISS; MM after HH is minutes. Raises ValueError."""
    directive = pattern = ""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        raise ValueError(f"format {text} is not made of AAAA, AA, MM, DD, HH, MI, SS and separators")
    for place, token in enumerate(tokens):
        if token == "MM":
            directive += "%M" if "HH" in tokens[:place] else "%m"
        else:
            directive += _DIRECTIVES.get(token, token.replace("%", "%%"))
        pattern += f"[0-9]{{{len(token)}}}" if token == "MM" or token in _DIRECTIVES else re.escape(token)
    return Spelling(directive, f"^{pattern}$", len(text), text.isalpha())
