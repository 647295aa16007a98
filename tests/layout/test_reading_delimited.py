"""Delimited files and workbooks: titles, ragged lines, quotes and the physical lines they stand in."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.model import Layout
from tests.layout.small_layouts import delimited, layout_of, read, reasons, values

A, B = {"name": "a", "title": "Coluna A"}, {"name": "b", "title": "Coluna B"}
AB = delimited(A, B, max_rejects=1)
TITLES = b"Coluna A;Coluna B\n"


def test_titles_are_compared_without_case_and_blanks_in_any_order() -> None:
    reading = read(AB, b" COLUNA b;coluna A \r\n1;2\r\n3;4")
    assert values(reading).rows() == [("2", "1"), ("4", "3")]
    assert reading.frame()["linha"].to_list() == [2, 3]


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (b"Coluna A", "faltam: coluna b"),
        (b"Coluna A;Coluna B;Coluna C", "sobram: coluna c"),
        (b"Coluna A;Coluna B;Coluna A", "repetidas: coluna a"),
        (b"Coluna A;39053344705", r"sobram: \(um valor\?\)"),
    ],
)
def test_other_columns_refuse_the_file_and_are_named(first: bytes, told: str) -> None:
    with pytest.raises(FileRefused, match=told) as refusal:
        read(AB, first + b"\n1;2\n")
    assert refusal.value.code == "FORA_DO_LAYOUT"


def test_a_file_without_titles_is_refused_without_showing_its_data() -> None:
    with pytest.raises(FileRefused) as refusal:
        read(AB, b"MARIA;39053344705\n")
    assert "MARIA" not in str(refusal.value)
    assert "3905" not in str(refusal.value)


def test_ragged_and_blank_lines_are_refused_with_their_numbers() -> None:
    reading = read(AB, TITLES + b"1;2\n1\n\n1;2;3\n3;4\n")
    assert values(reading).rows() == [("1", "2"), ("3", "4")]
    assert reasons(reading) == [(3, None, "COLUNAS"), (4, None, "COLUNAS"), (5, None, "COLUNAS")]
    assert reading.rejects["original"].to_list() == ["1", "", "1;2;3"]
    assert reading.rows_read == 5


def test_every_line_ragged_is_another_layout() -> None:
    with pytest.raises(FileRefused) as refusal:
        read(AB, TITLES + b"1\n2\n")
    assert refusal.value.code == "FORA_DO_LAYOUT"


def test_titles_alone_are_empty() -> None:
    assert read(AB, TITLES).rows_read == 0
    with pytest.raises(FileRefused) as refusal:
        read(delimited(A, B, empty="refuse"), TITLES)
    assert refusal.value.code == "VAZIO"


def test_zero_bytes_are_refused_where_even_an_empty_file_has_titles() -> None:
    for content in (AB, REFIN):
        with pytest.raises(FileRefused, match="nenhum byte") as refusal:
            read(content, b"", excel=content is REFIN)
        assert refusal.value.code == "VAZIO"
    assert read(delimited(A, B, header=False), b"").rows_read == 0


def test_quotes_hold_delimiters_quotes_and_line_breaks_and_lines_stay_physical() -> None:
    content = TITLES + b'1;2\n"x;y";"say ""hi"""\n"two\nlines";b\n5;6\n"";" z "\n'
    reading = read(AB, content)
    assert values(reading).rows() == [("1", "2"), ("x;y", 'say "hi"'), ("two\nlines", "b"), ("5", "6"), (None, "z")]
    assert reading.frame()["linha"].to_list() == [2, 3, 4, 6, 7]


def test_a_quoted_line_break_may_fall_between_blocks() -> None:
    content = TITLES + b'1;2\r\n"a\r\nb\r\nc";x\r\n3;"4"\r\n5;6\r\n'
    whole = read(AB, content)
    assert values(whole)["a"].to_list() == ["1", "a\nb\nc", "3", "5"]
    for block_bytes in range(1, 60):
        reading = read(AB, content, block_bytes=block_bytes)
        assert reading.frame().equals(whole.frame()), block_bytes


def test_a_quote_that_is_never_closed_costs_its_own_line_only() -> None:
    content = TITLES + b'1;"open\n' + b"3;4\n" * 200
    for block_bytes in (64, 1 << 20):
        reading = read(AB, content, block_bytes=block_bytes)
        assert (reading.rows_accepted, reasons(reading)) == (200, [(2, None, "COLUNAS")])
        assert reading.rejects["original"].to_list() == ['1;"open']


def test_a_quote_closed_by_a_later_stray_one_does_not_swallow_the_lines_between() -> None:
    reading = read(AB, TITLES + b'"open;2\n3;4\nx;"5\n6;7\n')
    assert values(reading).rows() == [("3", "4"), ("6", "7")]
    assert [line for line, _, _ in reasons(reading)] == [2, 4]


