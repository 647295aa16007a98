"""A COBOL copybook as a layout: each 01 a record, OCCURS a repeating group, condition names a domain.

VALUE is what a program begins with: where it tells the records apart it is a constant, else what is written by default.
The language is read in ``copybook``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from atom_pipeline.layout.copybook import Code, Item, parse_copybook
from atom_pipeline.layout.model import FieldType
from atom_pipeline.layout.sheet_fields import SheetField, field_name, is_filler, understand
from atom_pipeline.layout.sheet_files import Doubt, content_of, text_of
from atom_pipeline.layout.sheet_pictures import Picture, picture_of
from atom_pipeline.layout.sheet_places import Place
from atom_pipeline.layout.sheet_reading import FieldRow
from atom_pipeline.layout.sheet_records import (
    SheetLayout,
    SheetRecord,
    match_apart,
    name_apart,
    role_of,
    stage_of,
    tell_fields_apart,
)
from atom_pipeline.layout.sheet_words import Column, plain

_MOST_CODES = 100  # of a range such as 1 THRU 5
_LONGEST_PREFIX = 6  # characters, its hyphen among them


def read_copybook(path: Path, name: str | None = None) -> SheetLayout:
    """The layout that a copybook describes. Raises SheetError with every line that cannot become part of one."""
    book = parse_copybook(text_of(content_of(path), path), path.name)
    doubts: list[Doubt] = []
    if book.cut:
        text = "text past column 72 is no code in fixed format: it was not read"
        doubts.append(Doubt(path.name, book.cut[0], "", text))
    roots = book.records
    if len(roots) > 1 and any(not root.children for root in roots):  # a fragment, to be put under a 01
        roots = [Item(1, 0, field_name(path.stem).upper(), children=roots)]
    prefix = _prefix(roots)
    records = [_record(root, prefix, path, comma=book.comma) for root in roots]
    name_apart(records)
    if len(records) > 1:
        _take_constants(records)
        match_apart(records)
    for record in records:
        for item in record.fields:
            if item.constant and "equals" not in item.keys and not is_filler(item.name):
                item.keys["default"] = item.constant
    lengths = {record.length for record in records}
    if len(lengths) > 1:
        told = ", ".join(f"{record.name} {record.length}" for record in records)
        doubts.append(Doubt(path.name, 0, "", f"the records have different lengths: {told}"))
    spoken = plain(" ".join([name or "", path.stem, *(root.name for root in roots)]))
    title = roots[0].name if len(roots) == 1 else path.stem
    stage = stage_of(spoken, path.name, doubts)
    return SheetLayout(name or field_name(path.stem), title, path.name, stage, None, records, doubts)


def _record(root: Item, prefix: str, path: Path, *, comma: bool) -> SheetRecord:
    spoken = plain(root.name)
    record = SheetRecord(field_name(root.name), path.name, role_of(spoken), root.name, [], spoken=spoken)
    items = root.children or [root]
    cursor = 1
    for item in items:
        for field in _fields(item, prefix, comma=comma):
            field.start = cursor
            cursor += field.width or 0
            record.fields.append(field)
        block = list(record.blocks())[-1]
        if block[0].group:
            cursor += sum(field.width or 0 for field in block) * (block[0].times - 1)
    tell_fields_apart(record)
    _name_groups_apart(record)
    record.length = record.size()
    return record


def _fields(item: Item, prefix: str, *, comma: bool, group: str = "", times: int = 1) -> Iterator[SheetField]:
    """The fields of an item, in order, without their places."""
    repeated = item.times > 1
    if repeated and not group:
        group, times, repeated = field_name(item.name.removeprefix(prefix)), item.times, False
    inner = item.times if repeated else 1
    for n in range(1, inner + 1):
        for child in item.children or [item]:
            made: Iterable[SheetField] = [_field(item, prefix, comma=comma)]
            if child is not item:
                made = _fields(child, prefix, comma=comma, group=group, times=times)
            for field in made:
                field.group, field.times = field.group or group, times
                yield replace(field, name=f"{field.name}_{n}") if inner > 1 else field


def _field(item: Item, prefix: str, *, comma: bool) -> SheetField:
    picture = picture_of(item.picture)
    doubts: list[str] = []
    if picture is None and re.fullmatch("[9XA]", item.picture, re.IGNORECASE):  # in a sheet this is a type's name
        picture = Picture(item.picture == "9", 1)
    if picture is not None and picture.decimal_mark and picture.decimal_mark != ("," if comma else "."):
        picture = None
    width = _characters(item.picture) if picture is None else picture.width
    if picture is None:
        doubts.append(f"the picture {item.picture} is edited: its {width} characters are read as text")
        picture = Picture(False, width)
    elif item.signed and item.picture[0] in "sS":
        width += 1
    if item.right:
        doubts.append("JUSTIFIED: blanks stand before the text; they are read, and written after it")
    cells = {Column.NAME: item.name.removeprefix(prefix), Column.FORMAT: item.picture, Column.DESCRIPTION: item.comment}
    place = Place(None, None, width, picture, sign=item.signed, doubts=doubts)
    out = understand(FieldRow(item.line, {key: text for key, text in cells.items() if text}), place, fixed=True)
    out.keys["description"] = item.comment or item.name
    if not picture.decimals and out.type is FieldType.DIGITS and not picture.numeric:
        out.keys["type"] = FieldType.TEXT.value
    if item.value is not None and re.search(r"\S", item.value):
        out.constant = _code(item.value, picture)
    _set_domain(out, item, picture)
    return out


def _characters(picture: str) -> int:
    """The characters of an edited picture: every symbol one, but V none."""
    text = re.sub(r"(.)\((\d+)\)", lambda part: part[1] * min(int(part[2]), 100_000), picture.upper())
    return len(text.replace("V", "").removeprefix("S"))


def _code(value: str, picture: Picture) -> str:
    """A literal as it stands in the file: 1 of PIC 99 is 01."""
    digits = value.lstrip("+")
    return digits.zfill(picture.width) if picture.numeric and digits.isdecimal() else value


def _set_domain(out: SheetField, item: Item, picture: Picture) -> None:
    """The codes of the condition names; the one that names a single code says what it means."""
    domain: dict[str, str] = {}
    left: list[str] = []
    for name, codes in sorted(item.conditions, key=lambda condition: len(condition[1])):
        meaning = _without_prefix(plain(name), plain(item.name))
        for code in codes:
            values = _values(code)
            if values is None:
                left.append(f"{name} {code[0]} THRU {code[1]}")
            for value in values or ():
                domain.setdefault(_code(value, picture), meaning)
    if left:
        out.doubts.append(
            f"a range of more than {_MOST_CODES} codes, or not of numbers, is no domain: {', '.join(left)}"
        )
    elif domain and out.type not in {FieldType.TEXT, FieldType.DIGITS, FieldType.INTEGER}:
        told = "; ".join(f"{code} - {meaning}" for code, meaning in domain.items())
        out.keys["description"] += f"; {told}"
        out.doubts.append(f"codes of a {out.type.value} are no domain, and are in the description: {told}")
    elif domain:
        out.keys["domain"] = domain
        out.doubts = [doubt for doubt in out.doubts if not doubt.startswith("a number without decimals")]


def _values(code: Code) -> list[str] | None:
    """Every value of a code or range; None when the range is too long, or not of numbers."""
    first, last = code
    if first == last:
        return [first] if first.strip() else []
    if not (first.isdecimal() and last.isdecimal()) or not 0 <= int(last) - int(first) < _MOST_CODES:
        return None
    return [str(number) for number in range(int(first), int(last) + 1)]


def _without_prefix(name: str, field: str) -> str:
    """A condition's words without those that its field begins with too: RA-SIT-ATIVO of RA-SIT is ativo."""
    words, known = name.split(), field.split()
    while len(words) > 1 and known and words[0] == known[0]:
        words, known = words[1:], known[1:]
    return " ".join(words)


