"""What a sheet says otherwise than a layout that there is: fields added, removed, moved, and what changed in each.

Which field is which is in ``sheet_pairs``. A type, format or number of decimals is another one only where the sheet's
own words exclude the layout's; what a sheet does not say (whether a field is required, its codes) is no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from atom_pipeline.layout.model import DelimitedFormat, Field, FieldType, FixedFormat, Layout, Version
from atom_pipeline.layout.sheet_fields import SheetField
from atom_pipeline.layout.sheet_pairs import FieldPair, Standing, paired_fields, paired_records
from atom_pipeline.layout.sheet_records import SheetLayout, SheetRecord
from atom_pipeline.layout.sheet_words import plain

_MOST_CODES = 10  # shown of a domain
_MOST_MOVES = 5  # told one by one of fields that moved together
_TEMPORAL = frozenset({FieldType.DATE, FieldType.TIME, FieldType.DATETIME})


@dataclass(frozen=True)
class Difference:
    """One difference. ``what`` is added, removed, renamed, moved, width, type, format, decimals, required, domain,
    constant or sign; of a record also length. ``layout`` and ``sheet`` say what each has."""

    record: str
    field: str
    what: str
    layout: str
    sheet: str


def differences(sheet: SheetLayout, version: Version) -> list[Difference]:
    """Every difference, in the order of the layout's records, then what only the sheet has."""
    fixed = isinstance(version.format, FixedFormat)
    out: list[Difference] = []
    if fixed != sheet.fixed:
        kinds = {True: "fixed", False: "delimited"}
        out.append(Difference("", "", "format", kinds[fixed], kinds[sheet.fixed]))
    elif isinstance(version.format, DelimitedFormat) and sheet.delimiter_said:
        own = version.format.delimiter
        if own != sheet.delimiter:
            out.append(Difference("", "", "delimiter", own, sheet.delimiter or ""))
    pairs = paired_records(version.records, sheet.records)
    for record in version.records:
        other = pairs.get(record.name)
        if other is None:
            out.append(Difference(record.name, "", "removed", f"{len(record.fields)} fields", ""))
            continue
        if record.length is not None and other.length is not None and record.length != other.length:
            out.append(Difference(record.name, "", "length", f"{record.length} bytes", f"{other.length} bytes"))
        told = list(paired_fields(record, other, fixed=fixed and sheet.fixed))
        out += _moved_together(record.name, told, fixed=fixed and sheet.fixed)
    known = [id(other) for other in pairs.values()]
    new = [other for other in sheet.records if id(other) not in known]
    return out + [Difference(other.name, "", "added", "", f"{len(other.expanded())} fields") for other in new]


def _moved_together(record: str, pairs: list[FieldPair], *, fixed: bool) -> Iterator[Difference]:
    """The differences of each field; where many follow on and moved by as much, one line says so."""

    def shift(pair: FieldPair) -> int:
        return pair.after.at - pair.before.at if pair.field is not None and pair.item is not None else 0

    for moved, run in groupby(pairs, key=shift):
        together = list(run)
        if moved and len(together) > _MOST_MOVES:
            first, last = together[0], together[-1]
            fields = f"{first.before.name} to {last.before.name}"
            unit = "bytes" if fixed else "columns"
            by = f"{len(together)} fields by {moved:+d} {unit}: from {first.after.at}"
            yield Difference(record, fields, "moved", f"from {first.before.at}", by)
        for pair in together:
            yield from _of_pair(record, pair, fixed=fixed, moved=bool(moved) and len(together) <= _MOST_MOVES)


def _of_pair(record: str, pair: FieldPair, *, fixed: bool, moved: bool) -> Iterator[Difference]:
    field, item = pair.field, pair.item
    before, after = _where(pair.before, fixed=fixed), _where(pair.after, fixed=fixed)
    if field is None or item is None:
        if field is not None:
            yield Difference(record, field.name, "removed", f"{before} {_own_kind(field)}", "")
        elif item is not None:
            yield Difference(record, item.name, "added", "", f"{after} {_kind(item)}")
        return
    if item.name != field.name and plain(item.label) != plain(field.title or ""):
        yield Difference(record, field.name, "renamed", field.name, item.name)
    if moved:
        yield Difference(record, field.name, "moved", before, after)
    if pair.before.width and pair.after.width and pair.before.width != pair.after.width:
        yield Difference(record, field.name, "width", str(pair.before.width), str(pair.after.width))
    for what, layout, sheet in (*_of_kind(field, item), *_of_rules(field, item)):
        yield Difference(record, field.name, what, layout, sheet)


