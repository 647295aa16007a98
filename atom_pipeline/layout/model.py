"""The vocabulary of a layout document: what one YAML file under ``layouts/`` may say.

Only shape belongs here: keys, types and the checks that one document can make of itself. Reading YAML with line
numbers is in ``document``, rules across documents are in ``catalogue``, files are read in ``reading`` and written in
``writing``. A field is said once; reader, writer, Pandera schema, Dagster columns and the layout's page derive from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Tag,
    field_validator,
    model_validator,
)
from pydantic import Field as Key
from pydantic_core import PydanticCustomError

from atom_pipeline.layout import pattern as names
from atom_pipeline.layout.composition import composition_problems, overlap_problems, row_types
from atom_pipeline.layout.dates import spelling


class Strict(BaseModel):
    """A part of a document: unknown keys are errors, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, without the cached properties: they would speak of the original."""
        copy = super().model_copy(update=update, deep=deep)
        for name in copy.__dict__.keys() - type(self).model_fields.keys():
            del copy.__dict__[name]
        return copy


Problem = tuple[tuple[str | int, ...], str]  # where, from the part that is checked; what is wrong


def refuse(problems: list[Problem]) -> None:
    """Raise all that is wrong with one part of a document at once; ``document`` finds each one's line."""
    if problems:
        text = "; ".join(message for _, message in problems)
        raise PydanticCustomError("consistency", "{text}", {"text": text, "problems": problems})


def _iso_day(value: object) -> object:
    """A date in a document is AAAA-MM-DD; a bare number would be taken for seconds since 1970."""
    if isinstance(value, str) and (len(value) != 10 or value[4] != "-"):
        raise ValueError("a date is written AAAA-MM-DD")
    return value


def _number_or_day(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value) if value[4:5] == "-" else Decimal(value)
    except ArithmeticError:
        raise ValueError("a bound is a number, or a date as AAAA-MM-DD") from None


def _finite(value: Decimal | date) -> Decimal | date:
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError("a bound is a finite number")
    return value


Day = Annotated[date, BeforeValidator(_iso_day)]
Bound = Annotated[Decimal | date, BeforeValidator(_number_or_day), AfterValidator(_finite)]


class Provenance(StrEnum):
    """Whether a fact is the bank's, or ours until the bank's sheet arrives."""

    SPEC = "spec"
    INFERRED = "inferred"


class Stage(StrEnum):
    """What a file is for. The rules of the base know stages, never layouts by name."""

    REMESSA = "remessa"
    PARCELAS = "parcelas"
    GARANTIAS = "garantias"
    TELEFONES = "telefones"
    REFIN = "refin"
    ACORDOS = "acordos"
    EXCLUSAO = "exclusao"
    BATIMENTO = "batimento"
    MASSIVA = "massiva"
    HISTORICO = "historico"
    MAILING = "mailing"
    BAIXA = "baixa"
    ERROS = "erros"
    BASE = "base"  # what the agency has at go-live


class Merge(StrEnum):
    """How the files of one layout and one day become one table (DESIGN section 4).

    ``latest_per_key``: union, the row of the later stamp wins per key. ``replace_per_key``: the newest file that has a
    key replaces that key's set of rows whole. ``union``: every distinct row of every file. ``newest_file``: the newest
    file alone. ``append``: every row, in order of arrival.
    """

    LATEST_PER_KEY = "latest_per_key"
    REPLACE_PER_KEY = "replace_per_key"
    UNION = "union"
    NEWEST_FILE = "newest_file"
    APPEND = "append"


class Severity(StrEnum):
    """``refuse`` takes the row out, with its reason; ``flag`` keeps it and counts it."""

    REFUSE = "refuse"
    FLAG = "flag"


class FieldType(StrEnum):
    """Types of a value. Identifiers are text: since July 2026 a CNPJ has letters, and zeros on the left count."""

    TEXT = "text"
    DIGITS = "digits"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"


