"""How a field list writes a value's form: ``9(13)V99``, ``X(40)``, ``NUMERIC(15,2)``, ``DD/MM/AAAA``, ``numérico``.

Only the notation belongs here, text in and facts out; what a field becomes by them is in ``sheet_fields``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from atom_pipeline.layout.dates import spelling
from atom_pipeline.layout.model import FieldType
from atom_pipeline.layout.sheet_words import TYPES, plain

Mark = Literal["", ",", "."]


@dataclass(frozen=True)
class Picture:
    """What a picture says. ``width`` counts the characters, marks included and the sign of an ``S`` not."""

    numeric: bool
    width: int
    decimals: int = 0
    signed: bool = False
    decimal_mark: Mark = ""
    thousands_mark: Mark = ""


_SIZED = re.compile(r"([A-Z]+2?)\((\d+)(?:[,.](\d+))?\)")
_SHORT = re.compile(r"(AN|[AXNC])-?0*([1-9]\d{0,3})(?:[,.](\d{1,2}))?")  # X10, A-40, N13,2
_REPEATED = re.compile(r"([AX9ZBN])\((\d+)\)")
_DATE = re.compile(
    r"(?<![A-Z])(?:(?:AAAA|AA|YYYY|YY|DD|MM)[-/. ]?){3}(?:[ T:.-]{0,3}HH:?(?:MM|MI|NN)(?::?SS)?)?(?![A-Z])"
    r"|(?<![A-Z])HH:?(?:MM|MI|NN)(?::?SS)?(?![A-Z])"
)
_PACKED = re.compile(r"\b(?:COMP(?:UTATIONAL)?(?:-\d)?|PACKED|BINARY|BCD)\b")


def picture_of(text: str) -> Picture | None:
    """The picture that a text is, or None. One letter alone (``X``, ``9``) is the name of a type, not a picture."""
    text = re.sub(r"^PIC(?:TURE)?\b\s*(?:IS\b)?", "", text.strip().upper()).strip().rstrip(".").replace(" ", "")
    sized = _SIZED.fullmatch(text)
    word = sized and TYPES.get(sized[1].lower())
    if sized and word is not None and (sized[1] not in {"X", "A", "N"} or sized[3]):
        decimals = int(sized[3] or 0)
        return Picture(word is not FieldType.TEXT, int(sized[2]), decimals)
    if sized and sized[1] == "N":
        return Picture(True, int(sized[2]))
    short = _SHORT.fullmatch(text)
    if short:
        return Picture(short[1] == "N", int(short[2]), int(short[3] or 0) if short[1] == "N" else 0)
    counted = "(" in text
    text = _REPEATED.sub(lambda part: part[1] * min(int(part[2]), 100_000), text)
    text = re.sub(r"V(\d{1,2})$", lambda v: v[0] if set(v[1]) == {"9"} else "V" + "9" * int(v[1]), text)
    if len(text) < 2 and not counted:
        return None
    if re.fullmatch("[XA]+", text):
        return Picture(False, len(text))
    if re.fullmatch(r"[+-]?S?[9Z]*(?:V9+)?", text) and re.search("[9Z]", text):
        digits = len(re.sub("[^9Z]", "", text))
        signed = bool(re.match("[+S-]", text))
        return Picture(True, digits + (text[0] in "+-"), len(text.partition("V")[2]), signed)
    edited = re.fullmatch(r"([+-]?)(?=[9Z0])([9Z0.]*),([90]+)|([+-]?)(?=[9Z0])([9Z0,]*)\.([90]{1,2}|[90]{4,})", text)
    if edited is None:
        return None
    comma = edited[3] is not None
    sign, whole, fraction = edited.groups()[:3] if comma else edited.groups()[3:]
    mark: Mark = "," if comma else "."
    thousands: Mark = ("." if comma else ",") if re.search("[.,]", whole) else ""
    return Picture(True, len(text), len(fraction), bool(sign), mark, thousands)


def is_packed(text: str) -> bool:
    """Whether a text says a binary form (COMP-3), which is no text that can be read."""
    return bool(_PACKED.search(text.upper()))


def date_format_of(text: str, *, whole: bool = False) -> tuple[str, FieldType] | None:
    """The spelling of a date, time or both within a text (all of it when ``whole``), in the terms of a layout."""
    upper = text.upper()
    found = _DATE.fullmatch(upper.strip()) if whole else _DATE.search(upper)
    if found is None:
        return None
    spelled = found[0].strip(" -/.:").replace("YYYY", "AAAA").replace("YY", "AA").replace("NN", "MI")
    spelled = re.sub(r"(?<=[AMD])T(?=HH)", " ", spelled)
    try:
        directive = spelling(spelled).directive
    except ValueError:
        return None
    day = all(part in directive.lower() for part in ("%d", "%y")) and "%m" in directive
    clock = "%H" in directive
    if day == clock and not day:
        return None
    return spelled, FieldType.DATETIME if day and clock else FieldType.DATE if day else FieldType.TIME


def type_word(text: str) -> FieldType | str | None:
    """The type that a word names: ``number`` when it leaves open whether it has decimals, None when not known."""
    ways = (text, re.sub(r"\([^)]*\)", " ", text), *re.split(r"\s+[-–:]\s+|\s*[=/]\s*", text))  # "N - Numérico"
    return next((kind for way in ways if (kind := TYPES.get(plain(way)))), None)


def decimals_in(text: str) -> int | None:
    """The decimals that a text speaks of: ``2 casas decimais``, ``com duas decimais``."""
    found = re.search(r"\b(\d{1,2}|uma|duas|tres|quatro|cinco|seis) (?:casas? )?decima", plain(text))
    words = {"uma": 1, "duas": 2, "tres": 3, "quatro": 4, "cinco": 5, "seis": 6}
    return (words.get(found[1]) or int(found[1])) if found else None
