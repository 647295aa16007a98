"""The grammar of a file name's pattern: tokens in ``<...>``, optional parts in ``[...]``, everything else as written.

Only strings belong here: what a pattern may say, which names it matches, which names it makes. Which layouts have
which patterns, and which working day a name means, is in ``names``. Case does not matter in a name. A date or time that
does not exist never matches, nor does a name with a folder, ``..`` or a control character in it (FAULTS 15).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache

LONGEST_NAME = 255  # bytes, as file systems have it

# Digits of each calendar part. Two-digit years are of this century, four-digit ones must be: a stamp written in one
# order is then never a date in another order (20231012 is not day 20 of a month 23).
_PARTS = {
    "AAAA": "20[0-9]{2}",
    "AA": "[0-9]{2}",
    "MM": "0[1-9]|1[0-2]",
    "DD": "0[1-9]|[12][0-9]|3[01]",
    "HH": "[01][0-9]|2[0-3]",
    "MI": "[0-5][0-9]",
    "SS": "[0-5][0-9]",
}
DATE_TOKENS: Mapping[str, tuple[str, ...]] = {
    "AAAAMMDD": ("AAAA", "MM", "DD"),
    "DDMMAAAA": ("DD", "MM", "AAAA"),
    "DDMMAA": ("DD", "MM", "AA"),
    "DIA": ("AAAA", "MM", "DD"),  # the working day, in names that are written
    "DDMMAAHHMISS": ("DD", "MM", "AA", "HH", "MI", "SS"),
    "DDMMAAAAHHMISS": ("DD", "MM", "AAAA", "HH", "MI", "SS"),
    "AAAAMMDDHHMISS": ("AAAA", "MM", "DD", "HH", "MI", "SS"),
}
TIME_TOKENS: Mapping[str, tuple[str, ...]] = {"HHMMSS": ("HH", "MI", "SS")}
_CALENDAR = {**DATE_TOKENS, **TIME_TOKENS}
_OTHERS = {
    "ASCOB": "",  # the portfolio's own id at the bank, put in when a pattern is compiled
    "ONDA": "[0-9]{2,4}",  # the wave's number
    "TIPO": "[A-Za-z]+",  # carga, incremental, baixa
    "ARQUIVO": r"[^/\\\x00-\x1f\x7f]+?",  # the name of the file it is about
}
TOKENS = frozenset(_CALENDAR) | frozenset(_OTHERS)

_LEXEMES = re.compile(r"<(?P<token>[^<>\[\]]*)>|(?P<open>\[)|(?P<close>\])|(?P<text>[^<>\[\]]+)|(?P<stray>[<>])")


class PatternError(ValueError):
    """A pattern that cannot be read; the text says what to write instead."""


@dataclass(frozen=True)
class Stamp:
    """What a name says, by token (upper case), and the day and hour it means."""

    tokens: Mapping[str, str]
    day: date | None
    time: time | None


def tokens_of(pattern: str) -> frozenset[str]:
    """The tokens of a pattern that always stand in its names (optional parts apart). Raises PatternError."""
    depth = 0
    found: set[str] = set()
    for kind, value in _lexemes(pattern):
        depth += {"open": 1, "close": -1}.get(kind, 0)
        if kind == "token" and depth == 0:
            found.add(value)
    return frozenset(found)


def has_day(tokens: frozenset[str]) -> bool:
    """Whether names with these tokens say a day."""
    return bool(tokens & DATE_TOKENS.keys())


def has_time(tokens: frozenset[str]) -> bool:
    """Whether names with these tokens say an hour."""
    return any("HH" in _CALENDAR.get(token, ()) for token in tokens)


def is_safe(name: str) -> bool:
    """Whether a name may become a file of one folder: no path in it, no control character, not too long."""
    if not name or name in {".", ".."} or ".." in name or "/" in name or "\\" in name:
        return False
    return name.isprintable() and len(name.encode("utf-8", "replace")) <= LONGEST_NAME


def match(pattern: str, ascob: str, name: str) -> Stamp | None:
    """What ``name`` says by this pattern, or None when it does not match. Raises PatternError for the pattern."""
    expression, groups = _compiled(pattern, ascob)
    found = expression.fullmatch(name)
    if found is None or not is_safe(name):
        return None
    tokens: dict[str, str] = {}
    for group, token in groups.items():
        value = found[group]
        if value is not None and tokens.setdefault(token, value).casefold() != value.casefold():
            return None  # one token stands twice and says two things
    try:
        return _stamp(tokens)
    except ValueError:  # 30 February
        return None


def build(pattern: str, values: Mapping[str, str | int | date], *, optional: bool = False) -> str:
    """A name from a pattern; ``values`` by token. A date or datetime is written as the token says.

    Optional parts are left out unless ``optional``. Raises PatternError when a token has no value, and ValueError when
    a value does not fit (the name would not be read back).
    """
    out: list[str] = []
    depth = 0
    for kind, value in _lexemes(pattern):
        depth += {"open": 1, "close": -1}.get(kind, 0)
        if depth and not optional:
            continue
        if kind == "token":
            if value not in values:
                raise PatternError(f"no value for <{value}> of {pattern}")
            out.append(_written(value, values[value]))
        elif kind == "text":
            out.append(value)
    name = "".join(out)
    if match(pattern, str(values.get("ASCOB", "")), name) is None:
        raise ValueError(f"the values do not make a name that {pattern} can read back")
    return name


def examples(pattern: str, ascob: str, moment: datetime) -> Iterator[str]:
    """Names that the pattern matches: without and with its optional parts."""
    values: dict[str, str | int | date] = dict.fromkeys(_CALENDAR, moment)
    values |= {"ASCOB": ascob, "ONDA": 1, "TIPO": "carga", "ARQUIVO": "arquivo.csv"}
    yield build(pattern, values)
    if "[" in pattern:
        yield build(pattern, values, optional=True)


def _lexemes(pattern: str) -> Iterator[tuple[str, str]]:
    """(kind, value) of each part of a pattern; kinds: token, open, close, text."""
    depth = 0
    for lexeme in _LEXEMES.finditer(pattern):
        kind = lexeme.lastgroup or ""
        value = lexeme[kind]
        if kind == "stray":
            raise PatternError(f"`{value}` stands alone in {pattern}: a token is written <NAME>")
        if kind == "token" and value not in TOKENS:
            known = ", ".join(f"<{token}>" for token in sorted(TOKENS))
            raise PatternError(f"unknown token <{value}> in {pattern}; known: {known}")
        if kind == "text" and value != "." and not is_safe(value):
            raise PatternError(f"{pattern} has a path or a control character in it: a pattern is one file's name")
        depth += {"open": 1, "close": -1}.get(kind, 0)
        if depth < 0:
            raise PatternError(f"`]` without `[` in {pattern}")
        yield kind, value
    if depth:
        raise PatternError(f"`[` without `]` in {pattern}")


@lru_cache(maxsize=1024)
def _compiled(pattern: str, ascob: str) -> tuple[re.Pattern[str], dict[str, str]]:
    """The regular expression of a pattern, and the token of each of its groups."""
    out: list[str] = []
    groups: dict[str, str] = {}
    for kind, value in _lexemes(pattern):
        if kind == "token":
            group = f"t{len(groups)}"
            groups[group] = value
            out.append(f"(?P<{group}>{_expression(value, ascob)})")
        else:
            out.append({"open": "(?:", "close": ")?"}.get(kind) or re.escape(value))
    return re.compile("".join(out), re.IGNORECASE | re.ASCII), groups


def _expression(token: str, ascob: str) -> str:
    if token in _CALENDAR:
        return "".join(f"(?:{_PARTS[part]})" for part in _CALENDAR[token])
    return re.escape(ascob) if token == "ASCOB" else _OTHERS[token]


def _stamp(tokens: Mapping[str, str]) -> Stamp:
    """Join the calendar's parts of all tokens. Raises ValueError when they contradict each other or do not exist."""
    parts: dict[str, int] = {}
    for token, text in tokens.items():
        if "DIA" in tokens and token in DATE_TOKENS and token != "DIA":
            continue  # a written name may say the working day and when it was written: the first is its day
        at = 0
        for part in _CALENDAR.get(token, ()):
            number = int(text[at : at + len(part)])
            at += len(part)
            key, number = ("AAAA", 2000 + number) if part == "AA" else (part, number)
            if parts.setdefault(key, number) != number:
                raise ValueError("two dates in one name")
    day = date(parts["AAAA"], parts["MM"], parts["DD"]) if "AAAA" in parts else None
    clock = time(parts["HH"], parts["MI"], parts["SS"]) if "HH" in parts else None
    return Stamp(dict(tokens), day, clock)


def _written(token: str, value: str | int | date) -> str:
    if isinstance(value, date) and token in _CALENDAR:
        moment = value if isinstance(value, datetime) else datetime.combine(value, time())
        codes = {"AAAA": "%Y", "AA": "%y", "MM": "%m", "DD": "%d", "HH": "%H", "MI": "%M", "SS": "%S"}
        return moment.strftime("".join(codes[part] for part in _CALENDAR[token]))
    return f"{value:02d}" if isinstance(value, int) else str(value)