Change = tuple[str, str, str]  # what, the layout's, the sheet's


def _of_kind(field: Field, item: SheetField) -> Iterator[Change]:
    """Type, format, decimals and sign, where the sheet says them and they were not taken in doubt."""
    if item.may_be and field.type not in item.may_be:
        yield "type", _own_kind(field), _kind(item)
        return
    if item.type is not field.type:
        return
    if field.type in _TEMPORAL and "format" not in item.guessed and item.keys.get("format") != field.format:
        yield "format", field.format or "", item.keys.get("format", "")
    decimals = item.keys.get("decimals", 0)
    if field.type is FieldType.DECIMAL and "decimals" not in item.guessed and decimals != field.decimals:
        yield "decimals", str(field.decimals), str(decimals)
    signed = item.keys.get("signed", "")
    if signed and "signed" not in item.guessed and signed != field.signed:
        yield "sign", field.signed or "none", signed


def _of_rules(field: Field, item: SheetField) -> Iterator[Change]:
    required = item.keys.get("required")
    if required is not None and required != field.required:
        yield "required", "yes" if field.required else "no", "yes" if required else "no"
    constant = item.keys.get("equals")
    if constant is not None and _code(constant) != _code(field.equals or ""):
        yield "constant", field.equals or "none", constant
    if "domain" in item.keys:
        yield from _of_domain(field.domain or {}, item.keys["domain"] or {})


def _of_domain(own: Mapping[str, str], given: Mapping[str, str]) -> Iterator[Change]:
    """Codes that only one of both has; how a code is put into words is no difference."""
    gone = [code for code in own if _code(code) not in map(_code, given)]
    new = [code for code in given if _code(code) not in map(_code, own)]
    if own and not given:
        yield "domain", _codes(list(own)), "any value"
    elif given and not own:
        yield "domain", "any value", _codes(list(given))
    elif gone or new:
        yield "domain", f"also {_codes(gone)}" if gone else "", f"also {_codes(new)}" if new else ""


def _code(code: str) -> str:
    """A code as it is compared: a spreadsheet loses the zeros on its left."""
    return code.lstrip("0") or "0" if code.isdecimal() else code


def _codes(codes: list[str]) -> str:
    return ", ".join(codes[:_MOST_CODES]) + (", ..." if len(codes) > _MOST_CODES else "")


def _where(standing: Standing, *, fixed: bool) -> str:
    if not fixed:
        return f"column {standing.at}"
    return f"{standing.at}-{standing.at + standing.width - 1}" if standing.width else f"from {standing.at}"


def _own_kind(field: Field) -> str:
    return " ".join(filter(None, [field.type.value, field.format or "", str(field.decimals or "")]))


def _kind(item: SheetField) -> str:
    keys = item.keys
    return " ".join(filter(None, [item.type.value, keys.get("format", ""), str(keys.get("decimals", "") or "")]))


def as_sheet(layout: Layout, version: Version) -> SheetLayout:
    """A document in the place of a sheet: one that was imported and whose doubts were settled, against the old one."""
    delimiter = None if isinstance(version.format, FixedFormat) else version.format.delimiter
    records = []
    for record in version.records:
        fields = [
            SheetField(
                1,
                field.name,
                field.title or field.name,
                start + 1 if delimiter is None else None,
                field.width,
                {
                    "type": field.type.value,
                    "format": field.format or "",
                    "decimals": field.decimals,
                    "signed": field.signed,
                    "required": field.required,
                    "equals": field.equals,
                    "domain": field.domain,
                },
                frozenset({field.type}),
            )
            for field, start, _ in record.spans()
        ]
        match = (record.match.field, record.match.equals) if record.match else None
        made = SheetRecord(record.name, "", record.role, record.description, fields, record.length, match)
        records.append(made)
    return SheetLayout(layout.layout, layout.title, layout.layout, layout.stage, delimiter, records)
