"""What a sheet says otherwise than a layout that there is: fields missing, new, moved, resized, retyped.

Records are paired by name, by what tells them apart, else by role; fields by name or title, else by place.
A type is another one only where the sheet's own words exclude the layout's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from atom_pipeline.layout.model import Field, FieldType, FixedFormat, Record, Version
from atom_pipeline.layout.sheet_fields import SheetField
from atom_pipeline.layout.sheet_records import SheetLayout, SheetRecord
from atom_pipeline.layout.sheet_words import plain


@dataclass(frozen=True)
class Difference:
    """One difference; ``layout`` and ``sheet`` say what each has."""

    record: str
    field: str
    what: str
    layout: str
    sheet: str


Standing = tuple[Field, int, int]  # a field of the layout, its place from 1 (byte, or column), its width or 0


def differences(sheet: SheetLayout, version: Version) -> list[Difference]:
    """Every difference, in the order of the layout's records, then what only the sheet has."""
    fixed = isinstance(version.format, FixedFormat)
    out: list[Difference] = []
    if fixed != sheet.fixed:
        kinds = {True: "fixed", False: "delimited"}
        out.append(Difference("", "", "format", kinds[fixed], kinds[sheet.fixed]))
    pairs = _paired(version.records, sheet.records)
    for record in version.records:
        other = pairs.get(record.name)
        if other is None:
            out.append(Difference(record.name, "", "missing", f"{len(record.fields)} fields", ""))
            continue
        if record.length is not None and other.length is not None and record.length != other.length:
            out.append(Difference(record.name, "", "length", f"{record.length} bytes", f"{other.length} bytes"))
        out += _of_fields(record, other, fixed=fixed and sheet.fixed)
    known = [id(other) for other in pairs.values()]
    new = [other for other in sheet.records if id(other) not in known]
    return out + [Difference(other.name, "", "new", "", f"{len(other.fields)} fields") for other in new]


def _paired(records: Sequence[Record], others: Sequence[SheetRecord]) -> dict[str, SheetRecord]:
    """The sheet's record of each record of the layout, by its name."""
    out: dict[str, SheetRecord] = {}
    left = list(others)
    ways = (
        lambda record, other: record.name == other.name,
        lambda record, other: record.match and other.match and record.match.equals == other.match[1],
        lambda record, other: record.role is other.role and record.length == other.length,
        lambda record, other: record.role is other.role,
    )
    for way in ways:
        for record in records:
            found = next((other for other in left if way(record, other)), None)
            if record.name not in out and found is not None:
                out[record.name] = found
                left = [other for other in left if other is not found]
    return out


def _of_fields(record: Record, other: SheetRecord, *, fixed: bool) -> Iterator[Difference]:
    standing: list[Standing] = [
        (field, start + 1 if fixed else place, field.width or 0)
        for place, (field, start, _) in enumerate(record.spans(), start=1)
    ]
    places = {id(item): (item.start or 0) if fixed else place for place, item in enumerate(other.fields, start=1)}
    left = {item.name: item for item in other.fields}
    pairs = {field.name: left.pop(field.name) for field, _, _ in standing if field.name in left}
    for field, _, _ in standing:
        titled = (item for item in left.values() if field.title and plain(item.label) == plain(field.title))
        found = next(titled, None) if field.name not in pairs else None
        if found is not None:
            pairs[field.name] = left.pop(found.name)
    for field, at, width in standing:
        same = (item for item in left.values() if item.row and (places[id(item)], item.width or 0) == (at, width))
        found = next(same, None)
        if field.name not in pairs and found is not None:
            pairs[field.name] = left.pop(found.name)
            yield Difference(record.name, field.name, "renamed", field.name, found.name)
    for field, at, width in standing:
        item = pairs.get(field.name)
        if item is None:
            yield Difference(record.name, field.name, "missing", _where(at, width, fixed=fixed), "")
            continue
        place = places[id(item)]
        if place != at:
            yield Difference(
                record.name,
                field.name,
                "moved",
                _where(at, width, fixed=fixed),
                _where(place, item.width or 0, fixed=fixed),
            )
        if item.width and width and item.width != width:
            yield Difference(record.name, field.name, "resized", str(width), str(item.width))
        yield from _of_type(record.name, field, item)
    for item in left.values():
        where = _where(places[id(item)], item.width or 0, fixed=fixed)
        yield Difference(record.name, item.name, "new", "", f"{where} {_kind(item)}")


def _of_type(record: str, field: Field, item: SheetField) -> Iterator[Difference]:
    """Type, decimals, format and constant, where the sheet says them and they were not taken in doubt."""
    said = {key: item.keys.get(key) for key in ("format", "decimals") if key not in item.guessed}
    own = {"format": field.format, "decimals": field.decimals if field.type is FieldType.DECIMAL else None}
    same = item.type is field.type
    if (item.may_be and field.type not in item.may_be) or (same and any(own[key] != said[key] for key in said)):
        yield Difference(record, field.name, "retyped", _own_kind(field), _kind(item))
    given = item.keys.get("equals")
    if given is not None and field.equals is not None and given.lstrip("0") != field.equals.lstrip("0"):
        yield Difference(record, field.name, "constant", field.equals, given)
    if item.keys.get("required") and not field.required:
        yield Difference(record, field.name, "required", "no", "yes")


def _where(place: int, width: int, *, fixed: bool) -> str:
    return f"{place}-{place + width - 1}" if fixed and width else f"column {place}" if not fixed else f"from {place}"


def _own_kind(field: Field) -> str:
    return " ".join(filter(None, [field.type.value, field.format or "", str(field.decimals or "")]))


def _kind(item: SheetField) -> str:
    keys = item.keys
    return " ".join(filter(None, [item.type.value, keys.get("format", ""), str(keys.get("decimals", "") or "")]))
