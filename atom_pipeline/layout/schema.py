"""What the accepted rows of a layout look like: Polars types, a Pandera schema, and rows for a table of columns.

Everything here derives from the layout; nothing is said twice. Dagster's own column type is made in ``assets`` from
``column_rows``. Reading and refusing rows is in ``reading``: this schema states what must hold after it, so a violation
is a defect of the program, never of the bank's data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from atom_pipeline.layout.checks import rule_expression
from atom_pipeline.layout.model import Field, FieldType, Layout, Record, Severity, Version

if TYPE_CHECKING:
    import pandera.polars as pandera

PRECISION = 18  # digits of a decimal, those after the point included
LINE = "linha"  # physical line in the file, from 1
RECORD = "registro"  # name of the record type
HELD = "restrições"  # a Pandera column's metadata: its constraints
_TYPES: dict[FieldType, pl.DataType] = {
    FieldType.TEXT: pl.String(),
    FieldType.DIGITS: pl.String(),
    FieldType.INTEGER: pl.Int64(),
    FieldType.DATE: pl.Date(),
    FieldType.TIME: pl.Time(),
    FieldType.DATETIME: pl.Datetime("us"),
}


@dataclass(frozen=True)
class Constraint:
    """Something that holds of a field's values: in words, and as an expression over its column (true or null: good)."""

    text: str
    expression: Callable[[pl.Expr], pl.Expr]
    severity: Severity


@dataclass(frozen=True)
class ColumnInfo:
    """One column for a person who looks at the table."""

    name: str
    dtype: str
    description: str
    constraints: list[str]


@dataclass(frozen=True)
class Violation:
    """Rows of a frame that a schema does not allow: a column, what should hold, in how many rows. Never a value."""

    column: str
    check: str
    rows: int


def field_type(field: Field) -> pl.DataType:
    """The Polars type of a field's column."""
    return pl.Decimal(PRECISION, field.decimals) if field.type is FieldType.DECIMAL else _TYPES[field.type]


def record_schema(record: Record) -> dict[str, pl.DataType]:
    """Columns of one record type: its fields in file order, then ``linha`` and ``registro``."""
    columns = {field.name: field_type(field) for field in record.fields}
    return columns | {LINE: pl.UInt32(), RECORD: pl.String()}


def polars_schema(layout: Layout, version: Version) -> dict[str, pl.DataType]:
    """Columns of all detail records of a version together, in file order, then ``linha`` and ``registro``.

    ``layout`` stands here so that all three derivations are called alike.
    """
    del layout
    columns = {field.name: field_type(field) for record in version.details for field in record.fields}
    return columns | {LINE: pl.UInt32(), RECORD: pl.String()}


def constraints(field: Field) -> list[Constraint]:
    """What the layout says of a field's values beyond their type, in the order in which it is checked."""
    found: list[Constraint] = []

    def holds(text: str, expression: Callable[[pl.Expr], pl.Expr], severity: Severity) -> None:
        found.append(Constraint(text, expression, severity))

    if field.type is FieldType.DIGITS:
        length = f"{{{field.zero_pad}}}" if field.zero_pad else "+"
        text = f"{field.zero_pad} digits" if field.zero_pad else "digits only"
        holds(text, lambda column: column.str.contains(f"^[0-9]{length}$"), Severity.REFUSE)
    if field.equals is not None and field.type is FieldType.TEXT:
        constant = field.equals.strip()
        holds(f"always {constant}", lambda column: column == constant, Severity.REFUSE)
    if field.domain and field.type in {FieldType.TEXT, FieldType.DIGITS}:
        codes = list(field.domain)
        holds(f"one of {', '.join(codes)}", lambda column: column.is_in(codes), field.domain_severity)
    if field.minimum is not None:
        holds(f"at least {field.minimum}", _at_least(field, field.minimum), field.range_severity)
    if field.maximum is not None:
        holds(f"at most {field.maximum}", _at_most(field, field.maximum), field.range_severity)
    for check in field.checks:
        holds(check.rule.value, partial(rule_expression, check.rule), check.severity)
    return found


