"""What follows from a layout: Polars types, a Pandera schema that allows what may be accepted, columns to show."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from yaml_documents import write

from atom_pipeline.layout.document import load_layout
from atom_pipeline.layout.model import Layout
from atom_pipeline.layout.schema import (
    column_rows,
    constraints,
    pandera_schema,
    polars_schema,
    record_schema,
    violations,
)

HEAD = """\
layout: amostra
title: Amostra
description: Um campo de cada tipo
stage: garantias
names: [<AAAAMMDD>.csv]
key: [contrato]
unique: refuse
versions:
  - format: {kind: delimited}
    records:
"""
ONE = f"""{HEAD}\
      - name: um
        fields:
          - {{name: contrato, type: digits, zero_pad: 8, required: true, description: Contrato, source: spec}}
          - {{name: tipo, equals: "1", required: true}}
          - {{name: uf, checks: [uf], width: 2}}
          - {{name: ddd, type: digits, checks: [{{rule: ddd, severity: flag}}]}}
          - {{name: sexo, domain: {{F: Feminino, M: Masculino}}, description: Sexo}}
          - {{name: classe, domain: {{A: Alta}}, domain_severity: flag}}
          - {{name: dias, type: integer, minimum: 0, maximum: 99, required: true, type_severity: flag}}
          - {{name: taxa, type: decimal, decimals: 2, minimum: 0.005, unit: "%"}}
          - {{name: alta, type: date, format: DD/MM/AAAA, minimum: 2000-01-01, maximum: 2023-12-31}}
          - {{name: hora, type: time, format: HHMMSS}}
          - {{name: quando, type: datetime, format: AAAAMMDDHHMMSS}}
          - {{name: cpf, checks: [cpf], personal: document}}
"""
TWO = f"""{HEAD}\
      - name: um
        match: {{field: tipo, equals: "1"}}
        fields: [{{name: tipo, equals: "1", required: true}}, {{name: contrato, type: digits, required: true}},
                 {{name: placa, checks: [plate], required: true}}, {{name: estado, checks: [uf]}}]
      - name: dois
        match: {{field: tipo, equals: "2"}}
        fields: [{{name: tipo, equals: "2", required: true}}, {{name: contrato, type: digits, required: true}},
                 {{name: nome}}, {{name: estado, checks: [uf, {{rule: cep, severity: flag}}]}}]
