"""A record's layout as numbers: what the loops of ``cells`` need to read the bytes of a fixed-width file.

``Program`` says of each field where it stands and what is usual for it; whatever is not usual the loops leave to
``convert``, which alone knows the rules in full. A field that cannot be said in numbers here (marked decimals,
two-digit years) is left to ``convert`` whole. Nothing here looks at data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from atom_pipeline.layout.checks import DDDS, UFS
from atom_pipeline.layout.compiled.codes import WORD, Bytes, Check, Column, Numbers, Op, Words
from atom_pipeline.layout.convert import FieldPlan, RecordPlan
from atom_pipeline.layout.dates import spelling
from atom_pipeline.layout.model import FieldType, Rule

# What a byte may be, one bit each; see ``_classes``.
_DIGIT, _NINE, _TWO_TO_NINE, _LETTER, _LETTER_OR_DIGIT, _CHASSIS, _HYPHEN = (1 << bit for bit in range(7))
_EIGHT, _MOBILE = [_TWO_TO_NINE, *[_DIGIT] * 7], [_NINE, *[_DIGIT] * 8]
_PLATE_END = [_DIGIT, _LETTER_OR_DIGIT, _DIGIT, _DIGIT]
# rule: whether an area code comes first, whether five zeros may not, and the forms it has
_SHAPES: dict[Rule, tuple[bool, bool, list[list[int]]]] = {
    Rule.DDD: (True, False, [[]]),
    Rule.PHONE: (False, False, [_MOBILE, _EIGHT]),
    Rule.PHONE_WITH_DDD: (True, False, [_MOBILE, _EIGHT]),
    Rule.MOBILE_WITH_DDD: (True, False, [_MOBILE]),
    Rule.CEP: (False, True, [[_DIGIT] * 8, [*[_DIGIT] * 5, _HYPHEN, *[_DIGIT] * 3]]),
    Rule.PLATE: (False, False, [[*[_LETTER] * 3, *_PLATE_END], [*[_LETTER] * 3, _HYPHEN, *_PLATE_END]]),
    Rule.CHASSIS: (False, False, [[_CHASSIS] * 17]),
}
_DOCUMENTS = {Rule.CPF_CNPJ: 0, Rule.CPF: 1, Rule.CNPJ: 2}
_PARTS = "YmdHMS"  # directives of strptime, in the order of a row of ``Program.formats``
_WANTED = {Op.DATE: set("Ymd"), Op.TIME: set("HMS"), Op.DATETIME: set("YmdHMS")}
_LONGEST_NUMBER = 18  # digits; more are left to ``convert``
_LIMIT = 2**63 - 1


@dataclass(frozen=True)
class Program:
    """What the loops need of one record type.

    ``fields`` has a row per field that the loops read, in the order of ``places`` (positions in the record's fields).
    ``tables``: sets of byte strings, all one after another, as the bounds of each set's items, the first eight bytes of
    each item as a number, the bounds of each item's bytes, and the bytes; shapes, a row each: a list's number, whether
    an area code comes first, whether five zeros may not, the length, a class per byte; the classes of every byte; which
    area codes there are. ``formats`` has a row per spelling of a moment: its length, where year, month, day, hour,
    minute and second begin (-1: it has none), how many literals, and the place and byte of each.
    """

    places: tuple[int, ...]
    fields: Numbers
    tables: tuple[tuple[Numbers, Words, Numbers, Bytes], Numbers, Bytes, npt.NDArray[np.bool_]]
    formats: Numbers


def compile_record(plan: RecordPlan) -> Program:
    """The program of a fixed-width record type."""
    builder = _Builder(plan)
    return builder.program()


class _Builder:
    def __init__(self, plan: RecordPlan) -> None:
        self._plan = plan
        self._spans = {name: (start, stop) for name, start, stop in plan.spans}
        self._sets: list[list[bytes]] = []
        self._formats: list[list[int]] = []
        self._shapes: list[list[int]] = []
        self._lists: dict[Rule, int] = {}
        self._slots = [0] * len(Op)

    def program(self) -> Program:
        places, rows = [], []
        for place, field in enumerate(self._plan.fields):
            row = self._row(field)
            if row is not None:
                places.append(place)
                rows.append([row[column] for column in Column])
        items = [item for items in self._sets for item in items]
        sets = (
            _bounds([len(items) for items in self._sets]),
            np.array([int.from_bytes(item[:WORD], "little") for item in items], dtype=np.uint64),
            _bounds([len(item) for item in items]),
            np.frombuffer(bytearray(b"".join(items)), dtype=np.uint8),
        )
        area_codes = np.isin(np.arange(100), [int(code) for code in DDDS])
        return Program(
            places=tuple(places),
            fields=np.array(rows, dtype=np.int64).reshape(-1, len(Column)),
            tables=(sets, _table(self._shapes), _classes(), area_codes),
            formats=_table(self._formats),
        )

    def _row(self, plan: FieldPlan) -> dict[Column, int] | None:
        """The field in numbers; None where ``convert`` must read it."""
        field = plan.field
        op = Op.DOCUMENT if plan.document is not None else Op[field.type.name]
        start, stop = self._spans[field.name]
        row = dict.fromkeys(Column, -1)
        row |= {Column.OP: op, Column.START: start, Column.STOP: stop, Column.REQUIRED: int(field.required)}
        row |= {Column.SIGN: ("", "leading", "trailing").index(field.signed), Column.CHECK: Check.NONE}
        row |= {Column.STRIP_ZEROS: int(field.strip_zeros), Column.ZERO_PAD: field.zero_pad or 0}
        row |= {Column.NO_ZEROS: int(bool(field.checks)), Column.LOW: -_LIMIT, Column.HIGH: _LIMIT}
        known = self._marks_are_plain(plan) and self._limits(plan, row) and self._checks(plan, op, row)
        if not known or (field.format is not None and not self._format(field.format, row)):
            return None
        if field.equals is not None:
            row[Column.CONSTANT] = self._set([field.equals, field.equals.zfill(field.width or 0)])
        if field.domain is not None:
            if field.type not in {FieldType.TEXT, FieldType.DIGITS}:
                return None
            row[Column.DOMAIN] = self._set(list(field.domain))
        kind = Op.TEXT if op in {Op.DIGITS, Op.DOCUMENT} else op
        kind = Op.INTEGER if kind in {Op.TIME, Op.DATETIME} else kind
        row[Column.SLOT] = self._slots[kind]
        self._slots[kind] += 1
        return row

    def _marks_are_plain(self, plan: FieldPlan) -> bool:
        field = plan.field
        if plan.document is not None and field.type is not FieldType.TEXT:
            return False
        return not (field.suffix or field.decimal_mark or field.thousands_mark)

    def _limits(self, plan: FieldPlan, row: dict[Column, int]) -> bool:
        for column, limit in ((Column.LOW, plan.field.minimum), (Column.HIGH, plan.field.maximum)):
            if limit is None:
                continue
            if isinstance(limit, date):
                row[column] = limit.toordinal() - date(1970, 1, 1).toordinal()
                continue
            scaled = Decimal(limit).scaleb(plan.field.decimals)
            if scaled != scaled.to_integral_value() or abs(scaled) > 10**_LONGEST_NUMBER:
                return False
            row[column] = int(scaled)
        return True

    def _checks(self, plan: FieldPlan, op: Op, row: dict[Column, int]) -> bool:
        rules = [check.rule for check in plan.field.checks]
        if op is Op.DOCUMENT:
            if len(rules) > 1:
                return False
            row[Column.DOCUMENT] = _DOCUMENTS[rules[0]]
            if plan.field.person_type:
                row[Column.PERSON_START], row[Column.PERSON_STOP] = self._spans[plan.field.person_type]
            return True
        if not rules:
            return True
        if len(rules) > 1 or op not in {Op.TEXT, Op.DIGITS}:
            return False
        rule = rules[0]
        if rule is Rule.UF:
            if plan.field.domain is not None:
                return False
            row[Column.DOMAIN] = self._set(list(UFS))
        elif rule is Rule.EMAIL:
            row[Column.CHECK] = Check.EMAIL
        else:
            row[Column.CHECK] = Check.SHAPE + self._list(rule)
        return True

    def _list(self, rule: Rule) -> int:
        if rule not in self._lists:
            self._lists[rule] = len(self._lists)
            area, no_zeros, forms = _SHAPES[rule]
            for form in forms:
                self._shapes.append([self._lists[rule], int(area), int(no_zeros), len(form), *form])
        return self._lists[rule]

    def _set(self, items: list[str]) -> int:
        self._sets.append([item.encode() for item in items])
        return len(self._sets) - 1

    def _format(self, text: str, row: dict[Column, int]) -> bool:
        """A spelling as the places of its parts: each of those of the type once, a year with four digits."""
        places: dict[str, int] = {}
        literals: list[int] = []
        place, rest = 0, iter(spelling(text).directive)
        for character in rest:
            directive = next(rest) if character == "%" else ""
            if directive and directive in _PARTS and directive not in places:
                places[directive] = place
                place += 4 if directive == "Y" else 2
            elif directive in {"", "%"}:
                literals += [place, ord(directive or character)]
                place += 1
            else:
                return False
        if set(places) != _WANTED[Op(row[Column.OP])]:
            return False
        self._formats.append([place, *(places.get(part, -1) for part in _PARTS), len(literals) // 2, *literals])
        row[Column.FORMAT] = len(self._formats) - 1
        return True


def _bounds(sizes: list[int]) -> Numbers:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)


def _table(rows: list[list[int]]) -> Numbers:
    """Rows of different lengths in one array, -1 after the end of each."""
    table = np.full((len(rows), max((len(row) for row in rows), default=0) + 1), -1, dtype=np.int64)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return table


def _classes() -> Bytes:
    """The classes of every byte, one bit each."""
    classes = np.zeros(256, dtype=np.uint8)
    digits, letters = range(ord("0"), ord("9") + 1), range(ord("A"), ord("Z") + 1)
    classes[[*digits]] |= _DIGIT | _LETTER_OR_DIGIT | _CHASSIS
    classes[ord("9")] |= _NINE
    classes[ord("2") : ord("9") + 1] |= _TWO_TO_NINE
    classes[[*letters]] |= _LETTER | _LETTER_OR_DIGIT
    classes[[code for code in letters if chr(code) not in "IOQ"]] |= _CHASSIS
    classes[ord("-")] |= _HYPHEN
    return classes