class Rule(StrEnum):
    """Checks on one value that need more than a type; each is written once, in ``checks``."""

    CPF_CNPJ = "cpf_cnpj"  # read without . / -; a spreadsheet's lost zeros put back: to 11, or from 12 on to 14
    CPF = "cpf"
    CNPJ = "cnpj"
    DDD = "ddd"
    PHONE = "phone"  # a number without DDD: 8 digits, or 9 starting with 9
    PHONE_WITH_DDD = "phone_with_ddd"
    MOBILE_WITH_DDD = "mobile_with_ddd"
    EMAIL = "email"
    UF = "uf"
    CEP = "cep"
    PLATE = "plate"
    CHASSIS = "chassis"


class Check(Strict):
    """One named check on a field and what a failure does."""

    rule: Rule
    severity: Severity = Severity.REFUSE


class Personal(StrEnum):
    """Personal data, so that it is masked wherever it is shown."""

    DOCUMENT = "document"
    NAME = "name"
    PHONE = "phone"
    EMAIL = "email"
    ADDRESS = "address"


FIELD_NAME = r"^[a-z][a-z0-9_]*$"


class Numbered(StrEnum):
    """What a sequence number counts: the file's lines that have such a field, those of each lot, or the lots."""

    LINES = "lines"
    LINES_OF_LOT = "lines_of_lot"
    LOTS = "lots"


class Sequence(Strict):
    """Numbers that go up by one from ``start``: a file in which they do not is refused, with both numbers."""

    of: Numbered
    start: Annotated[int, Key(ge=0)] = 1


