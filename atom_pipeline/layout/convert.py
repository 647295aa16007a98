"""Text columns to typed columns, and what is wrong with them: the same for every format of file.

``RecordPlan`` holds, per field, the expressions that a layout's facts amount to, made once per file. ``convert``
applies them to a frame of raw text. The common case costs little: a column whose quick conversion left no null is
done, and masks of faulty rows are made only for a fault that exists. Cutting lines into fields does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from atom_pipeline.layout.checks import rule_expression
from atom_pipeline.layout.dates import spelling
from atom_pipeline.layout.documents import DOCUMENT_RULES, canonical_documents, document_rule, person
from atom_pipeline.layout.model import Field, FieldType, Record, Rule, Severity
from atom_pipeline.layout.schema import PRECISION, field_type

Rows = npt.NDArray[np.int64]  # positions in a frame

SHOWN = 40  # characters of a value in a message, at most

_REASONS = {
    Rule.CPF_CNPJ: "CPF_CNPJ",
    Rule.CPF: "CPF_CNPJ",
    Rule.CNPJ: "CPF_CNPJ",
    Rule.DDD: "DDD",
    Rule.PHONE: "TELEFONE",
    Rule.PHONE_WITH_DDD: "TELEFONE",
    Rule.MOBILE_WITH_DDD: "TELEFONE",
    Rule.EMAIL: "EMAIL",
    Rule.UF: "UF",
    Rule.CEP: "CEP",
    Rule.PLATE: "PLACA",
    Rule.CHASSIS: "CHASSI",
}
_TYPE_WORDS = {
    FieldType.TEXT: "texto",
    FieldType.DIGITS: "só algarismos",
    FieldType.INTEGER: "número inteiro",
    FieldType.DECIMAL: "número decimal",
    FieldType.DATE: "data",
    FieldType.TIME: "hora",
    FieldType.DATETIME: "data e hora",
}


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a field in some rows: positions in the frame, and a detail for each of them."""

    field: str
    reason: str
    severity: Severity
    rows: Rows
    details: list[str]


@dataclass(frozen=True)
class Decoded:
    """Typed columns of every row given (faulty values are null), and the faults in field order."""

    frame: pl.DataFrame
    faults: list[Fault]


@dataclass(frozen=True)
class ValueRule:
    """A check after conversion: ``good`` is true or null where nothing is wrong."""

    reason: str
    severity: Severity
    good: pl.Expr
    detail: str


