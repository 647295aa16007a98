"""What is written is read back the same, for every shape of layout and for every layout of the bank's portfolio."""

from __future__ import annotations

import io
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stdnum.br import cnpj, cpf

from atom_pipeline.layout.checks import DDDS, UFS
from atom_pipeline.layout.document import load_layout
from atom_pipeline.layout.model import DelimitedFormat, Field, FieldType, FixedFormat, Layout, Record, Rule
from atom_pipeline.layout.records import records_from_csv, records_to_csv
from atom_pipeline.layout.render import RecordRenderer
from atom_pipeline.layout.schema import field_type
from tests.layout.small_layouts import DAY, delimited, fixed, read, values, with_ends, written

FOLDER = Path(__file__).parents[2] / "layouts" / "banco_pan_veiculos"
PORTFOLIO = sorted(path for path in FOLDER.glob("*.yaml") if path.stem != "portfolio")
_LETTERS = "AbcÇãé '=+-@;\"0"  # no º: é and two of them are UTF-8, and a file of those alone is refused

ruled = {
    Rule.CPF: st.integers(1, 999_999_998).map(lambda n: f"{n:09d}" + cpf._calc_check_digits(f"{n:09d}")),
    Rule.CNPJ: st.text("0123456789ABCXYZ", min_size=12, max_size=12)
    .filter(lambda text: not text.startswith("000"))
    .map(lambda text: text + cnpj.calc_check_digits(text)),
    Rule.DDD: st.sampled_from(DDDS),
    Rule.PHONE: st.integers(900_000_000, 999_999_999).map(str),
    Rule.PHONE_WITH_DDD: st.tuples(st.sampled_from(DDDS), st.integers(20_000_000, 99_999_999)).map(
        lambda pair: f"{pair[0]}{pair[1]}"
    ),
    Rule.MOBILE_WITH_DDD: st.tuples(st.sampled_from(DDDS), st.integers(900_000_000, 999_999_999)).map(
        lambda pair: f"{pair[0]}{pair[1]}"
    ),
    Rule.EMAIL: st.just("maria@exemplo.com.br"),
    Rule.UF: st.sampled_from(UFS),
    Rule.CEP: st.integers(1_000_000, 99_999_999).map(lambda n: f"{n:08d}"),
    Rule.PLATE: st.sampled_from(["ABC1234", "BRA2E19"]),
    Rule.CHASSIS: st.just("9BWZZZ377VT004251"),
}
same_digits = {digit * 11 for digit in "0123456789"}