def _take_constants(records: Sequence[SheetRecord]) -> None:
    """The VALUEs, or lone condition names, at a place of every record that differ are what tells them apart."""
    for field in records[0].fields:
        same = [
            one for record in records for one in record.fields if (one.start, one.width) == (field.start, field.width)
        ]
        codes = [one.constant or next(iter(one.keys.get("domain", ())), "") for one in same]
        lone = all(one.constant or len(one.keys.get("domain", ())) == 1 for one in same)
        if len(same) == len(records) == len({code for code in codes if code}) and lone and not field.group:
            for one, code in zip(same, codes, strict=True):
                one.keys["equals"] = code
                one.keys.pop("domain", None)
            return


def _prefix(roots: Iterable[Item]) -> str:
    """A short prefix that every field has, and the names can do without: ``RM-`` of RM-CONTRATO."""
    names = [name for root in roots for name in _names(root.children) if name.upper() != "FILLER"]
    prefix = names[0].partition("-")[0] + "-" if names else ""
    alike = all(name.startswith(prefix) and re.match("[A-Za-z]", name.removeprefix(prefix)) for name in names)
    return prefix if len(names) > 2 and alike and len(prefix) <= _LONGEST_PREFIX else ""


def _names(items: Iterable[Item]) -> Iterator[str]:
    for item in items:
        yield item.name
        yield from _names(item.children)


def _name_groups_apart(record: SheetRecord) -> None:
    names: set[str] = set()
    for block in list(record.blocks()):
        group, number = block[0].group, 2
        while group and group in names:
            group, number = f"{block[0].group}_{number}", number + 1
        names.add(group)
        for item in block:
            item.group = group