def test_a_quote_inside_a_cell_is_a_character() -> None:
    assert values(read(AB, TITLES + b'5" pipe;2\n')).rows() == [('5" pipe', "2")]


def test_a_row_of_several_lines_that_is_refused_shows_all_of_them() -> None:
    layout = delimited(A, {"name": "n", "title": "Coluna B", "type": "integer"}, max_rejects=1)
    reading = read(layout, TITLES + b'"x\ny";z\n"p\x00\nq";1\n1;1\n')
    assert reasons(reading) == [(2, "n", "TIPO"), (4, None, "CARACTERE")]
    assert reading.rejects["original"].to_list() == [r'"x\ny";z', r'"p\x00\nq";1']


def test_accents_and_another_delimiter_and_encoding() -> None:
    tabs = delimited(A, B, delimiter="\t", encoding="utf-8")
    assert values(read(tabs, "Coluna A\tColuna B\nJoão\tçã\n".encode())).rows() == [("João", "çã")]
    assert values(read(AB, TITLES + 'João;"Çé"\n'.encode("latin-1"))).rows() == [("João", "Çé")]
    with pytest.raises(FileRefused) as refusal:
        read(AB, TITLES + "João;x\n".encode())
    assert refusal.value.code == "CODIFICACAO"


def test_values_are_read_in_their_types() -> None:
    layout = delimited(
        {
            "name": "v",
            "type": "decimal",
            "decimals": 2,
            "decimal_mark": ",",
            "thousands_mark": ".",
            "signed": "leading",
        },
        {"name": "t", "type": "decimal", "decimals": 2, "decimal_mark": ",", "suffix": "%"},
        {"name": "d", "type": "date", "format": "DD/MM/AAAA"},
        {"name": "c", "type": "digits", "zero_pad": 6},
        {"name": "x", "width": 3},
        max_rejects=1,
    )
    head = b"v;t;d;c;x\n"
    reading = read(layout, head + b"23.814,80;1,66%;11/08/2023;12;abc\n-0,5;2 %;;;\n1814,8;1;00/00/0000;000012;\n")
    assert values(reading).rows() == [
        (Decimal("23814.80"), Decimal("1.66"), date(2023, 8, 11), "000012", "abc"),
        (Decimal("-0.50"), Decimal("2.00"), None, None, None),
        (Decimal("1814.80"), Decimal("1.00"), None, "000012", None),
    ]
    bad = b"1.81,80;;;;\n1,234;;;;\n1e5;;;;\n;;1/8/2023;;\n;;31/02/2023;;\n;;;1,23E+11;\n;;;;abcd\n;-1,0;;;\n0;0;;;\n"
    assert reasons(read(layout, head + bad)) == [
        (2, "v", "TIPO"),
        (3, "v", "TIPO"),
        (4, "v", "TIPO"),
        (5, "d", "DATA"),
        (6, "d", "DATA"),
        (7, "c", "TIPO"),
        (8, "x", "TAMANHO"),
        (9, "t", "TIPO"),
    ]


def test_numbers_too_large_for_their_type_are_refused_not_rounded() -> None:
    layout = delimited({"name": "v", "type": "decimal", "decimals": 2}, {"name": "n", "type": "integer"}, max_rejects=1)
    reading = read(layout, b"v;n\n999999999999999999;1\n1000000000000000000;1\n1;9223372036854775808\n")
    assert values(reading).rows() == [(Decimal("9999999999999999.99"), 1)]
    assert reasons(reading) == [(3, "v", "TIPO"), (4, "n", "TIPO")]


def test_the_apostrophe_that_keeps_a_formula_from_running_is_taken_back() -> None:
    assert values(read(AB, TITLES + b"'=1+1;'abc\n'@x;''-y\n")).rows() == [("=1+1", "'abc"), ("@x", "'-y")]
    kept = delimited(A, B, formulas="keep")
    assert values(read(kept, TITLES + b"'=1+1;x\n")).rows() == [("'=1+1", "x")]


def record_types() -> Layout:
    def record(name: str, role: str, kind: str, *fields: dict[str, Any]) -> dict[str, Any]:
        match = {"field": "tipo", "equals": kind}
        return {"name": name, "role": role, "match": match, "fields": [{"name": "tipo"}, *fields]}

    number = {"name": "n", "type": "integer"}
    trailer = record("fim", "trailer", "9", number) | {"totals": [{"field": "n", "count": ["um", "dois"]}]}
    return layout_of(
        {"kind": "delimited", "header": False},
        [
            record("um", "detail", "1", {"name": "a"}),
            record("dois", "detail", "2", {"name": "b"}, {"name": "c"}),
            trailer,
        ],
        max_rejects=1,
    )