def value_of(field: Field, shape: FixedFormat | DelimitedFormat) -> st.SearchStrategy[Any]:
    """Values that the field may hold, canonical and within its facts."""
    width = field.width or 12
    if field.equals is not None:
        constant = int(field.equals) if field.type is FieldType.INTEGER else field.equals
        return st.just(constant)
    if field.domain is not None:
        codes = list(field.domain)
        return st.sampled_from([int(code) for code in codes] if field.type is FieldType.INTEGER else codes)
    for check in field.checks:
        if check.rule is Rule.CPF_CNPJ:
            if field.person_type:  # the kind of person is drawn on its own: a CPF only where it may be one
                return ruled[Rule.CPF].filter(lambda text: text not in same_digits)
            return st.one_of(ruled[Rule.CPF].filter(lambda text: text not in same_digits), ruled[Rule.CNPJ])
        return ruled[check.rule]
    match field.type:
        case FieldType.TEXT:
            wide = 2 if shape.encoding == "utf-8" and isinstance(shape, FixedFormat) else 1
            text = st.text(_LETTERS, min_size=1, max_size=max(1, min(width // wide, 20)))
            return text.map(str.strip).filter(bool).filter(lambda text: len(text.encode()) <= width or wide == 1)
        case FieldType.DIGITS:
            if field.zero_pad:
                pad = field.zero_pad
                return st.integers(0, 10**pad - 1).map(lambda n: f"{n:0{pad}d}")
            if field.strip_zeros:
                return st.integers(1, 10**width - 1).map(str)
            return st.text("0123456789", min_size=1, max_size=width)
        case FieldType.INTEGER | FieldType.DECIMAL:
            return number_of(field, width)
        case FieldType.DATE:
            low = field.minimum if isinstance(field.minimum, date) else date(1970, 1, 1)
            high = field.maximum if isinstance(field.maximum, date) else date(2068, 12, 31)
            return st.dates(max(low, date(1970, 1, 1)), high)
        case FieldType.TIME:
            return st.times().map(lambda moment: moment.replace(microsecond=0))
        case _:
            moments = st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31))
            return moments.map(lambda moment: moment.replace(microsecond=0))


def number_of(field: Field, width: int) -> st.SearchStrategy[Any]:
    room = width - bool(field.signed) - len(field.suffix) - bool(field.decimal_mark)
    room = min(room, 17)
    grouped = room // 4 if field.thousands_mark else 0
    largest = 10 ** max(1, room - grouped) - 1
    scale = 10**field.decimals
    low = 0 if not field.signed else -largest
    if isinstance(field.minimum, Decimal):
        low = max(low, int(field.minimum * scale))
    high = min(largest, int(field.maximum * scale)) if isinstance(field.maximum, Decimal) else largest
    units = st.integers(low, high)
    return units if field.type is FieldType.INTEGER else units.map(lambda n: Decimal(n).scaleb(-field.decimals))


@st.composite
def rows_of(draw: st.DrawFn, record: Record, layout: Layout, shape: FixedFormat | DelimitedFormat) -> pl.DataFrame:
    """A few rows of a record type, with nulls where they may be and keys that do not repeat.

    Of a wide record each field draws from a few values, so that 280 fields do not take a minute.
    """
    height = draw(st.integers(1, 4))
    columns: dict[str, list[Any]] = {}
    for field in record.fields:
        pool = draw(st.lists(value_of(field, shape), min_size=1, max_size=2))
        nullable = not field.required and field.equals is None and field.name not in layout.key
        constants = [match.equals for match in record.matches if match.field == field.name]
        if constants:
            pool, nullable = constants, False
        columns[field.name] = [
            None if nullable and (place + len(field.name)) % 3 == 0 else pool[place % len(pool)]
            for place in range(height)
        ]
    for field in record.fields:
        if field.person_type:
            columns[field.person_type] = ["F" if columns[field.name][place] else None for place in range(height)]
    frame = pl.DataFrame(columns, schema={field.name: field_type(field) for field in record.fields})
    return frame.unique(list(layout.key), keep="first", maintain_order=True) if layout.key else frame


def both_ways(layout: Layout, records: dict[str, pl.DataFrame]) -> None:
    """Read what was written, write what was read, and take it through CSV records."""
    content = written(layout, records)
    reading = read(layout, content)
    assert reading.rejects.drop("original").rows() == []
    for name, frame in records.items():
        extra = [column for column in ("linha", "registro") if column not in frame.columns]
        assert reading.frames[name].drop(extra).equals(frame)
    ends = {"header": reading.header, "trailer": reading.trailer}
    assert written(layout, reading.frames, **ends) == content
    out = io.BytesIO()
    records_to_csv(layout, reading, out, day=DAY)
    out.seek(0)
    assert written(layout, records_from_csv(layout, out, day=DAY)) == content


@pytest.mark.parametrize("path", PORTFOLIO, ids=lambda path: path.stem)
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_layout_of_the_portfolio_goes_both_ways(path: Path, data: st.DataObject) -> None:
    layout = load_layout(path)
    version = layout.version_on(DAY)
    both_ways(layout, {record.name: data.draw(rows_of(record, layout, version.format)) for record in version.details})


EVERY_TYPE: list[dict[str, Any]] = [
    {"name": "texto", "width": 12},
    {"name": "digitos", "width": 9, "type": "digits"},
    {"name": "contrato", "width": 12, "type": "digits", "zero_pad": 10},
    {"name": "fone", "width": 15, "type": "digits", "strip_zeros": True},
    {"name": "inteiro", "width": 9, "type": "integer", "signed": "leading"},
    {"name": "natural", "width": 9, "type": "integer"},
    {"name": "valor", "width": 17, "type": "decimal", "decimals": 2, "signed": "trailing"},
    {"name": "taxa", "width": 9, "type": "decimal", "decimals": 4, "decimal_mark": ",", "suffix": "%"},
    {"name": "saldo", "width": 18, "type": "decimal", "decimals": 2, "decimal_mark": ",", "thousands_mark": "."},
    {"name": "dia", "width": 8, "type": "date", "format": "DDMMAAAA"},
    {"name": "barra", "width": 10, "type": "date", "format": "DD/MM/AAAA"},
    {"name": "hora", "width": 6, "type": "time", "format": "HHMMSS"},
    {"name": "quando", "width": 19, "type": "datetime", "format": "DD/MM/AAAA HH:MM:SS"},
    {"name": "documento", "width": 14, "checks": ["cpf_cnpj"]},
]
GROUPED = [field for field in EVERY_TYPE if field["name"] != "saldo"]  # grouping and zero padding do not go together


@pytest.mark.parametrize(
    "layout",
    [
        *(fixed(*GROUPED, encoding=encoding) for encoding in ("latin-1", "cp1252", "utf-8")),
        fixed(*GROUPED, newline="none"),
        delimited(*EVERY_TYPE),
        delimited(*EVERY_TYPE, encoding="utf-8", delimiter=",", newline="lf"),
        delimited(*EVERY_TYPE, delimiter="\t", header=False),
        with_ends(),
        with_ends(sum_of="d.valor"),
    ],
    ids=["latin-1", "cp1252", "utf-8", "no breaks", "csv", "comma", "tab", "ends", "sum"],
)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_type_goes_both_ways_in_every_format(layout: Layout, data: st.DataObject) -> None:
    version = layout.version_on(DAY)
    both_ways(layout, {record.name: data.draw(rows_of(record, layout, version.format)) for record in version.details})


@settings(max_examples=20, deadline=None)
@given(data=st.data(), formulas=st.sampled_from(["keep", "neutralize"]))
def test_rows_written_at_once_are_those_written_cell_by_cell(data: st.DataObject, formulas: str) -> None:
    layout = delimited(*EVERY_TYPE, encoding="utf-8", formulas=formulas)
    version = layout.version_on(DAY)
    frame = data.draw(rows_of(version.details[0], layout, version.format))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecordRenderer, "by_rows", False)
        one_by_one = written(layout, frame)
    assert RecordRenderer(version.details[0], version.format).by_rows
    assert written(layout, frame) == one_by_one


def test_a_time_of_midnight_and_a_day_without_one_come_back() -> None:
    layout = fixed({"name": "h", "width": 6, "type": "time", "format": "HHMMSS"}, {"name": "x", "width": 1})
    frame = pl.DataFrame({"h": [time(0, 0), None], "x": ["a", "b"]})
    assert values(read(layout, written(layout, frame))).equals(frame)
