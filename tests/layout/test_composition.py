"""What record types of a version must say of each other, one failing example a rule; and versions that overlap."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import Any

import polars as pl
import pytest

from atom_pipeline.errors import FileRefused, StructureError
from atom_pipeline.layout.document import load_layout
from atom_pipeline.layout.model import Layout
from atom_pipeline.layout.reading import read_file
from atom_pipeline.layout.schema import in_shape, pandera_schema, polars_schema, violations
from tests.layout.small_layouts import layout_of
from tests.layout.yaml_documents import write

LOTS = dedent("""\
    layout: retorno
    title: Retorno
    description: Em lotes
    stage: acordos
    names: ["retorno_<AAAAMMDD>.ret"]
    key: [contrato]
    versions:
      - format: {kind: fixed, newline: lf}
        records:
          - {name: inicio, role: lot_header, length: 9, match: {field: tipo, equals: "1"}, gives: [carteira], fields: [
            {name: tipo, width: 1}, {name: lote, width: 4, type: integer, sequence: lots}, {name: carteira, width: 4}]}
          - {name: t, length: 9, match: {field: tipo, equals: "3", and: [{field: parte, equals: T}]}, fields: [
            {name: tipo, width: 1}, {name: parte, width: 1}, {name: n, width: 3, type: integer, sequence: lines_of_lot},
            {name: contrato, width: 4}]}
          - {name: u, joins: t, length: 9, match: {field: tipo, equals: "3", and: [{field: parte, equals: U}]},
         fields: [
            {name: tipo, width: 1}, {name: parte, width: 1}, {name: n, width: 3, type: integer, sequence: lines_of_lot},
            {name: valor, width: 4, type: decimal, decimals: 2}]}
          - {name: fim, role: lot_trailer, length: 9, match: {field: tipo, equals: "5"}, totals: [
            {field: soma, sum_of: u.valor}, {field: quantos, count: [t]}], fields: [
            {name: tipo, width: 1}, {name: quantos, width: 3, type: integer},
            {name: soma, width: 5, type: decimal, decimals: 2}]}
    """)


def findings(folder: Path, text: str) -> list[str]:
    with pytest.raises(StructureError) as error:
        load_layout(write(folder / "retorno.yaml", text))
    return [str(finding).removeprefix(f"{folder}/") for finding in error.value.findings]


def test_the_document_of_these_tests_is_a_good_one(tmp_path: Path) -> None:
    layout = load_layout(write(tmp_path / "retorno.yaml", LOTS))
    (row,) = layout.versions[0].details
    assert list(row.by_name) == ["tipo", "parte", "n", "contrato", "valor", "carteira"]
    assert list(polars_schema(layout, layout.versions[0])) == [*row.by_name, "linha", "registro"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("joins: t", "joins: x", "retorno.yaml:15: versions[0].records[u].joins: no record x here; there are inicio"),
        ("joins: t", "joins: fim", "records[u].joins: fim begins no row: join a record of role detail that joins no"),
        ("joins: t", "joins: u", "records[u].joins: u begins no row"),
        ("{name: t, length", "{name: t, joins: u, length", "records[t].joins: u begins no row"),
        ("role: lot_header,", "role: lot_header, joins: t,", "records[inicio].joins: `joins` goes with the role det"),
        ("gives: [carteira]", "gives: [karteira]", "retorno.yaml:10: versions[0].records[inicio].gives[0]: no field k"),
        ("gives: [carteira]", "gives: [tipo]", "records[inicio].gives[0]: tipo is a column of t too: give one of both"),
        ("{name: t, length", "{name: t, gives: [n], length", "records[t].gives: `gives` goes with the roles header"),
        ("role: lot_header", "role: header", "records[fim]: a lot_trailer needs a record of role lot_header"),
        ("role: lot_header", "role: lot_trailer", "records[fim]: a second record of role lot_trailer: a file has one"),
        ("role: lot_header, ", "", "records[inicio].fields[lote].sequence: `lots` needs a record of role lot_header"),
        ("role: lot_trailer, ", "", "records[fim].totals: `totals` go with the roles header, lot_trailer, trailer"),
        ("count: [t]", "count: [t, x]", "records[fim].totals[1].count: no record x here; there are inicio, t, u, fim"),
        ("count: [t]", 'count: ["*", t]', 'records[fim].totals[1].count: ["*"] counts every line, and stands alone'),
        ("sum_of: u.valor", "sum_of: u.walor", "records[fim].totals[0].sum_of: no field u.walor here: write record.fi"),
        ("sum_of: u.valor", "sum_of: t.contrato", "records[fim].totals[0].sum_of: t.contrato is no number"),
        ("field: soma", "field: tipo", "records[fim].totals[0].field: tipo is no number: a total is an integer, a"),
        (
            "count: [t]",
            "count: [t], where: {field: valor, equals: '1'}",
            "records[fim].totals[1].where: t has no field valor of text or digits",
        ),
        ("equals: U", "equals: T", "records[u].match: t matches the same: nothing tells them apart"),
        ("{field: parte, equals: T}", "{field: x, equals: T}", "records[t].match.and[0].field: match on a field that"),
        ("sequence: lots", "sequence: lotes", "fields[lote].sequence: `lotes` is not one of 'lines', "),
        ("carteira, width: 4}", "carteira, width: 4, sequence: lines}", "`sequence` goes with integer or digits"),
        ("sequence: lots", "sequence: lots, equals: '1'", "fields[lote].sequence: `sequence` does not go with"),
        ("valor, width: 4, type: decimal, decimals: 2}", "c2, width: 4, type: integer, sequence: lines_of_lot}",
         "a second field that counts"),
        (
            "sequence: lines_of_lot}",
            "sequence: {of: lines_of_lot, start: 0}}",
            "records[u].fields[n].sequence: another record counts lines_of_lot from 0 on",
        ),
        ("newline: lf", "newline: none", ""),
        ("key: [contrato]", "key: [carteira, contrato, valor]", ""),
    ],
)  # fmt: skip
def test_each_rule_has_its_own_finding(tmp_path: Path, before: str, after: str, expected: str) -> None:
    assert before in LOTS
    text = LOTS.replace(before, after, 1)
    if not expected:
        assert load_layout(write(tmp_path / "retorno.yaml", text))
        return
    found = findings(tmp_path, text)
    assert [finding for finding in found if expected in finding], found


def test_without_line_breaks_all_records_have_one_length(tmp_path: Path) -> None:
    text = LOTS.replace("newline: lf", "newline: none").replace("length: 9", "length: 10", 1)
    text = text.replace("{name: carteira, width: 4}", "{name: carteira, width: 5}")
    (finding,) = findings(tmp_path, text)
    assert finding == ("retorno.yaml:8: versions[0].format.newline: without line breaks all records have one length")


def test_a_record_that_stands_before_its_head_and_totals_of_other_lots(tmp_path: Path) -> None:
    head = LOTS.index("      - {name: t,")
    joined, end = LOTS.index("      - {name: u,"), LOTS.index("      - {name: fim,")
    turned = LOTS[:head] + LOTS[joined:end] + LOTS[head:joined] + LOTS[end:]
    assert any("t stands further down: put the records in the order" in one for one in findings(tmp_path, turned))
    whole = LOTS.replace("role: lot_header", "role: header").replace("sequence: lots", "signed: ''")
    whole = whole.replace("count: [t]", "count: [inicio]").replace("sequence: lines_of_lot", "signed: ''")
    assert any("inicio stands in no lot" in one for one in findings(tmp_path, whole))


# versions


def in_force(*versions: dict[str, Any], **facts: Any) -> Layout:
    return layout_of({}, [], versions=list(versions), **facts)


def version(since: date, *fields: dict[str, Any], until: date | None = None) -> dict[str, Any]:
    length = sum(field["width"] for field in fields)
    shape = {"kind": "fixed", "newline": "lf"}
    record = {"name": "d", "length": length, "fields": list(fields)}
    return {"since": since, "until": until, "format": shape, "records": [record]}


CODE = {"name": "codigo", "width": 4, "required": True}
OLD = version(date(2026, 1, 1), CODE, {"name": "filler", "width": 6}, until=date(2026, 11, 20))
NEW = version(
    date(2026, 11, 10), CODE, {"name": "dia", "width": 6, "type": "date", "format": "DDMMAA", "required": True}
)
BOTH = in_force(OLD, NEW)
OLD_FILE, NEW_FILE = b"A001      \nA002      \n", b"A001231126\nA002241126\n"


def since(content: bytes, day: date, layout: Layout = BOTH) -> date:
    return read_file(layout, io.BytesIO(content), name="x", day=day).version.since


@pytest.mark.parametrize("day", [date(2026, 11, 10), date(2026, 11, 20)])
def test_in_the_window_a_file_follows_the_version_that_does_not_refuse_it(day: date) -> None:
    assert since(NEW_FILE, day) == date(2026, 11, 10)
    assert since(OLD_FILE, day) == date(2026, 1, 1)  # as long as the new one: only its rows tell


def test_outside_the_window_only_the_version_in_force_is_tried() -> None:
    assert since(OLD_FILE, date(2026, 11, 9)) == date(2026, 1, 1)
    assert since(NEW_FILE, date(2026, 11, 9)) == date(2026, 1, 1)  # the old filler takes anything
    with pytest.raises(FileRefused) as refused:
        since(OLD_FILE, date(2026, 11, 21))
    assert "2 de 2 linhas recusadas" in refused.value.message


def test_a_file_that_every_version_refuses_is_refused_by_the_newest_and_tells_of_the_others() -> None:
    with pytest.raises(FileRefused) as refused:
        since(b"A001231126XX\nA002\n", date(2026, 11, 15))
    assert refused.value.code == "FORA_DO_LAYOUT"
    assert "lido pela versão desde 10/11/2026; a versão desde 01/01/2026 recusa também: FORA_DO_LAYOUT" in str(
        refused.value
    )


def test_rows_of_the_older_version_stand_in_the_table_of_the_newer_one() -> None:
    day = date(2026, 11, 15)
    newest, *older = BOTH.versions_on(day)
    frames = [read_file(BOTH, io.BytesIO(one), name="x", day=day).frame() for one in (OLD_FILE, NEW_FILE)]
    table = pl.concat(in_shape(frame, polars_schema(BOTH, newest)) for frame in frames)
    assert table["dia"].to_list() == [None, None, date(2026, 11, 23), date(2026, 11, 24)]
    assert violations(table, pandera_schema(BOTH, newest, one_file=False, also=older)) == []
    assert violations(table, pandera_schema(BOTH, newest, one_file=False))


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([version(date(2026, 1, 1), CODE, until=date(2026, 2, 1))], "no later version takes over"),
        (
            [version(date(2026, 1, 1), CODE, until=date(2026, 2, 1)), version(date(2026, 3, 1), CODE)],
            "the next version is in force from 2026-03-01 on: leave `until` out, or overlap",
        ),
        (
            [
                version(date(2026, 1, 1), {"name": "codigo", "width": 4, "type": "integer"}, until=date(2026, 4, 1)),
                version(date(2026, 3, 1), CODE),
            ],
            "codigo has another type in the version since 2026-03-01",
        ),
    ],
)
def test_an_overlap_needs_a_later_version_and_columns_of_one_type(
    versions: list[dict[str, Any]], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        in_force(*versions)
