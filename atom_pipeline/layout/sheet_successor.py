"""A layout as it would be with a sheet's records: the sheet's word where it says something, else the layout's.

A list of fields says names, places, types, codes. It says nothing of a file's name, its key, the limit of rejects, and
rarely where a sign stands or which mark groups thousands: a file must not seem to stop loading for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from typing import Any

from atom_pipeline.layout.model import DelimitedFormat, Field, FieldType, Layout, Record, Total, Version
from atom_pipeline.layout.sheet_fields import SheetField
from atom_pipeline.layout.sheet_pairs import paired_fields, paired_records
from atom_pipeline.layout.sheet_records import SheetLayout, SheetRecord

_RULES = ("type_severity", "domain_severity", "range_severity", "minimum", "maximum", "checks", "personal")
_WRITTEN = (
    "suffix",
    "sequence",
    "zero_pad",
    "strip_zeros",
    "thousands_mark",
    "decimal_mark",
    "signed",
    "format",
    "decimals",
)
_NUMBERS = frozenset({FieldType.INTEGER, FieldType.DECIMAL})
Pairs = Mapping[str, tuple[str, Mapping[str, str]]]  # record of the layout: that of the sheet, and names of fields


@dataclass(frozen=True)
class Successor:
    """A layout with the records of a sheet; ``notes`` say what of the layout could not be kept."""

    layout: Layout
    pairs: Pairs
    notes: tuple[str, ...]


def successor(layout: Layout, sheet: SheetLayout, document: Layout, *, whole: bool = False) -> Successor:
    """The layout with the records of the sheet's ``document`` in the place of its own.

    ``whole``: the document is one whose doubts were settled; nothing is filled in from the layout's records.
    """
    before, version = layout.versions[-1], document.versions[-1]
    fixed = before.format.kind == "fixed" and sheet.fixed
    others = paired_records(before.records, sheet.records)
    kept: dict[str, Record] = {record.name: record for record in version.records}
    pairs: dict[str, tuple[str, Mapping[str, str]]] = {}
    for record in before.records:
        other = others.get(record.name)
        if other is None:
            continue
        both = [
            (pair.field, pair.item)
            for pair in paired_fields(record, other, fixed=fixed)
            if pair.field is not None and pair.item is not None
        ]
        pairs[record.name] = (other.name, {field.name: item.name for field, item in both})
        if not whole:
            kept[other.name] = _filled_in(record, kept[other.name], both)
    details = {record.name for record in before.details}
    names = {name: after for record, (_, own) in pairs.items() if record in details for name, after in own.items()}
    if not whole:
        kept = {name: _with_totals(record, before, pairs) for name, record in kept.items()}
    records = tuple(kept[record.name] for record in version.records)
    format_ = version.format if whole else _format(before, version, sheet)
    version = version.model_copy(update={"since": date.min, "format": format_, "records": records})
    key = tuple(names.get(name, name) for name in layout.key)
    update: dict[str, Any] = {"versions": (version,), "key": key}
    notes = []
    if any(name not in record.by_name for name in key for record in version.details):
        update |= {"key": (), "unique": "allow"}
        notes.append(f"the key {', '.join(layout.key)} is not in the sheet: rows that stand twice were not looked for")
    return Successor(
        layout.model_copy(update=update), {name: pairs[name] for name in pairs if name in details}, tuple(notes)
    )


def told_by(sheet: SheetLayout, version: Version) -> SheetLayout:
    """The sheet with what tells its records apart, and the types that it leaves open, as the layout has them.

    So that it can be tried: a sheet that is silent about them makes a document that does not load.
    """
    out = deepcopy(sheet)
    fixed = version.format.kind == "fixed" and sheet.fixed
    others = paired_records(version.records, out.records)
    for record in version.records:
        other = others.get(record.name)
        if other is None:
            continue
        pairs = [(pair.field, pair.item) for pair in paired_fields(record, other, fixed=fixed)]
        names = {field.name: item.name for field, item in pairs if field and item}
        if other.match is None and record.match is not None and record.match.field in names:
            other.match = (names[record.match.field], record.match.equals)
        other.role = record.role
        other.composed = dict(_composed(record, names, others))
        for field, item in pairs:
            if field and item and item.type is not field.type and field.type in (item.may_be or FieldType):
                said = {key: value for key, value in item.keys.items() if key not in _WRITTEN}
                item.keys = said | {"type": field.type.value} | ({"format": field.format} if field.format else {})
    return out


def _composed(record: Record, names: Mapping[str, str], others: Mapping[str, SheetRecord]) -> Iterator[tuple[str, Any]]:
    """How the record goes together with others, in the sheet's names, as a document says it."""
    if record.match is not None and record.match.also:
        also = [{"field": names[one.field], "equals": one.equals} for one in record.match.also if one.field in names]
        yield "and", also
    if record.joins is not None and record.joins in others:
        yield "joins", others[record.joins].name
    gives = [names[name] for name in record.gives if name in names]
    if gives:
        yield "gives", gives