class FieldPlan:
    """What a field's facts amount to in expressions over the raw text column of its name.

    ``quick`` converts; where it leaves no null, nothing is missing and nothing is wrong. Otherwise ``careful`` (which
    also takes padding by blanks) and ``blank`` (the value is absent) say which nulls are faults. Text and digits come
    with the blanks around them taken off, and documents in their canonical form.
    """

    def __init__(self, field: Field, *, fixed: bool) -> None:
        self.field = field
        self.fixed = fixed
        self.name = field.name
        self.dtype = field_type(field)
        self.document = document_rule(field)
        self.type_reason = "DATA" if field.type in {FieldType.DATE, FieldType.DATETIME} else "TIPO"

    @cached_property
    def _expressions(self) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
        """``quick``, ``careful`` and ``blank``; made when first asked for, since large files ask for a few fields."""
        field, raw = self.field, pl.col(self.name)
        stripped = raw.str.strip_chars(" ")
        blank = stripped == ""
        match field.type:
            case FieldType.TEXT:
                text = pl.when(raw != "").then(raw)
                return text, text, blank
            case FieldType.DIGITS:
                if field.strip_zeros or field.checks:  # an area code, phone or postal code of zeros is none
                    blank = raw.str.strip_chars("0") == ""
                digits = self._digits(raw)
                return digits, digits, blank
            case FieldType.INTEGER | FieldType.DECIMAL:
                return self._number(raw), self._number(stripped), blank
            case _:
                if field.type is not FieldType.TIME:  # midnight is a time, day zero is no date
                    blank = raw.str.strip_chars(" 0/-:.") == ""
                return self._temporal(raw), self._temporal(stripped), blank

    @property
    def quick(self) -> pl.Expr:
        return self._expressions[0]

    @property
    def careful(self) -> pl.Expr:
        return self._expressions[1]

    @property
    def blank(self) -> pl.Expr:
        return self._expressions[2]

    @cached_property
    def rules(self) -> list[ValueRule]:
        """The checks on the converted value, in the order in which faults are told."""
        return list(self._rules())

    @property
    def needs_no_look(self) -> bool:
        """Whether a null of the quick conversion is always right: text that may be left out."""
        return self.field.type is FieldType.TEXT and not self.field.required

    def _digits(self, value: pl.Expr) -> pl.Expr:
        is_digits = ~value.str.contains("[^0-9]") & (value != "")
        if self.field.strip_zeros:
            value = value.str.strip_chars_start("0")
            return pl.when(is_digits & (value != "")).then(value)
        if self.field.checks:
            is_digits = is_digits & (value.str.strip_chars("0") != "")
        if self.field.zero_pad:
            value = value.str.strip_chars_start("0")
            is_digits = is_digits & (value.str.len_bytes() <= self.field.zero_pad)
            return pl.when(is_digits).then(value.str.pad_start(self.field.zero_pad, "0"))
        return pl.when(is_digits).then(value)

    def _number(self, value: pl.Expr) -> pl.Expr:
        field = self.field
        if field.suffix:
            value = value.str.strip_suffix(field.suffix).str.strip_chars(" ")
        if field.decimal_mark or field.thousands_mark:
            return self._marked_number(value)
        # Polars takes a leading + or - of a signed type, and only + of an unsigned one.
        if field.signed == "trailing":
            size = value.str.strip_suffix("-").str.strip_suffix("+").cast(pl.UInt64, strict=False)
            size = size.cast(pl.Int64, strict=False)
            whole = pl.when(value.str.ends_with("-")).then(-size).otherwise(size)
        elif field.signed == "leading":
            whole = value.cast(pl.Int64, strict=False)
        else:
            whole = value.cast(pl.UInt64, strict=False).cast(pl.Int64, strict=False)
        if field.type is FieldType.INTEGER:
            return whole
        if field.width is None or field.width > PRECISION:
            whole = pl.when(whole.is_between(-(10**PRECISION), 10**PRECISION, closed="none")).then(whole)
        return whole.cast(pl.Int128).reinterpret(dtype=self.dtype)

    def _marked_number(self, value: pl.Expr) -> pl.Expr:
        """Numbers such as 23.814,80: grouped by threes or not at all, and no more decimals than the field's."""
        field = self.field
        whole, fraction = "[0-9]+", ""
        if field.thousands_mark:
            whole = f"(?:[0-9]{{1,3}}(?:{_escaped(field.thousands_mark)}[0-9]{{3}})+|[0-9]+)"
        if field.decimal_mark and field.decimals:
            fraction = f"(?:{_escaped(field.decimal_mark)}[0-9]{{1,{field.decimals}}})?"
        sign = {"": ("", ""), "leading": ("[+-]?", ""), "trailing": ("", "[+-]?")}[field.signed]
        shaped = value.str.contains(f"^{sign[0]}{whole}{fraction}{sign[1]}$")
        plain = value
        if field.signed == "trailing":
            size = plain.str.strip_suffix("-").str.strip_suffix("+")
            plain = pl.when(plain.str.ends_with("-")).then("-" + size).otherwise(size)
        if field.thousands_mark:
            plain = plain.str.replace_all(field.thousands_mark, "", literal=True)
        if field.decimal_mark == ",":
            plain = plain.str.replace(",", ".", literal=True)
        plain = plain.str.strip_prefix("+")
        return pl.when(shaped).then(plain).cast(self.dtype, strict=False)

    def _temporal(self, value: pl.Expr) -> pl.Expr:
        how = spelling(self.field.format or "")
        match self.field.type:
            case FieldType.DATE:
                parsed = value.str.to_date(how.directive, strict=False)
                parsed = pl.when(parsed >= date.min).then(parsed)  # Python and databases know no year 0
            case FieldType.TIME:
                parsed = value.str.to_time(how.directive, strict=False)
            case _:
                parsed = value.str.to_datetime(how.directive, strict=False, time_unit="us")
                parsed = pl.when(parsed >= datetime.min).then(parsed)
        # The parser alone takes short numbers, spaces and signs inside a value.
        if how.digits_only:
            shaped = value.cast(pl.UInt64, strict=False).is_not_null() & ~value.str.starts_with("+")
            shaped = shaped & (value.str.len_bytes() == how.length)
        else:
            shaped = value.str.contains(how.pattern)
        return pl.when(shaped).then(parsed)

    def type_detail(self, value: str | None) -> str:
        """What a value that does not convert should have been, and its shape (never the value itself)."""
        field = self.field
        wanted = f"{_TYPE_WORDS[field.type]}{f' {field.format}' if field.format else ''}"
        if field.type is FieldType.DECIMAL:
            wanted += f" de {field.decimals} casas"
        if field.zero_pad:
            wanted += f", até {field.zero_pad}"
        return f"esperado {wanted}; veio {_shape(value or '')}"

    def _rules(self) -> Iterator[ValueRule]:
        field, column = self.field, pl.col(self.name)
        if field.equals is not None:
            raw = pl.col(_raw(self.name)).str.strip_chars(" ")
            good = raw.is_in(sorted({field.equals, field.equals.zfill(field.width or 0)}))
            yield ValueRule("CONSTANTE", Severity.REFUSE, good, f"esperado {field.equals}")
        if not self.fixed and field.width and field.type in {FieldType.TEXT, FieldType.DIGITS}:
            good = column.str.len_chars() <= field.width
            yield ValueRule("TAMANHO", field.type_severity, good, f"mais de {field.width} caracteres")
        if field.domain is not None:
            codes = [self._parsed(code) for code in field.domain]
            accepted = ", ".join(field.domain)
            shown = accepted if len(accepted) <= SHOWN else f"{len(codes)} códigos"
            yield ValueRule(
                "DOMINIO", field.domain_severity, column.is_in(pl.Series(codes, dtype=self.dtype).implode()), shown
            )
        for limit, low in ((field.minimum, True), (field.maximum, False)):
            if limit is not None:
                bound = pl.lit(_bound(field, limit))
                yield ValueRule(
                    "FAIXA",
                    field.range_severity,
                    column >= bound if low else column <= bound,
                    f"{'mínimo' if low else 'máximo'} {limit}",
                )
        for check in field.checks:
            is_document = check.rule in DOCUMENT_RULES
            good = pl.col(_valid(self.name, check.rule)) if is_document else rule_expression(check.rule, column)
            if check.rule is Rule.CPF_CNPJ and field.person_type:
                whose = person(pl.col(field.person_type))
                length = column.str.len_bytes()
                size = pl.when(whose == "F").then(11).when(whose == "J").then(14).otherwise(length)
                good = good & (length == size)
            yield ValueRule(_REASONS[check.rule], check.severity, good, "")

    def _parsed(self, code: str) -> Any:
        return int(code) if self.field.type is FieldType.INTEGER else code