"""
GOOD = {
    "contrato": "00001234",
    "tipo": "1",
    "uf": "SP",
    "ddd": "11",
    "sexo": "F",
    "classe": "A",
    "dias": 10,
    "taxa": Decimal("1.66"),
    "alta": date(2023, 8, 4),
    "hora": time(1, 2, 3),
    "quando": None,
    "cpf": "12345678909",
    "linha": 2,
    "registro": "um",
}


@pytest.fixture
def one(tmp_path: Path) -> Layout:
    return load_layout(write(tmp_path / "amostra.yaml", ONE))


@pytest.fixture
def two(tmp_path: Path) -> Layout:
    return load_layout(write(tmp_path / "amostra.yaml", TWO))


def frame_of(layout: Layout, *rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=polars_schema(layout, layout.versions[0]), orient="row")


def found(layout: Layout, *rows: dict[str, object]) -> list[tuple[str, str, int]]:
    schema = pandera_schema(layout, layout.versions[0])
    return [(item.column, item.check, item.rows) for item in violations(frame_of(layout, *rows), schema)]


def test_each_type_of_a_field_has_its_polars_type(one: Layout) -> None:
    assert polars_schema(one, one.versions[0]) == {
        **dict.fromkeys(("contrato", "tipo", "uf", "ddd", "sexo", "classe"), pl.String()),
        "dias": pl.Int64(),
        "taxa": pl.Decimal(18, 2),
        "alta": pl.Date(),
        "hora": pl.Time(),
        "quando": pl.Datetime("us"),
        "cpf": pl.String(),
        "linha": pl.UInt32(),
        "registro": pl.String(),
    }


def test_the_columns_of_several_record_types_stand_together(two: Layout) -> None:
    version = two.versions[0]
    assert list(polars_schema(two, version)) == ["tipo", "contrato", "placa", "estado", "nome", "linha", "registro"]
    assert list(record_schema(version.record("dois"))) == ["tipo", "contrato", "nome", "estado", "linha", "registro"]


def test_a_row_that_may_be_accepted_breaks_nothing(one: Layout) -> None:
    assert found(one, GOOD) == []


def test_an_empty_frame_breaks_nothing(one: Layout) -> None:
    assert found(one) == []


@pytest.mark.parametrize("column", ["uf", "ddd", "sexo", "classe", "taxa", "alta", "hora", "quando", "cpf", "dias"])
def test_what_is_not_required_may_be_null_and_so_may_a_required_value_that_is_only_flagged(
    one: Layout, column: str
) -> None:
    assert found(one, {**GOOD, column: None}) == []


@pytest.mark.parametrize(
    ("column", "value", "check"),
    [
        ("contrato", None, "not_nullable"),
        ("tipo", None, "not_nullable"),
        ("linha", None, "not_nullable"),
        ("registro", None, "not_nullable"),
        ("contrato", "1234", "8 digits"),
        ("contrato", "1,23E+07", "8 digits"),
        ("tipo", "2", "always 1"),
        ("uf", "XX", "uf"),
        ("ddd", "1A", "digits only"),
        ("sexo", "X", "one of F, M"),
        ("dias", -1, "at least 0"),
        ("dias", 100, "at most 99"),
        ("taxa", Decimal("0.00"), "at least 0.005"),
        ("alta", date(1999, 12, 31), "at least 2000-01-01"),
        ("alta", date(2024, 1, 1), "at most 2023-12-31"),
        ("cpf", "12345678900", "cpf"),
    ],
)
def test_what_a_reader_refuses_is_a_violation(one: Layout, column: str, value: object, check: str) -> None:
    bad = {**GOOD, column: value, "contrato": value if column == "contrato" else "00009999"}
    assert found(one, GOOD, bad) == [(column, check, 1)]


def test_the_bounds_themselves_are_allowed(one: Layout) -> None:
    assert found(one, {**GOOD, "dias": 0, "taxa": Decimal("0.01"), "alta": date(2000, 1, 1)}) == []
    assert found(one, {**GOOD, "dias": 99, "alta": date(2023, 12, 31)}) == []


def test_what_is_flagged_is_no_violation(one: Layout) -> None:
    assert found(one, {**GOOD, "classe": "Z", "ddd": "00"}) == []


def test_a_key_that_refuses_repetition_is_unique_within_a_file(one: Layout) -> None:
    assert found(one, GOOD, {**GOOD, "linha": 3}) == [("(frame)", "multiple_fields_uniqueness", 2)]
    whole_day = pandera_schema(one, one.versions[0], one_file=False)
    assert violations(frame_of(one, GOOD, {**GOOD, "linha": 3}), whole_day) == []


def test_a_column_of_another_type_or_missing_is_a_violation(one: Layout) -> None:
    schema = pandera_schema(one, one.versions[0])
    frame = frame_of(one, GOOD).with_columns(pl.col("hora").cast(pl.String)).drop("quando")
    assert [(item.column, item.check) for item in violations(frame, schema)] == [
        ("hora", "dtype('Time')"),
        ("quando", "column_in_dataframe"),
    ]


def test_columns_that_say_where_a_row_came_from_may_stand_beside(one: Layout) -> None:
    schema = pandera_schema(one, one.versions[0])
    assert violations(frame_of(one, GOOD).with_columns(arquivo=pl.lit("a.csv")), schema) == []


def test_violations_count_rows_and_show_no_value(one: Layout) -> None:
    rows = [{**GOOD, "cpf": "12345678900", "contrato": f"{n:08d}"} for n in range(3)]
    schema = pandera_schema(one, one.versions[0])
    assert "12345678900" not in str(violations(frame_of(one, *rows), schema))
    assert found(one, *rows) == [("cpf", "cpf", 3)]


def test_in_one_frame_of_several_record_types_each_column_holds_what_all_of_them_say(two: Layout) -> None:
    um = {"tipo": "1", "contrato": "1", "placa": "ABC1D23", "estado": "SP", "linha": 1, "registro": "um"}
    dois = {"tipo": "2", "contrato": "1", "nome": "x", "estado": None, "linha": 2, "registro": "dois"}
    assert found(two, um, dois) == []
    assert found(two, um, {**dois, "estado": "XX"}) == [("estado", "uf", 1)]
    assert found(two, {**um, "placa": "A"}, dois) == [("placa", "plate", 1)]
    assert found(two, um, {**dois, "contrato": None}) == [("contrato", "not_nullable", 1)]


def test_one_record_type_alone_is_held_to_its_own_facts(two: Layout) -> None:
    version = two.versions[0]
    frame = pl.DataFrame(
        [{"tipo": "2", "contrato": "1", "placa": None, "estado": "SP", "linha": 1, "registro": "um"}],
        schema=record_schema(version.record("um")),
    )
    found = [(item.column, item.check) for item in violations(frame, pandera_schema(two, version, "um"))]
    assert found == [("placa", "not_nullable"), ("tipo", "always 1")]


def test_the_columns_to_show_say_type_meaning_and_constraints(one: Layout) -> None:
    rows = {row.name: row for row in column_rows(one, one.versions[0])}
    assert list(rows) == list(polars_schema(one, one.versions[0]))
    assert (rows["contrato"].dtype, rows["contrato"].description) == ("String", "Contrato")
    assert rows["contrato"].constraints == ["key", "required", "8 digits", "spec"]
    assert rows["sexo"].description == "Sexo (F = Feminino; M = Masculino)"
    assert rows["ddd"].constraints == ["digits only", "ddd (flag)", "inferred"]
    assert rows["taxa"].description == "[%]"
    assert rows["alta"].constraints == ["at least 2000-01-01", "at most 2023-12-31", "format DD/MM/AAAA", "inferred"]
    assert rows["cpf"].constraints == ["cpf", "personal: document", "inferred"]
    assert rows["uf"].constraints == ["uf", "width 2", "inferred"]
    assert rows["linha"].dtype == "UInt32"


def test_a_column_of_several_record_types_shows_what_each_says(two: Layout) -> None:
    rows = {row.name: row for row in column_rows(two, two.versions[0])}
    assert rows["tipo"].constraints == ["required", "always 1", "inferred", "always 2"]


def test_constraints_are_true_or_null_for_a_good_value(one: Layout) -> None:
    frame = frame_of(one, GOOD, {**GOOD, **dict.fromkeys(("uf", "sexo", "cpf", "alta"))})
    for field in one.versions[0].records[0].fields:
        for constraint in constraints(field):
            values = frame.select(constraint.expression(pl.col(field.name))).to_series().to_list()
            assert values[0] is True, (field.name, constraint.text)
            assert values[1] is not False, (field.name, constraint.text)