def _filled_in(record: Record, given: Record, both: list[tuple[Field, SheetField]]) -> Record:
    """The sheet's record, groups repeated, with what the sheet leaves open as the layout has it."""
    known = {item.name: (field, item) for field, item in both}
    names = {field.name: item.name for field, item in both}
    fields = []
    for field in given.fields:
        if field.name in known:
            own, item = known[field.name]
            person = names.get(own.person_type or "")
            field = _field(own, field, item).model_copy(update={"person_type": person})
        fields.append(field)
    return given.model_copy(update={"items": tuple(fields), "required": record.required})


def _field(own: Field, given: Field, item: SheetField) -> Field:
    if own.type is not given.type and item.may_be and own.type not in item.may_be:
        return given
    update: dict[str, Any] = {key: getattr(own, key) for key in _RULES}
    said = {key for key in _WRITTEN if getattr(given, key) and key not in item.guessed}
    if own.type is not given.type:  # the sheet leaves it open: N may be digits, a number or a date
        update["type"] = own.type
        said = set()
    update |= {key: getattr(own, key) for key in _WRITTEN if key not in said}
    if given.width is None:
        update["width"] = own.width
    if "decimals" in item.keys and "decimals" not in item.guessed:
        update["decimals"] = given.decimals
    if own.type not in _NUMBERS:
        update |= {"signed": "", "thousands_mark": ""}
    if update.get("zero_pad") and given.width and own.width and given.width != own.width:
        update["zero_pad"] = max(own.zero_pad or 0, given.width)
    if "required" not in item.keys:
        update["required"] = own.required
    if "domain" not in item.keys:
        update["domain"] = own.domain
    if "equals" not in item.keys:
        update["equals"] = own.equals
    return given.model_copy(update=update)


def _with_totals(record: Record, before: Version, pairs: Pairs) -> Record:
    """The record with the totals that the layout has for it, where all that they name is still there."""
    for mine in before.records:
        other, names = pairs.get(mine.name, ("", {}))
        if other == record.name:
            return record.model_copy(update={"totals": tuple(_totals(mine, names, pairs))})
    return record


def _totals(record: Record, names: Mapping[str, str], pairs: Pairs) -> Iterator[Total]:
    for total in record.totals:
        field = names.get(total.field)
        counted = tuple(name if name == "*" else pairs.get(name, ("",))[0] for name in total.count)
        summed = total.sum_of
        if summed is not None:
            of, _, what = summed.partition(".")
            other, own = pairs.get(of, ("", {}))
            summed = f"{other}.{own[what]}" if what in own else ""
        if field is not None and all(counted) and summed != "":
            yield total.model_copy(update={"field": field, "count": counted, "sum_of": summed})


def _format(before: Version, version: Version, sheet: SheetLayout) -> Any:
    """The layout's format, whose encoding and line ends no sheet says, where both are of one kind."""
    if before.format.kind != version.format.kind:
        return version.format
    if isinstance(before.format, DelimitedFormat) and sheet.delimiter and sheet.delimiter_said:
        return before.format.model_copy(update={"delimiter": sheet.delimiter})
    return before.format