class Field(Strict):
    """One field of a record.

    ``width`` is in bytes for fixed-width files and a maximum in characters for others. ``at`` is the first byte,
    counted from 1; left out, a field begins where the one before it ends. ``decimals`` are implied when the type is
    decimal and ``decimal_mark`` is empty.
    """

    name: Annotated[str, Key(pattern=FIELD_NAME)]
    title: str | None = None  # the column's title in a file with a header line; default: the name
    at: Annotated[int, Key(ge=1)] | None = None
    width: Annotated[int, Key(ge=1)] | None = None
    type: FieldType = FieldType.TEXT
    format: str | None = None  # of a date: AAAAMMDD, DDMMAAAA, DD/MM/AAAA, AAAA-MM-DD, HHMMSS
    decimals: Annotated[int, Key(ge=0, le=12)] = 0
    decimal_mark: Literal["", ",", "."] = ""
    thousands_mark: Literal["", ",", "."] = ""
    suffix: str = ""  # e.g. % after a rate; allowed when read, added when written
    signed: Literal["", "leading", "trailing"] = ""  # where the - (or +) stands; empty: never negative
    zero_pad: Annotated[int, Key(ge=1)] | None = None  # digits: canonical length, zeros on the left
    strip_zeros: bool = False  # digits: zeros on the left are padding (a phone in a wider field); all zeros is null
    # cpf_cnpj: the field of the same record (or group) that says F or J. A CPF may stand in 14 bytes as 11 digits and
    # blanks or with zeros on the left; read as F it is its last 11 digits, as J all 14 (000000001-91 is valid as both)
    person_type: str | None = None
    required: bool = False
    equals: str | None = None  # a constant, checked when read and written by itself
    default: str | None = None  # written when the records leave the column out
    sequence: Sequence | None = None  # a number that the writer gives by itself and the reader reconciles
    domain: dict[str, str] | None = None  # code: meaning
    domain_severity: Severity = Severity.REFUSE
    minimum: Bound | None = None
    maximum: Bound | None = None
    range_severity: Severity = Severity.REFUSE
    type_severity: Severity = Severity.REFUSE  # flag: a value that does not convert is kept as null and counted
    checks: tuple[Check, ...] = ()
    personal: Personal | None = None
    unit: str | None = None
    description: str = ""
    source: Provenance = Provenance.INFERRED

    @field_validator("sequence", mode="before")
    @classmethod
    def _short_sequence(cls, value: object) -> object:
        """``sequence: lines`` is short for numbers of lines from 1 on."""
        return {"of": value} if isinstance(value, str) else value

    @field_validator("checks", mode="before")
    @classmethod
    def _short_checks(cls, value: object) -> object:
        """``checks: [cpf_cnpj]`` is short for a refusing check."""
        if isinstance(value, list):
            return [{"rule": item} if isinstance(item, str) else item for item in value]
        return value

    @model_validator(mode="after")
    def _agrees_with_type(self) -> Self:
        temporal = self.type in {FieldType.DATE, FieldType.TIME, FieldType.DATETIME}
        numeric = self.type in {FieldType.INTEGER, FieldType.DECIMAL}
        digits = self.type is FieldType.DIGITS
        documents = any(check.rule is Rule.CPF_CNPJ for check in self.checks)
        rules: list[tuple[str, bool, str]] = [
            ("format", temporal == (self.format is not None), "goes with type date, time or datetime, which need it"),
            ("decimals", not self.decimals or self.type is FieldType.DECIMAL, "goes with type decimal"),
            ("decimal_mark", not self.decimal_mark or self.type is FieldType.DECIMAL, "goes with type decimal"),
            ("thousands_mark", not self.thousands_mark or numeric, "goes with type integer or decimal"),
            ("zero_pad", not self.zero_pad or digits, "goes with type digits"),
            ("strip_zeros", not self.strip_zeros or (digits and not self.zero_pad), "goes with digits, not zero_pad"),
            ("person_type", not self.person_type or documents, "goes with the check cpf_cnpj"),
            ("signed", not self.signed or numeric, "goes with type integer or decimal"),
            ("sequence", not self.sequence or digits or self.type is FieldType.INTEGER, "goes with integer or digits"),
            ("sequence", not self.sequence or self.equals is None, "does not go with `equals`"),
        ]
        problems: list[Problem] = [((key,), f"`{key}` {text}") for key, good, text in rules if not good]
        if self.thousands_mark and self.thousands_mark == self.decimal_mark:
            problems.append((("thousands_mark",), "thousands and decimals have the same mark"))
        for key, bound in (("minimum", self.minimum), ("maximum", self.maximum)):
            if bound is not None and not (numeric if isinstance(bound, Decimal) else self.type is FieldType.DATE):
                problems.append(((key,), f"`{key}` goes with integer and decimal as a number, with date as a date"))
        low, high = self.minimum, self.maximum
        if type(low) is type(high) and low is not None and low > high:  # type: ignore[operator]
            problems.append((("maximum",), "`maximum` is less than `minimum`"))
        for key, text in (("equals", self.equals), ("default", self.default)):
            if text is not None and self.width is not None and len(text) > self.width:
                problems.append(((key,), f"`{key}` is longer than the field's width of {self.width}"))
        if temporal and self.format is not None:
            problems += self._spelling_of_another_type(self.format)
        refuse(problems)
        return self

    def _spelling_of_another_type(self, text: str) -> list[Problem]:
        try:
            directive = spelling(text).directive
        except ValueError as error:
            return [(("format",), str(error))]
        day = "%d" in directive and "%m" in directive and ("%Y" in directive or "%y" in directive)
        no_day = not re.search("%[dmYy]", directive)
        clock = "%H" in directive
        good = {FieldType.DATE: day and not clock, FieldType.TIME: clock and no_day, FieldType.DATETIME: day and clock}
        return [] if good[self.type] else [(("format",), f"{text} is not how a {self.type} is written")]