def in_shape(frame: pl.LazyFrame, schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    """Rows of another version in the columns of this one: what it does not have is null, what it has besides goes."""
    there = frame.collect_schema()
    return frame.select(
        (pl.col(name).cast(dtype) if name in there else pl.lit(None, dtype)).alias(name)
        for name, dtype in schema.items()
    )


def pandera_schema(
    layout: Layout,
    version: Version,
    record: str | None = None,
    *,
    one_file: bool = True,
    also: Sequence[Version] = (),
) -> pandera.DataFrameSchema:
    """The schema of the accepted rows: of one detail record type, or (None) of all of them in one frame.

    Columns, types, nulls, and the checks that refuse a row (those that flag it do not count here). In the frame of
    several record types a column holds what is said of it in each of them. Columns beside these are allowed: tables of
    the lake add where a row came from. ``one_file``: the rows are of one file, in which a key that refuses its
    repetition is unique. ``also``: other versions whose rows may be in the frame, so that a column holds only what is
    said of it in all of them.
    """
    import pandera.polars as pandera  # takes seconds to import; most commands never need it

    details = tuple(row for row in version.details if record in {None, row.name})
    types = record_schema(details[0]) if len(details) == 1 else polars_schema(layout, version)
    details += tuple(row for other in also for row in other.details if record in {None, row.name})
    columns: dict[str, Any] = {}
    for name, dtype in types.items():
        fields = [item.by_name[name] for item in details if name in item.by_name]
        everywhere = len(fields) == len(details)
        required = name in {LINE, RECORD} or (everywhere and all(_never_null(field) for field in fields))
        held = _common(fields)
        checks = [_pandera_check(constraint) for constraint in held]
        columns[name] = pandera.Column(dtype, checks, nullable=not required, title=name, metadata={HELD: held})
    unique = [RECORD, *layout.key] if one_file and layout.unique == "refuse" else None
    return pandera.DataFrameSchema(columns, unique=unique, name=layout.layout)


def violations(frame: pl.DataFrame, schema: pandera.DataFrameSchema) -> list[Violation]:
    """What of ``schema`` a frame breaks, ordered; empty when it follows it. Values, which are personal, stay out.

    ``schema`` is one of ``pandera_schema``. Pandera, which takes a query and more for each column and check, is asked
    only about the columns of which one query does not say that all is well.
    """
    import pandera.polars as pandera
    from pandera.errors import SchemaErrors

    left = {name: schema.columns[name] for name in _unsettled(frame, schema)}
    if not left and not schema.unique:
        return []
    asked = {*left, *(schema.unique or [])}
    try:
        narrow = pandera.DataFrameSchema(left, unique=schema.unique, name=schema.name)
        narrow.validate(frame.select(name for name in frame.columns if name in asked), lazy=True)
    except SchemaErrors as error:
        missing = pl.col("check") == "column_in_dataframe"  # its case is the column's name, and no value of a row
        column = pl.when(missing).then(pl.col("failure_case")).when(pl.col("schema_context") == "Column").then("column")
        cases = error.failure_cases.with_columns(column=column.otherwise(pl.lit("(frame)")))
        counts = cases.group_by("column", "check").len().sort("column", "check")
        return [Violation(*row) for row in counts.iter_rows()]
    return []


def _unsettled(frame: pl.DataFrame, schema: pandera.DataFrameSchema) -> list[str]:
    """The columns that are missing, of another type, null where they must not be, or that break a constraint."""
    types = frame.schema
    typed = {name: one for name, one in schema.columns.items() if name in types and one.dtype.check(types[name])}
    good: dict[str, pl.Expr] = {}
    for name, column in typed.items():
        said = [constraint.expression(pl.col(name)).fill_null(True).all() for constraint in column.metadata[HELD]]
        said += [] if column.nullable else [pl.col(name).is_not_null().all()]
        if said:
            good[name] = pl.all_horizontal(said)
    settled = frame.select(**good).row(0, named=True) if good else {}
    return [name for name in schema.columns if name not in typed or not settled.get(name, True)]


def column_rows(layout: Layout, version: Version) -> list[ColumnInfo]:
    """A row for each column of ``polars_schema``, for the table of columns that the UI shows."""
    described = {RECORD: "Tipo de registro", LINE: "Linha física no arquivo, a partir de 1"}
    rows: list[ColumnInfo] = []
    for name, dtype in polars_schema(layout, version).items():
        fields = [record.by_name[name] for record in version.details if name in record.by_name]
        description = next((text for field in fields if (text := _description(field))), described.get(name, ""))
        words = list(dict.fromkeys(word for field in fields for word in _words(field, layout)))
        rows.append(ColumnInfo(name, str(dtype), description, words))
    return rows


def _at_least(field: Field, bound: Any) -> Callable[[pl.Expr], pl.Expr]:
    return lambda column: column >= _literal(field, bound)


def _at_most(field: Field, bound: Any) -> Callable[[pl.Expr], pl.Expr]:
    return lambda column: column <= _literal(field, bound)


def _literal(field: Field, bound: Any) -> pl.Expr:
    """A bound in a type that compares exactly: a decimal keeps its own digits, however many."""
    if not isinstance(bound, Decimal):
        return pl.lit(bound)
    return pl.lit(bound, dtype=pl.Decimal(38, max(0, -int(bound.as_tuple().exponent), field.decimals)))


def _never_null(field: Field) -> bool:
    """Whether an accepted row always has a value: a required one that does not convert may be kept as null, flagged."""
    return field.required and field.type_severity is Severity.REFUSE


def _common(fields: list[Field]) -> list[Constraint]:
    """The refusing constraints that all these fields have (one column, several record types)."""
    sets = [[item for item in constraints(field) if item.severity is Severity.REFUSE] for field in fields]
    if not sets:
        return []
    return [item for item in sets[0] if all(item.text in {other.text for other in others} for others in sets[1:])]


def _pandera_check(constraint: Constraint) -> Any:
    import pandera.polars as pandera

    def holds(data: Any) -> pl.LazyFrame:
        good: pl.LazyFrame = data.lazyframe.select(constraint.expression(pl.col(data.key)).fill_null(True))
        return good

    return pandera.Check(holds, name=constraint.text, error=constraint.text)


def _description(field: Field) -> str:
    unit = f" [{field.unit}]" if field.unit else ""
    meanings = "; ".join(f"{code} = {meaning}" for code, meaning in (field.domain or {}).items())
    return f"{field.description}{unit}{f' ({meanings})' if meanings else ''}".strip()


def _words(field: Field, layout: Layout) -> list[str]:
    out = [word for word, said in (("key", field.name in layout.key), ("required", field.required)) if said]
    out += [f"{item.text}{' (flag)' if item.severity is Severity.FLAG else ''}" for item in constraints(field)]
    out += [f"width {field.width}"] if field.width else []
    out += [f"format {field.format}"] if field.format else []
    out += [f"personal: {field.personal.value}"] if field.personal else []
    return [*out, field.source.value]