def test_record_types_of_a_delimited_file_are_told_by_a_column() -> None:
    reading = read(record_types(), b'1;x\n2;y;z\n"1";"w;w"\n3;q\n2;short\n9;4\n')
    assert reading.frames["um"].select("a", "linha").rows() == [("x", 1), ("w;w", 3)]
    assert reading.frames["dois"].select("b", "c", "linha").rows() == [("y", "z", 2)]
    assert reasons(reading) == [(4, None, "REGISTRO_DESCONHECIDO"), (5, None, "COLUNAS")]
    assert reading.trailer == {"tipo": "9", "n": 4}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.text('ab;"\né', max_size=6)] * 2).filter(lambda cells: any(cells)), min_size=1, max_size=12
    ),
    st.integers(1, 64),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_the_csv_module_writes_is_read_back(rows: list[tuple[str, str]], block_bytes: int, quoting: Any) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="\n", quoting=quoting).writerows([("Coluna A", "Coluna B"), *rows])
    reading = read(AB, out.getvalue().encode("latin-1"), block_bytes=block_bytes)
    expected = [tuple(cell or None for cell in row) for row in rows]
    assert values(reading).rows() == expected
    starts = [2 + sum(cell.count("\n") for row in rows[:i] for cell in row) + i for i in range(len(rows))]
    assert reading.frame()["linha"].to_list() == starts


@settings(max_examples=60, deadline=None)
@given(st.text('ab;"\n\r', max_size=60), st.integers(1, 64))
def test_accepted_and_refused_are_all_that_was_read_and_blocks_change_nothing(text: str, block_bytes: int) -> None:
    content = TITLES + b"1;2\n" + text.encode()
    whole = read(AB, content)
    assert whole.rows_accepted + whole.rows_refused == whole.rows_read
    parts = read(AB, content, block_bytes=block_bytes)
    assert parts.frame().equals(whole.frame())
    assert parts.rejects.equals(whole.rejects)


# Workbooks


def workbook(*rows: list[object]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"default_date_format": "dd/mm/yyyy"}) as book:
        sheet = book.add_worksheet()
        for y, row in enumerate(rows):
            sheet.write_row(y, 0, row)
    return out.getvalue()


REFIN = delimited(
    {"name": "contrato", "title": "Contrato", "type": "digits", "zero_pad": 8, "required": True},
    {"name": "valor", "title": "Valor", "type": "decimal", "decimals": 2, "decimal_mark": ",", "thousands_mark": "."},
    {"name": "taxa", "title": "Taxa", "type": "decimal", "decimals": 2, "decimal_mark": ",", "suffix": "%"},
    {"name": "dia", "title": "Dia", "type": "date", "format": "DD/MM/AAAA"},
    {"name": "nome", "title": "Nome"},
    max_rejects=1,
)


def test_a_workbook_is_read_by_its_titles_whether_cells_are_text_or_numbers() -> None:
    content = workbook(
        ["Dia", "contrato", "Valor", "Taxa", "Nome"],
        [datetime(2023, 8, 11), 1234, 23814.8, 0.0166, " José "],
        ["11/08/2023", "00001234", "23.814,80", "1,66%", ""],
        ["", 1, 1031.503333, "", 7],
    )
    reading = read(REFIN, content, excel=True)
    first = ("00001234", Decimal("23814.80"), Decimal("1.66"), date(2023, 8, 11))
    assert values(reading).rows() == [
        (*first, "José"),
        (*first, None),
        ("00000001", Decimal("1031.50"), None, None, "7"),
    ]
    assert reading.frame()["linha"].to_list() == [2, 3, 4]


def test_rows_of_a_workbook_are_refused_like_lines() -> None:
    content = workbook(
        ["Contrato", "Valor", "Taxa", "Dia", "Nome"], [1.5], [], [None, "x"], [2, 1.5, 0.1, None, "a\tb"]
    )
    reading = read(REFIN, content, excel=True)
    assert reasons(reading) == [
        (2, "contrato", "TIPO"),
        (3, None, "COLUNAS"),
        (4, "contrato", "OBRIGATORIO"),
        (5, None, "CARACTERE"),
    ]
    assert reading.rejects["outros"].to_list() == ["", "", "valor: TIPO", ""]
    assert reading.rejects["original"].to_list() == ["1.5;;;;", "", ";x;;;", r"2;1.5;0.1;;a\tb"]


def test_a_workbook_with_other_columns_or_that_is_none_is_refused() -> None:
    for content in (workbook(["Contrato", "Valor"], [1, 2]), b"PK\x03\x04nothing", b"text"):
        with pytest.raises(FileRefused) as refusal:
            read(REFIN, content, excel=True)
        assert refusal.value.code == "FORA_DO_LAYOUT"
    assert read(REFIN, workbook(), excel=True).rows_read == 0


def test_a_workbook_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atom_pipeline.layout.excel.MAX_UNCOMPRESSED", 1000)
    with pytest.raises(FileRefused, match="descompactada"):
        read(REFIN, workbook(["Contrato"]), excel=True)