class Group(Strict):
    """A repeating group (OCCURS): its fields expand to ``<group>_<n>_<field>``, n from 1; their titles may hold {n}."""

    group: Annotated[str, Key(pattern=FIELD_NAME)]
    times: Annotated[int, Key(ge=1, le=99)]
    description: str = ""
    fields: Annotated[tuple[Field, ...], Key(min_length=1)]

    @model_validator(mode="after")
    def _titles_can_be_numbered(self) -> Self:
        problems: list[Problem] = []
        for place, field in enumerate(self.fields):
            try:
                (field.title or "").format(n=1)
            except (ValueError, LookupError):
                problems.append((("fields", place, "title"), "a title in a group may hold {n}, and no other braces"))
            if field.at is not None:
                problems.append((("fields", place, "at"), "`at` has no meaning in a group, whose fields follow on"))
        refuse(problems)
        return self

    def expand(self) -> Iterator[Field]:
        """Yield the fields of every repetition, in file order. ``person_type`` names a field of the same group."""
        for n in range(1, self.times + 1):
            for field in self.fields:
                person_type = f"{self.group}_{n}_{field.person_type}" if field.person_type else None
                yield field.model_copy(
                    update={
                        "name": f"{self.group}_{n}_{field.name}",
                        "title": field.title.format(n=n) if field.title else None,
                        "description": f"{field.description} ({self.group} {n} de {self.times})".strip(),
                        "at": None,
                        "person_type": person_type,
                    }
                )


class Condition(Strict):
    """A field that holds a constant."""

    field: str
    equals: str


class Match(Condition):
    """How to tell a record type: the field holds this constant, and so do those of ``and`` (a type and a segment)."""

    also: Annotated[tuple[Condition, ...], Key(alias="and")] = ()


class RecordRole(StrEnum):
    """A file is a header, details, a trailer; where it has lots, each of them has its own around its details."""

    HEADER = "header"
    LOT_HEADER = "lot_header"
    DETAIL = "detail"
    LOT_TRAILER = "lot_trailer"
    TRAILER = "trailer"


class Total(Strict):
    """What a trailer's (or header's) field must equal: a count of records, or a sum of a field over a record type.

    In a lot's trailer it is of that lot alone. ``where`` takes the lines in which a field holds a constant, e.g. the
    totals by kind of billing of a CNAB 240 lot.
    """

    field: str
    count: tuple[str, ...] = ()  # names of record types counted; ["*"] counts every line of the file, or of the lot
    sum_of: str | None = None  # "<record>.<field>"
    where: Condition | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Total:
        if bool(self.count) == (self.sum_of is not None):
            raise ValueError("a total says either `count` or `sum_of`")
        return self


def _field_or_group(value: object) -> str:
    """An item of ``fields`` is a group when it says ``group``: so that its findings are those of one of both."""
    return "<Group>" if isinstance(value, Group) or (isinstance(value, dict) and "group" in value) else "<Field>"


Item = Annotated[Annotated[Field, Tag("<Field>")] | Annotated[Group, Tag("<Group>")], Discriminator(_field_or_group)]


