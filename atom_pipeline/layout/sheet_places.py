"""Where each field of a record stands, by what a field list says of it: positions, lengths, pictures, in any mixture.

What says the same thing twice and differently is a doubt with both numbers. A field's type is in ``sheet_fields``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

from atom_pipeline.layout.sheet_pictures import Picture, picture_of
from atom_pipeline.layout.sheet_reading import FieldRow
from atom_pipeline.layout.sheet_words import Column

_SPAN = re.compile(
    r"[\[(]?(?:de\s+|from\s+)?(\d+)\s*(?:-|–|—|a|à|ao|até|ate|to|:|/|\.\.|;)\s*(\d+)[\])]?", re.IGNORECASE
)
_SUM = re.compile(r"(\d+)\s*[+vV]\s*(\d{1,2})")  # 13+2: digits before the decimals and the decimals
_NUMBER = re.compile(r"(\d+)(?:[.,](\d+))?(?:\s*(?:bytes?|caracteres|posi[cç][oõ]es|d[ií]gitos)\b.*|\s*\(.*\))?")


@dataclass
class Place:
    """A field's bytes from 1; None is what nothing says. ``decimals`` are those of a length such as 13,2."""

    start: int | None
    end: int | None
    width: int | None
    picture: Picture | None
    decimals: int | None = None
    spanned: bool = False  # both positions stood in one cell
    times: int = 1  # OCCURS; ``width`` is that of one
    sign: Literal["", "leading", "trailing"] = ""  # a sign with a byte of its own, where it is said
    doubts: list[str] = field(default_factory=list)

    @property
    def says_position(self) -> bool:
        return self.start is not None or self.end is not None


def measure(row: FieldRow) -> Place:
    """What a row alone says of its place."""
    place = Place(None, None, None, _picture(row))
    start, end, width = row[Column.START], row[Column.END], row[Column.WIDTH]
    span = _SPAN.fullmatch(start) if not end else None
    if span:
        place.start, place.end, place.spanned = int(span[1]), int(span[2]), True
    else:
        place.start, place.end = _number(start, "start", place), _number(end, "end", place)
    if width and (_is_plain(width) or picture_of(width) is None):
        summed = _SUM.fullmatch(width)
        found = _NUMBER.fullmatch(width)
        if summed:
            place.width, place.decimals = int(summed[1]) + int(summed[2]), int(summed[2])
        elif found is None:
            place.doubts.append(f"the length is no number: {width}")
        else:
            place.width = int(found[1]) or None
            place.decimals = int(found[2]) if found[2] and int(found[2]) else None
    _set_times(place, row[Column.TIMES])
    return place


def _set_times(place: Place, cell: str) -> None:
    """How often a field stands; the length of all of them together becomes that of one where positions say so."""
    found = _NUMBER.fullmatch(re.sub(r"\s*(?:x|vezes|times)$", "", cell, flags=re.IGNORECASE)) if cell else None
    if cell and cell != "-" and (found is None or not 0 <= int(found[1]) <= 99):
        place.doubts.append(f"how often it repeats was not understood, once was taken: {cell}")
    elif found is not None and int(found[1]) > 1:
        place.times = int(found[1])
        if place.start is not None and place.end is not None and (place.end - place.start + 1) % place.times == 0:
            each = (place.end - place.start + 1) // place.times
            if place.width not in {None, each, each * place.times}:
                place.doubts.append(f"{place.times} times {place.width} bytes are not its positions: {each} were taken")
            place.width, place.end = each, place.start + each - 1


def placed(places: Sequence[Place]) -> list[Place]:
    """The places of a fixed-width record, in its order, each with start and width where anything says them."""
    out = _counted_from_one(_ends_inside(list(places)))
    if any(place.spanned for place in out):  # among 001-010 a lone 011 is one byte
        out = [
            replace(place, end=place.start) if place.end is None and not place.width and not place.picture else place
            for place in out
        ]
    cursor = 1
    for number, place in enumerate(out):
        following = out[number + 1].start if number + 1 < len(out) else None
        width = _width(place, following)
        start = place.start
        if start is None:
            start = place.end - width + 1 if place.end is not None and width else cursor
        place = replace(place, start=start, width=width, end=start + width - 1 if width else None)
        out[number] = place
        cursor = start + (width or 0) * place.times
    return out


def _picture(row: FieldRow) -> Picture | None:
    """The first picture among the cells that may hold one."""
    width = "" if _is_plain(row[Column.WIDTH]) else row[Column.WIDTH]  # a length of 99 or 9.0 is no picture
    found = (picture_of(text) for text in (row[Column.FORMAT], row[Column.TYPE], width))
    return next((picture for picture in found if picture is not None), None)


def _is_plain(width: str) -> bool:
    """Whether a length is a number alone, decimals of its own or not."""
    return bool(_NUMBER.fullmatch(width) or _SUM.fullmatch(width))


def _number(cell: str, what: str, place: Place) -> int | None:
    found = _NUMBER.fullmatch(cell) if cell else None
    if cell and found is None:
        place.doubts.append(f"the {what} is no number: {cell}")
    return int(found[1]) if found else None


def _ends_inside(places: list[Place]) -> list[Place]:
    """Positions whose end is the next one's start (0 to 10, 10 to 20) have their last byte before it."""
    pairs = list(pairwise(places))
    if len(pairs) < 2 or not all(one.end is not None and one.end == other.start for one, other in pairs):
        return places
    text = "every position ends where the next one starts: the end was taken as the byte after the field"
    places[0].doubts.append(text)
    return [replace(place, end=place.end - 1 if place.end is not None else None) for place in places]


def _counted_from_one(places: list[Place]) -> list[Place]:
    if not any(place.start == 0 for place in places):
        return places
    places[0].doubts.append("positions count from 0 in the sheet: 1 was added to each")
    return [
        replace(
            place,
            start=place.start + 1 if place.start is not None else None,
            end=place.end + 1 if place.end is not None else None,
        )
        for place in places
    ]


def _width(place: Place, following: int | None) -> int | None:
    """The bytes of a field; every disagreement is a doubt that says what was taken and why."""
    start, end, width = place.start, place.end, place.width
    span = end - start + 1 if start is not None and end is not None else None
    if span is not None and span < 1:
        place.doubts.append(f"position {start} to {end} ends before it starts: not used")
        span = place.end = None
    if span is not None and width is not None and span != width:
        by_next = following is not None and start is not None and start + width == following
        taken = width if by_next else span
        why = "where the next field starts says so" if by_next or following == (end or 0) + 1 else "nothing else says"
        place.doubts.append(
            f"positions {start} to {end} are {span} bytes, the length says {width}: {taken} was taken ({why})"
        )
    else:
        taken = span or width or 0
    picture = place.picture
    if not taken and picture is not None:
        taken = picture.width
    elif picture is not None and not _agrees(picture, taken):
        if span is None and picture.decimals and width == picture.width - picture.decimals:
            place.doubts.append(
                f"the length says {width}, the picture is {picture.width} with its {picture.decimals} decimals: "
                f"{picture.width} was taken"
            )
            taken = picture.width
        else:
            place.doubts.append(f"the field has {taken} bytes, its picture {picture.width}: {taken} was taken")
    if not taken and start is not None and following is not None and following > start:
        taken = following - start
        place.doubts.append(f"no length: {taken} bytes, up to the next field")
    if not taken:
        place.doubts.append("neither an end nor a length: write its `width`")
    return taken or None


def _agrees(picture: Picture, width: int) -> bool:
    """Whether a picture fills a field; the sign of an S may have a byte of its own."""
    return width == picture.width or (picture.signed and width == picture.width + 1)