class RecordPlan:
    """A record's fields with their expressions, spans and checks: what ``record.fields`` would make again each time."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.name = record.name
        self.fields = [FieldPlan(field, fixed=record.length is not None) for field in record.fields]
        self.names = [plan.name for plan in self.fields]
        self.spans = [(field.name, start, stop) for field, start, stop in record.spans()] if record.length else []
        self.schema = {plan.name: plan.dtype for plan in self.fields}
        self._parts: dict[frozenset[int], RecordPlan] = {}

    @property
    def checks(self) -> list[tuple[FieldPlan, ValueRule]]:
        """Every check of every field, in the order of the fields."""
        return [(plan, rule) for plan in self.fields for rule in plan.rules]

    def field(self, name: str) -> FieldPlan:
        return self.fields[self.names.index(name)]

    def part(self, places: frozenset[int]) -> RecordPlan:
        """The plan of some of the fields, and of those that these need to be checked (who a document belongs to)."""
        if places not in self._parts:
            names = {self.names[place] for place in places}
            names |= {plan.field.person_type for plan in self.fields if plan.name in names and plan.field.person_type}
            part = copy(self)
            part.fields = [plan for plan in self.fields if plan.name in names]
            part.names = [plan.name for plan in part.fields]
            part.spans = [span for span in self.spans if span[0] in names]
            part.schema = {plan.name: plan.dtype for plan in part.fields}
            self._parts[places] = part
        return self._parts[places]


def convert(plan: RecordPlan, raw: pl.DataFrame) -> Decoded:
    """Type every column of ``raw`` (text, one column per field, padding included) and find its faults."""
    raw = _stripped(plan, raw)
    frame = raw.select(field.quick.alias(field.name) for field in plan.fields)
    faults: dict[str, list[Fault]] = {}
    with_nulls = [field for field in plan.fields if not field.needs_no_look and frame[field.name].null_count()]
    if with_nulls and raw.height:
        careful = [field for field in with_nulls if field.careful is not field.quick]
        if careful:
            frame = frame.with_columns(raw.select(field.careful.alias(field.name) for field in careful))
        blanks = raw.select(field.blank.alias(field.name) for field in with_nulls)
        for field in with_nulls:
            found = list(_absent_or_wrong(field, frame[field.name], blanks[field.name], raw[field.name]))
            if found:
                faults[field.name] = found
    for field, rule, rows in _broken_rules(plan, frame, raw):
        faults.setdefault(field.name, []).append(
            Fault(field.name, rule.reason, rule.severity, rows, _rule_details(field, rule, frame, raw, rows))
        )
    return Decoded(frame, [fault for name in plan.names for fault in faults.get(name, ())])


def _stripped(plan: RecordPlan, raw: pl.DataFrame) -> pl.DataFrame:
    """The raw columns with text and digits stripped of blanks, and documents in their canonical form."""
    texts = [field.name for field in plan.fields if field.field.type in {FieldType.TEXT, FieldType.DIGITS}]
    raw = raw.with_columns(pl.col(texts).str.strip_chars(" ")) if texts else raw
    kinds: dict[tuple[Rule, bool], list[FieldPlan]] = {}
    for field in plan.fields:
        if field.document is not None:
            kinds.setdefault((field.document, field.field.person_type is not None), []).append(field)
    for (rule, told), fields in kinds.items():  # one under another, since each look has a price of its own
        values = pl.concat([raw[field.name] for field in fields])
        persons = [person(pl.col(field.field.person_type or "")).alias(field.name) for field in fields]
        whose = pl.concat(raw.select(persons).get_columns()) if told else None
        documents = canonical_documents(values, rule, whose)
        raw = raw.with_columns(
            documents.slice(i * raw.height, raw.height).alias(field.name) for i, field in enumerate(fields)
        )
    return raw


def _absent_or_wrong(field: FieldPlan, typed: pl.Series, blank: pl.Series, raw: pl.Series) -> Iterator[Fault]:
    """Faults of the nulls of a column: values that do not convert, and required ones that are not there."""
    absent = blank.fill_null(True)
    wrong = typed.is_null() & ~absent
    if wrong.any():
        rows = wrong.arg_true().to_numpy()
        details = [field.type_detail(value) for value in raw.gather(rows)]
        yield Fault(field.name, field.type_reason, field.field.type_severity, rows, details)
    if field.field.required and absent.any():
        rows = absent.arg_true().to_numpy()
        yield Fault(field.name, "OBRIGATORIO", Severity.REFUSE, rows, ["em branco"] * len(rows))


def _broken_rules(
    plan: RecordPlan, frame: pl.DataFrame, raw: pl.DataFrame
) -> Iterator[tuple[FieldPlan, ValueRule, Rows]]:
    checks = plan.checks
    if not checks or not raw.height:
        return
    constants = [field.name for field in plan.fields if field.field.equals is not None]
    both = frame.hstack([raw[name].alias(_raw(name)) for name in constants]).hstack(_valid_documents(plan, frame))
    masks = both.select((~rule.good).alias(str(i)) for i, (_, rule) in enumerate(checks))
    for (field, rule), mask in zip(checks, masks, strict=True):
        if mask.any():
            yield field, rule, mask.fill_null(False).arg_true().to_numpy()


def _valid_documents(plan: RecordPlan, frame: pl.DataFrame) -> list[pl.Series]:
    """Whether each document is valid: all columns with the same rule under one another, for it has many steps."""
    kinds: dict[Rule, list[str]] = {}
    for field in plan.fields:
        for check in field.field.checks:
            if check.rule in DOCUMENT_RULES:
                kinds.setdefault(check.rule, []).append(field.name)
    found = []
    for rule, names in kinds.items():
        values = pl.concat([frame[name] for name in names])
        good = values.to_frame("value").select(_rule_of_value(_narrowed(rule, values))).to_series()
        found += [good.slice(i * frame.height, frame.height).alias(_valid(name, rule)) for i, name in enumerate(names)]
    return found


def _narrowed(rule: Rule, values: pl.Series) -> Rule:
    """The half of the rule that these values need: by far the most documents are CPF, and each rule has many steps."""
    if rule is Rule.CPF_CNPJ and values.str.len_bytes().max() == 11:
        return Rule.CPF
    return rule


@lru_cache
def _rule_of_value(rule: Rule) -> pl.Expr:
    return rule_expression(rule, pl.col("value"))


def _rule_details(field: FieldPlan, rule: ValueRule, frame: pl.DataFrame, raw: pl.DataFrame, rows: Rows) -> list[str]:
    """What was expected and, where it is no personal data, what came."""
    if rule.reason == "CONSTANTE":
        return [f"{rule.detail}; veio {_shape(value or '')}" for value in raw[field.name].gather(rows)]
    if field.field.personal is None and rule.reason in {"DOMINIO", "FAIXA"}:
        return [f"{rule.detail}; veio {str(value)[:10]}" for value in frame[field.name].gather(rows)]
    if field.document:
        return ["dígitos verificadores, tamanho ou tipo de pessoa"] * len(rows)
    return [rule.detail or f"não segue a regra {rule.reason}"] * len(rows)


def _raw(name: str) -> str:
    return f"{name}:texto"


def _valid(name: str, rule: Rule) -> str:
    return f"{name}:{rule.value}"


def _escaped(mark: str) -> str:
    return rf"\{mark}"


def _bound(field: Field, limit: Decimal | date) -> Any:
    """A limit in the type of the column that it is compared with."""
    if isinstance(limit, date):
        return limit
    return int(limit) if field.type is FieldType.INTEGER and limit == limit.to_integral_value() else limit


def _shape(value: str) -> str:
    """A value's shape, which says what is wrong without saying the value: 9 for a digit, A for a letter."""
    shape = "".join("9" if c.isdigit() else "A" if c.isalpha() else c for c in value.strip()[:SHOWN])
    return f"'{shape}'" + ("..." if len(value.strip()) > SHOWN else "")
