"""Lots, rows of several lines and sequence numbers, read: what is refused, by row and by file, with both numbers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom_pipeline.errors import FileRefused, RecordError
from atom_pipeline.layout.model import Layout
from tests.layout.composed_layouts import lots, numbered, of_many_types
from tests.layout.small_layouts import read, reasons, written

LOTS = lots()
ROWS = pl.DataFrame(
    {
        "agencia": "528",
        "carteira": ["A", "A", "B"],
        "contrato": ["11", "12", "13"],
        "movimento": ["06", "06", "09"],
        "valor": [Decimal("1.50"), Decimal("2.00"), Decimal("3.00")],
        "especie": ["1", "2", "1"],
        "pago": [Decimal("1.50"), Decimal("2.25"), Decimal("3.00")],
        "dia": [date(2026, 11, 3), None, None],
        "aviso": [None, "LIGAR", None],
    }
)
FILE = written(LOTS, ROWS).splitlines()
# 0 arquivo, 1 lote A, 2 T 3 U, 4 T 5 U 6 R, 7 fim do lote, 8 lote B, 9 T 10 U, 11 fim do lote, 12 fim do arquivo
Edit = Callable[[list[bytes]], list[bytes]]


def file_of(lines: list[bytes]) -> bytes:
    return b"\n".join(lines) + b"\n"


def changed(line: int, old: bytes, new: bytes) -> Edit:
    def edit(lines: list[bytes]) -> list[bytes]:
        assert lines[line].count(old) == 1, lines[line]
        return [*lines[:line], lines[line].replace(old, new), *lines[line + 1 :]]

    return edit


def without(*gone: int) -> Edit:
    return lambda lines: [line for place, line in enumerate(lines) if place not in gone]


def recounted(lines: list[bytes]) -> list[bytes]:
    """The file with numbers, counts and sums that agree again, so that only its rows are at fault."""
    out: list[bytes] = []
    number = lot = paid = simple = simple_value = 0
    for line in lines:
        kind, segment = line[4:5], line[8:9]
        if kind == b"1":
            lot, number, begun, paid, simple, simple_value = lot + 1, 0, len(out), 0, 0, 0
            line = b"%04d" % lot + line[4:]
        elif kind == b"3":
            number += 1
            line = b"%04d3%03d" % (lot, number) + line[8:]
            paid += int(line[11:19]) if segment == b"U" and line[11:19].isdigit() else 0
            if segment == b"T" and line[27:28] == b"1" and line[19:27].isdigit():
                simple, simple_value = simple + 1, simple_value + int(line[19:27])
        elif kind == b"5":
            line = b"%04d5%03d%09d%03d%09d " % (lot, len(out) - begun + 1, paid, simple, simple_value)
        elif kind == b"9":
            line = b"99999%06d%06d" % (lot, len(out) + 1) + line[17:]
        out.append(line)
    return out


def test_a_row_has_the_fields_of_all_its_lines_and_what_the_headers_give() -> None:
    assert FILE[6].rstrip() == b"00013005R03LIGAR"  # of all rows, only this one has something to say there
    reading = read(LOTS, file_of(FILE))
    wanted = ["linha", "lote", "agencia", "carteira", "contrato", "valor", "pago", "dia", "aviso", "registro"]
    assert reading.frame().select(wanted).rows() == [
        (3, 1, "528", "A", "00000011", Decimal("1.50"), Decimal("1.50"), date(2026, 11, 3), None, "t"),
        (5, 1, "528", "A", "00000012", Decimal("2.00"), Decimal("2.25"), None, "LIGAR", "t"),
        (10, 2, "528", "B", "00000013", Decimal("3.00"), Decimal("3.00"), None, None, "t"),
    ]
    assert (reading.rows_read, reading.rows_accepted, reading.rows_refused) == (3, 3, 0)
    assert reading.lots["lote_inicio"].select("linha", "carteira", "servico").rows() == [(2, "A", "01"), (9, "B", "01")]


@pytest.mark.parametrize("size", [1, 7, 31, 64, 95, 200])
def test_a_row_may_go_on_in_the_next_block(size: int) -> None:
    whole, parted = read(LOTS, file_of(FILE)), read(LOTS, file_of(FILE), block_bytes=size)
    assert parted.frame().equals(whole.frame())
    damaged = file_of(recounted(without(5, 9)(FILE)))
    one, other = read(LOTS, damaged), read(LOTS, damaged, block_bytes=size)
    assert other.rejects.equals(one.rejects)
    assert other.frame().equals(one.frame())


@pytest.mark.parametrize(
    ("edit", "expected", "kept"),
    [
        (without(5), [(5, None, "SEGMENTO_AUSENTE")], ["00000011", "00000013"]),
        (without(2), [(3, None, "SEGMENTO_SOLTO")], ["00000012", "00000013"]),
        (lambda f: [*f[:4], f[3], *f[4:]], [(5, None, "SEGMENTO_REPETIDO")], ["00000012", "00000013"]),
        (changed(3, b"U06", b"U09"), [(3, "movimento", "SEGMENTO_DIVERGE")], ["00000012", "00000013"]),
        (changed(3, b"03112026", b"03132026"), [(4, "dia", "DATA")], ["00000012", "00000013"]),
        (changed(4, b"00000012", b"0000001X"), [(5, "contrato", "TIPO")], ["00000011", "00000013"]),
        (changed(3, b"U0600000150", b"U060000015X"), [(4, "pago", "TIPO")], ["00000012", "00000013"]),
        (lambda f: [*f[:4], f[4][:-3], *f[5:]], [(5, None, "TAMANHO")], ["00000011", "00000013"]),
        (lambda f: [*f[:6], f[6][:-3], *f[7:]], [(7, None, "TAMANHO")], ["00000011", "00000013"]),
        # a line of no known type ends the row before it, and what would go on with that row is left alone
        (
            changed(3, b"3002U", b"3002Z"),
            [(3, None, "SEGMENTO_AUSENTE"), (4, None, "REGISTRO_DESCONHECIDO")],
            ["00000012", "00000013"],
        ),
    ],
)
def test_a_row_is_refused_once_for_what_is_wrong_with_any_of_its_lines(
    edit: Edit, expected: list[tuple[int, str | None, str]], kept: list[str]
) -> None:
    reading = read(LOTS, file_of(recounted(edit(FILE))))
    assert reasons(reading) == expected
    assert reading.frame()["contrato"].to_list() == kept
    assert reading.rows_accepted + reading.rows_refused == reading.rows_read


def test_the_refused_line_is_the_one_with_the_fault_and_tells_of_the_others() -> None:
    edit = changed(3, b"U0600000150", b"U090000015X")
    (row,) = read(LOTS, file_of(recounted(edit(FILE)))).rejects.iter_rows(named=True)
    assert (row["linha"], row["registro"], row["campo"]) == (3, "t", "movimento")
    assert row["outros"] == "pago: TIPO"
    assert row["original"] == FILE[2].decode()


@pytest.mark.parametrize(
    ("edit", "code", "numbers"),
    [
        (changed(7, b"5007", b"5009"), "LOTE_DIVERGE", ("7 no lote", "9 no trailer do lote")),
        (changed(7, b"000000375", b"000000374"), "LOTE_DIVERGE", ("3.75 no lote", "3.74 no trailer do lote")),
        (changed(11, b"001000000300", b"002000000300"), "LOTE_DIVERGE", ("com especie 1 é 1", "2 no trailer do lote")),
        (changed(11, b"001000000300", b"001000000301"), "LOTE_DIVERGE", ("t.valor com especie 1 é 3.00", "3.01")),
        (changed(12, b"000002", b"000003"), "TRAILER_DIVERGE", ("lote_inicio é 2", "3 no trailer")),
        (changed(12, b"000013", b"000012"), "TRAILER_DIVERGE", ("linhas é 13", "12 no trailer")),
        (changed(3, b"3002", b"3003"), "SEQUENCIA_DIVERGE", ("é 3 na linha 4", "devia ser 2")),
        (changed(9, b"3001T", b"3004T"), "SEQUENCIA_DIVERGE", ("é 4 na linha 10", "devia ser 1")),
        (changed(9, b"3001T", b"3   T"), "SEQUENCIA_DIVERGE", ("é nada na linha 10", "devia ser 1")),
        (changed(8, b"00021B", b"00031B"), "SEQUENCIA_DIVERGE", ("número do lote é 3 na linha 9", "devia ser 2")),
        (changed(10, b"00023", b"00013"), "SEQUENCIA_DIVERGE", ("número do lote é 1 na linha 11", "devia ser 2")),
        (without(1), "LOTE_DIVERGE", ("a linha 2 não está em nenhum lote",)),
        (without(7), "LOTE_DIVERGE", ("começa na linha 2", "até a linha 8")),
        (without(11), "LOTE_DIVERGE", ("começa na linha 9",)),
        (without(1, 2, 3, 4, 5, 6), "LOTE_DIVERGE", ("não tem cabeçalho",)),
        (without(12), "TRAILER_DIVERGE", ("falta o trailer",)),
        (without(0), "CABECALHO_DIVERGE", ("falta o cabeçalho",)),
        (changed(8, b"1B  ", b"1   "), "LOTE_DIVERGE", ("cabeçalho do lote não confere", "carteira")),
        (lambda f: [*f[:8], f[8][:-2], *f[9:]], "LOTE_DIVERGE", ("não é legível", "TAMANHO")),
    ],
)
def test_a_file_that_disagrees_with_itself_is_refused_with_both_numbers(
    edit: Edit, code: str, numbers: tuple[str, ...]
) -> None:
    with pytest.raises(FileRefused) as refused:
        read(LOTS, file_of(edit(FILE)))
    assert refused.value.code == code
    for number in numbers:
        assert number in refused.value.message, refused.value.message


@pytest.mark.parametrize("size", [30, 65, 1000])
def test_refused_lines_keep_their_numbers(size: int) -> None:
    file = changed(3, b"3002U", b"3 2XU")(FILE)  # its number cannot be read, and the next one is 3
    file = changed(5, b"3004U", b"3004Z")(file)  # of no known type: it may have had number 4
    file = changed(7, b"000000375", b"000000150")(file)
    reading = read(LOTS, file_of(file), block_bytes=size)
    told = ["TIPO", "SEGMENTO_AUSENTE", "REGISTRO_DESCONHECIDO", "SEGMENTO_SOLTO"]
    assert [reason for _, _, reason in reasons(reading)] == told
    assert reading.frame()["contrato"].to_list() == ["00000013"]


NUMBERED = written(numbered("lf"), ROWS.select("contrato", "valor")).splitlines()


@pytest.mark.parametrize(
    ("edit", "numbers"),
    [
        (without(2), ("é 4 na linha 3", "devia ser 3")),
        (lambda f: [*f[:3], f[2], *f[3:]], ("é 3 na linha 4", "devia ser 4")),
        (lambda f: [f[0], f[2], f[1], *f[3:]], ("é 3 na linha 2", "devia ser 2")),
        (changed(0, b"000001", b"000002"), ("é 2 na linha 1", "devia ser 1")),
        (changed(4, b"000005", b"000006"), ("é 6 na linha 5", "devia ser 5")),
    ],
)
def test_lines_of_a_file_are_numbered_from_one_by_one(edit: Edit, numbers: tuple[str, ...]) -> None:
    for newline in ("lf", "none"):
        content = b"".join(edit(NUMBERED)) if newline == "none" else file_of(edit(NUMBERED))
        with pytest.raises(FileRefused) as refused:
            read(numbered(newline), content)
        assert refused.value.code == "SEQUENCIA_DIVERGE"
        assert all(number in refused.value.message for number in numbers), refused.value.message


def test_a_file_without_line_breaks_is_cut_by_its_length() -> None:
    content = b"".join(NUMBERED)
    assert content == written(numbered("none"), ROWS.select("contrato", "valor"))
    reading = read(numbered("none"), content)
    assert reading.frame()["contrato"].to_list() == ["00000011", "00000012", "00000013"]
    assert reading.frame()["linha"].to_list() == [2, 3, 4]


@pytest.mark.parametrize("header", [True, False])
def test_a_delimited_file_has_as_many_columns_as_each_type_needs(header: bool) -> None:
    layout = of_many_types(header=header)
    rows = ROWS.select("contrato", "valor", "agencia", pl.Series("fone", [None, "31 99", None]))
    content = written(layout, rows)
    body = b"H;528\nC;00000011;1,50;\nC;00000012;2,00;\nP;00000012;31 99\nC;00000013;3,00;\nT;3;6\n"
    assert content == (b"tipo;contrato;valor;nome\n" if header else b"") + body
    reading = read(layout, content)
    assert reading.frame().select("contrato", "fone", "agencia").rows() == [
        ("00000011", None, "528"),
        ("00000012", "31 99", "528"),
        ("00000013", None, "528"),
    ]
    with pytest.raises(FileRefused, match="linhas é 6 no arquivo e 7 no trailer"):
        read(layout, content.replace(b"T;3;6", b"T;3;7"))
    other = read(layout, content.replace(b"P;00000012", b"P;00000013"))
    assert [reason for _, _, reason in reasons(other)] == ["SEGMENTO_DIVERGE"]


def test_rows_that_say_two_things_where_the_header_says_one_are_not_written() -> None:
    rows = ROWS.with_columns(pl.Series("agencia", ["528", "528", "71"]))
    with pytest.raises(RecordError, match="row 3, field agencia"):
        written(LOTS, rows)


def test_lots_without_rows_keep_their_place() -> None:
    begun = pl.DataFrame({"lote": [1, 2, 3], "carteira": ["X", "A", "Y"]})
    rows = ROWS[:2].drop("carteira").with_columns(lote=pl.lit(2, pl.Int64))
    reading = read(LOTS, written(LOTS, rows, lots={"lote_inicio": begun}))
    assert reading.lots["lote_inicio"]["carteira"].to_list() == ["X", "A", "Y"]
    assert reading.frame().select("lote", "carteira").rows() == [(2, "A"), (2, "A")]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_the_damage_every_row_is_accepted_or_refused_once(data: st.DataObject) -> None:
    layout, lines = data.draw(st.sampled_from(DAMAGED))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(lines) - 1))
        what = data.draw(st.sampled_from(["drop", "twice", "swap", "cut", "byte"]))
        line = lines[place]
        if what == "drop":
            lines = [*lines[:place], *lines[place + 1 :]] or lines
        elif what == "twice":
            lines = [*lines[: place + 1], *lines[place:]]
        elif what == "swap":
            lines = [*lines[:place], *reversed(lines[place : place + 2]), *lines[place + 2 :]]
        elif what == "cut":
            lines = [*lines[:place], line[: data.draw(st.integers(0, len(line)))], *lines[place + 1 :]]
        else:
            at = data.draw(st.integers(0, max(0, len(line) - 1)))
            lines = [
                *lines[:place],
                line[:at] + data.draw(st.sampled_from(DAMAGE)) + line[at + 1 :],
                *lines[place + 1 :],
            ]
    if layout is LOTS and data.draw(st.booleans()):
        lines = recounted(lines) if lines[0][4:5] == b"0" and lines[1][4:5] == b"1" else lines
    whole = _read_or_code(layout, file_of(lines), 1 << 20)
    assert _read_or_code(layout, file_of(lines), data.draw(st.integers(1, 200))) == whole


DAMAGE = [b"X", b"0", b"3", b" ", b"T", b"\x01", b"9"]
DAMAGED: list[tuple[Layout, list[bytes]]] = [
    (LOTS, FILE),
    (numbered("lf"), NUMBERED),
    (of_many_types(), written(of_many_types(), ROWS.select("contrato", "agencia", fone="contrato")).splitlines()),
]


def _read_or_code(layout: Layout, content: bytes, size: int) -> object:
    layout = layout.model_copy(update={"max_rejects": 1.0})
    try:
        reading = read(layout, content, block_bytes=size)
    except FileRefused:
        return "refused"
    kept, gone = reading.frame()["linha"].to_list(), reading.rejects["linha"].to_list()
    assert len(kept) == reading.rows_accepted and len(gone) == reading.rows_refused
    assert reading.rows_accepted + reading.rows_refused == reading.rows_read
    assert len(set(kept + gone)) == reading.rows_read
    return reading.frame().rows(), reading.rejects.rows()