class Record(Strict):
    """One record type: a line of a fixed-width file, or a row of a delimited one.

    A record that ``joins`` another one goes on with the row that a line of that one began (CNAB 240: segment U after
    its T): both are one row of the table. Fields of a header that it ``gives`` are columns of the rows after it.
    """

    name: Annotated[str, Key(pattern=FIELD_NAME)]
    role: RecordRole = RecordRole.DETAIL
    length: Annotated[int, Key(ge=1)] | None = None  # bytes without the line's end; fixed-width only
    match: Match | None = None
    required: bool = True  # header, trailer: a file without it is refused; `joins`: a row without it is
    joins: str | None = None
    gives: tuple[str, ...] = ()
    totals: tuple[Total, ...] = ()
    # what a value that does not convert, or is out of its domain or range, does in fields that do not say it themselves
    severity: Severity = Severity.REFUSE
    description: str = ""
    source: Provenance = Provenance.INFERRED
    items: Annotated[tuple[Item, ...], Key(alias="fields", min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _severity_of_its_fields(cls, value: object) -> object:
        """Hand the record's ``severity`` to the fields (not to their ``checks``, which say their own)."""
        if not isinstance(value, dict) or "severity" not in value:
            return value
        given = dict.fromkeys(("type_severity", "domain_severity", "range_severity"), value["severity"])

        def handed(item: object) -> object:
            if not isinstance(item, dict):
                return item
            if isinstance(item.get("fields"), list):
                return {**item, "fields": [handed(field) for field in item["fields"]]}
            return {**given, **item}

        items = value.get("fields")
        return {**value, "fields": [handed(item) for item in items]} if isinstance(items, list) else value

    @cached_property
    def _placed(self) -> tuple[tuple[Field, int], ...]:
        """Every field, groups expanded, in file order, with the number of its item."""
        out: list[tuple[Field, int]] = []
        for place, item in enumerate(self.items):
            out.extend((field, place) for field in (item.expand() if isinstance(item, Group) else (item,)))
        return tuple(out)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Every field, groups expanded, in file order."""
        return tuple(field for field, _ in self._placed)

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The repeating groups by name."""
        return {item.group: item for item in self.items if isinstance(item, Group)}

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """The fields by (expanded) name."""
        return {field.name: field for field in self.fields}

    @cached_property
    def matches(self) -> tuple[Condition, ...]:
        """All that a line must hold to be of this type; empty when every line is."""
        return (self.match, *self.match.also) if self.match else ()

    @cached_property
    def self_written(self) -> frozenset[str]:
        """Fields whose values the writer gives: constants, what tells the type, sequence numbers."""
        constant = {field.name for field in self.fields if field.equals is not None or field.sequence is not None}
        return frozenset(constant | {match.field for match in self.matches})

    def field(self, name: str) -> Field:
        """The field of that (expanded) name. Raises KeyError."""
        return self.by_name[name]

    def spans(self) -> list[tuple[Field, int, int]]:
        """(field, first byte from 0, byte after the last) of each field of a fixed-width record."""
        out: list[tuple[Field, int, int]] = []
        cursor = 0
        for field in self.fields:
            start = field.at - 1 if field.at is not None else cursor
            cursor = start + (field.width or 0)
            out.append((field, start, cursor))
        return out

    @model_validator(mode="after")
    def _names_and_places(self) -> Self:
        problems: list[Problem] = []
        seen: set[str] = set()
        for field, place in self._placed:
            if field.name in seen:
                problems.append((("fields", place), f"field {field.name} stands twice"))
            seen.add(field.name)
        for place, total in enumerate(self.totals):
            if total.field not in seen:
                problems.append((("totals", place), f"total of a field that does not exist: {total.field}"))
        for place, name in enumerate(self.gives):
            if name not in seen:
                problems.append((("gives", place), f"no field {name} here to give"))
        for field, place in self._placed:
            if field.person_type and field.person_type not in seen:
                text = f"person_type of {field.name} names a field that does not exist: {field.person_type}"
                problems.append((("fields", place), text))
        if self.match and self.match.field not in seen:
            problems.append((("match", "field"), f"match on a field that does not exist: {self.match.field}"))
        for place, match in enumerate(self.match.also if self.match else ()):
            if match.field not in seen:
                at = ("match", "and", place, "field")
                problems.append((at, f"match on a field that does not exist: {match.field}"))
        if self.length is not None:
            problems += self._bytes_out_of_place(self.length)
        refuse(problems)
        return self

    def _bytes_out_of_place(self, length: int) -> list[Problem]:
        """Fields without width, overlaps, gaps, and a sum of widths that is not the record's length."""
        problems: list[Problem] = [
            (("fields", place), f"field {field.name} has no width") for field, place in self._placed if not field.width
        ]
        if problems:
            return problems  # every field after one without width is out of place
        end = 0
        for (field, start, stop), (_, place) in zip(self.spans(), self._placed, strict=True):
            if start < end:
                text = f"field {field.name} overlaps the one before it (byte {start + 1})"
                problems.append((("fields", place), text))
            if start > end:
                text = f"bytes {end + 1} to {start} belong to no field (before {field.name})"
                problems.append((("fields", place), text))
            end = stop
        if end != length:
            problems.append((("length",), f"the fields fill {end} bytes, the record says {length}"))
        return problems


class FixedFormat(Strict):
    """Fixed-width lines. ``newline: none`` is a file without line breaks (all records of one length)."""

    kind: Literal["fixed"]
    encoding: Literal["latin-1", "cp1252", "utf-8", "ascii"] = "latin-1"
    newline: Literal["crlf", "lf", "any", "none"] = "any"  # what is written: any writes CR LF


class DelimitedFormat(Strict):
    """Delimited rows; ``header`` says whether the first line holds the columns' titles."""

    kind: Literal["delimited"]
    encoding: Literal["latin-1", "cp1252", "utf-8", "ascii"] = "latin-1"
    newline: Literal["crlf", "lf", "any"] = "any"
    delimiter: str = ";"
    quote: str = '"'
    header: bool = True
    # what is written where a value could start a formula in a spreadsheet (= + - @, tab, CR): see FAULTS 35
    formulas: Literal["neutralize", "refuse", "keep"] = "neutralize"


class Version(Strict):
    """The file as it is from a date on (the working day of the file)."""

    since: Day = date(2000, 1, 1)
    until: Day | None = None  # last day on which a file may still follow it, when it overlaps the next one
    note: str = ""
    format: Annotated[FixedFormat | DelimitedFormat, Key(discriminator="kind")]
    records: Annotated[tuple[Record, ...], Key(min_length=1)]

    @cached_property
    def details(self) -> tuple[Record, ...]:
        """The kinds of rows that come of a file: a detail record with those that join it and what headers give."""
        return row_types(self.records)

    @cached_property
    def handed(self) -> tuple[Record, ...]:
        """The record types as people hand them over in CSV records: the joined ones within their rows."""
        rows = {record.name: record for record in self.details}
        return tuple(rows.get(record.name, record) for record in self.records if record.joins is None)

    def of_role(self, role: RecordRole) -> Record | None:
        """The record type of that role, of those that a file has one of."""
        return next((record for record in self.records if record.role is role), None)

    @property
    def header(self) -> Record | None:
        return self.of_role(RecordRole.HEADER)

    @property
    def trailer(self) -> Record | None:
        return self.of_role(RecordRole.TRAILER)

    @property
    def titled(self) -> Record:
        """The record type that a line of titles is about: the first of the details."""
        return next(record for record in self.records if record.role is RecordRole.DETAIL)

    def record(self, name: str) -> Record:
        """A record type as it stands in the file. Raises KeyError."""
        for record in self.records:
            if record.name == name:
                return record
        raise KeyError(name)

    @model_validator(mode="after")
    def _record_types_can_be_told_apart(self) -> Self:
        problems: list[Problem] = []
        types: dict[str, tuple[FieldType, int]] = {}
        if not any(record.role is RecordRole.DETAIL for record in self.records):
            problems.append((("records",), "no record of role detail"))
        for place, record in enumerate(self.records):
            at = ("records", place)
            if record.name in {other.name for other in self.records[:place]}:
                problems.append((at, f"two record types have the name {record.name}"))
            if len(self.records) > 1 and record.match is None:
                problems.append((at, "with several record types each needs `match`"))
            if isinstance(self.format, FixedFormat) and record.length is None:
                problems.append((at, "a fixed-width record needs `length`"))
            if isinstance(self.format, DelimitedFormat) and self.format.header:
                titles = [(field.title or field.name).casefold() for field in record.fields]
                twice = sorted({title for title in titles if titles.count(title) > 1})
                problems += [(at, f"two columns have the title {title}") for title in twice]
            if record.role is not RecordRole.DETAIL:
                continue
            for field in record.fields:
                kind = (field.type, field.decimals)
                if types.setdefault(field.name, kind) != kind:
                    problems.append(
                        (at, f"field {field.name} has another type in another record: one table holds both")
                    )
        if self.until is not None and self.until < self.since:
            problems.append((("until",), "`until` is before `since`"))
        lengths = {record.length for record in self.records}
        if isinstance(self.format, FixedFormat) and self.format.newline == "none" and len(lengths) > 1:
            problems.append((("format", "newline"), "without line breaks all records have one length"))
        problems += composition_problems(self.records)
        refuse(problems)
        return self


class NamePattern(Strict):
    """A file name as the bank writes it, e.g. ``<AAAAMMDD>_<HHMMSS>_remessa_<ASCOB>_out.<ASCOB>[.txt]``.

    Tokens: ``<AAAAMMDD> <DDMMAAAA> <DDMMAA> <HHMMSS> <ASCOB> <DIA> <ONDA> <TIPO>`` and others in ``names``; ``[...]``
    is optional; case does not matter. ``excel`` marks a workbook with the same columns as the delimited format.
    """

    pattern: str
    excel: bool = False
    source: Provenance = Provenance.SPEC
    note: str = ""

    @field_validator("pattern")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        names.tokens_of(value)
        return value


class Layout(Strict):
    """One file that is read or written."""

    layout: Annotated[str, Key(pattern=FIELD_NAME)]
    title: str
    description: str
    stage: Stage
    direction: Literal["in", "out", "import"] = "in"  # import: read when a command names the file, never collected
    rules: tuple[str, ...] = ()  # R004, UC001
    source: Provenance = Provenance.INFERRED
    names: Annotated[tuple[NamePattern, ...], Key(min_length=1)]
    cutover: bool = False  # the name's hour decides the day, by the portfolio's cutover
    merge: Merge = Merge.APPEND
    key: tuple[str, ...] = ()
    unique: Literal["refuse", "flag", "allow"] = "allow"  # a key that stands twice in one file; the last row is kept
    max_rejects: Annotated[float, Key(ge=0, le=1)] = 0.05  # share of the rows read; above it the file is refused
    empty: Literal["accept", "refuse"] = "accept"  # a header alone, or no bytes
    versions: Annotated[tuple[Version, ...], Key(min_length=1)]

    @field_validator("names", mode="before")
    @classmethod
    def _short_names(cls, value: object) -> object:
        if isinstance(value, list):
            return [{"pattern": item} if isinstance(item, str) else item for item in value]
        return value

    def version_on(self, day: date) -> Version:
        """The newest version in force on a working day. Raises LookupError before the first one."""
        return self.versions_on(day)[0]

    def versions_on(self, day: date) -> list[Version]:
        """The version in force on a working day, then the older ones that a file may still follow then, newest first.

        Raises LookupError before the first one.
        """
        begun = sorted((one for one in self.versions if one.since <= day), key=lambda one: one.since, reverse=True)
        if not begun:
            raise LookupError(f"{self.layout}: no version in force on {day:%Y-%m-%d}")
        return [one for one in begun if one is begun[0] or (one.until is not None and day <= one.until)]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        problems: list[Problem] = []
        since: set[date] = set()
        for place, version in enumerate(self.versions):
            if version.since in since:
                problems.append((("versions", place, "since"), "two versions begin on the same day"))
            since.add(version.since)
            rows = {record.name: record for record in version.details}
            for number, record in enumerate(version.records):
                missing = [name for name in self.key if record.name in rows and name not in rows[record.name].by_name]
                if missing:
                    text = f"key {', '.join(missing)} is not in record {record.name}"
                    problems.append((("versions", place, "records", number), text))
        problems += overlap_problems(self.versions)
        for place, name in enumerate(self.names):
            tokens = names.tokens_of(name.pattern)
            at = ("names", place, "pattern")
            if self.direction == "in" and not names.has_day(tokens):
                problems.append((at, "a file that is read has its date in its name, e.g. <AAAAMMDD>"))
            if self.direction == "in" and self.cutover and not names.has_time(tokens):
                problems.append((at, "`cutover` needs the hour in the name, e.g. <HHMMSS>"))
            if name.excel and any(isinstance(version.format, FixedFormat) for version in self.versions):
                problems.append((("names", place, "excel"), "a workbook goes with a delimited format"))
        if self.merge in {Merge.LATEST_PER_KEY, Merge.REPLACE_PER_KEY} and not self.key:
            problems.append((("merge",), f"merge {self.merge} needs a key"))
        if self.unique != "allow" and not self.key:
            problems.append((("unique",), f"unique {self.unique} needs a key"))
        refuse(problems)
        return self
