"""Fixed-width files: bytes, types, refused lines, header and trailer, and what refuses a file whole."""

from __future__ import annotations

import io
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.blocks import BlockReader
from atom_pipeline.layout.characters import CharacterCheck
from atom_pipeline.layout.reading import FileReader, read_file, sniff, too_many_refused
from tests.layout.small_layouts import DAY, column, fixed, layout_of, read, reasons, values, with_ends

TEXT = {"name": "a", "width": 4}
NUMBER = {"name": "n", "width": 3, "type": "integer"}
GOOD_ENDS = b"020261123\r\n100150\r\n100250\r\n9"


def one(**facts: Any) -> Any:
    """A layout of one field ``v``."""
    return fixed({"name": "v", "width": 8} | facts, max_rejects=1)


# Lines


@pytest.mark.parametrize("content", [b"abcd\r\nefgh\r\n", b"abcd\nefgh\n", b"abcd\r\nefgh", b"abcd\nefgh\r\n\r\n\n"])
def test_line_breaks_of_either_kind_and_none_at_the_end_are_read_alike(content: bytes) -> None:
    reading = read(fixed(TEXT), content)
    assert reading.frame().select("a", "linha").rows() == [("abcd", 1), ("efgh", 2)]
    assert (reading.rows_read, reading.rows_refused) == (2, 0)


def test_a_line_of_another_length_is_refused_with_its_number_and_its_bytes() -> None:
    reading = read(fixed(TEXT), b"abcd\nabc\nabcde\n\nefgh\n")
    assert reasons(reading) == [(2, None, "TAMANHO"), (3, None, "TAMANHO"), (4, None, "TAMANHO")]
    assert reading.rejects["original"].to_list() == ["abc", "abcde", ""]
    assert reading.rejects["detalhe"][0] == "3 bytes; o registro tem 4"
    assert (reading.rows_read, reading.rows_accepted, reading.rows_refused) == (5, 2, 3)
    assert reading.refused_by_reason == {"TAMANHO": 3}


def test_a_record_is_measured_in_bytes_and_accents_stand_where_they_should() -> None:
    layout = fixed({"name": "a", "width": 4}, {"name": "b", "width": 3}, {"name": "c", "width": 2})
    content = "JOÃOçéíxy\nABC DE FG\nÁ   º  ÇÇ\n".encode("latin-1")
    assert values(read(layout, content)).rows() == [("JOÃO", "çéí", "xy"), ("ABC", "DE", "FG"), ("Á", "º", "ÇÇ")]


def test_characters_of_three_bytes_in_cp1252_move_what_follows_them() -> None:
    layout = fixed({"name": "a", "width": 3}, {"name": "b", "width": 3}, encoding="cp1252")
    assert values(read(layout, "€“x\u2019é \nabcdef\n".encode("cp1252"))).rows() == [("€“x", "\u2019é"), ("abc", "def")]


def test_utf8_fields_are_cut_by_bytes_and_never_inside_a_character() -> None:
    layout = fixed({"name": "a", "width": 3}, {"name": "b", "width": 3}, encoding="utf-8")
    reading = read(layout, "éxabc\nabécd\nabcdef\n".encode()[:6] + "\nabécd\nabcdef\n".encode())
    assert values(reading).rows() == [("éx", "abc"), ("abc", "def")]
    assert reasons(reading) == [(2, "b", "CARACTERE")]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.text("aÁ ç~", min_size=3, max_size=3), st.text("zé Ü", min_size=5, max_size=5)),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 40),
)
def test_accents_are_read_right_whatever_the_block(rows: list[tuple[str, str]], block_bytes: int) -> None:
    layout = fixed({"name": "a", "width": 3}, {"name": "b", "width": 5}, max_rejects=1)
    content = "".join(f"{a}{b}\n" for a, b in rows).encode("latin-1")
    reading = read(layout, content, block_bytes=block_bytes)
    assert values(reading).rows() == [(a.strip(" ") or None, b.strip(" ") or None) for a, b in rows]
    assert reading.frame()["linha"].to_list() == list(range(1, len(rows) + 1))


def test_a_file_without_line_breaks_is_cut_by_its_record_length() -> None:
    layout = fixed(TEXT, NUMBER, newline="none")
    assert values(read(layout, b"abcd001efgh002", block_bytes=5)).rows() == [("abcd", 1), ("efgh", 2)]
    assert reasons(read(layout, b"abcd001efgh002ij\r\n")) == [(3, None, "TAMANHO")]


def test_blocks_of_any_size_give_the_same_reading() -> None:
    content = b"\r\n".join([b"abcd001", b"toolong001", b"", b"efghx02", b"ijkl003"]) + b"\r\n\r\n"
    layout = fixed(TEXT, NUMBER)
    whole = read(layout, content)
    for block_bytes in range(1, 30):
        reading = read(layout, content, block_bytes=block_bytes)
        assert reading.frame().equals(whole.frame())
        assert reading.rejects.equals(whole.rejects)


def test_a_stream_that_cannot_go_back_is_read_as_well() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    layout = fixed(TEXT, key=["a"], unique="refuse")
    reading = read_file(layout, Pipe(b"abcd\nabcd\n"), name="x", day=DAY)
    assert reading.rejects["original"].to_list() == ["abcd"]


# Values


@pytest.mark.parametrize(
    ("facts", "text", "expected"),
    [
        ({}, " ab  cd ", "ab  cd"),
        ({}, "        ", None),
        ({"type": "integer"}, "00000042", 42),
        ({"type": "integer"}, "      42", 42),
        ({"type": "integer"}, "42      ", 42),
        ({"type": "integer"}, "        ", None),
        ({"type": "integer", "signed": "leading"}, "-0000042", -42),
        ({"type": "integer", "signed": "leading"}, "+0000042", 42),
        ({"type": "integer", "signed": "trailing"}, "0000042-", -42),
        ({"type": "integer", "signed": "trailing"}, "00000042", 42),
        ({"type": "decimal", "decimals": 2}, "00012345", Decimal("123.45")),
        ({"type": "decimal", "decimals": 2, "signed": "trailing"}, "0012345-", Decimal("-123.45")),
        ({"type": "decimal", "decimals": 2, "decimal_mark": ","}, "00123,45", Decimal("123.45")),
        ({"type": "date", "format": "AAAAMMDD"}, "20240229", date(2024, 2, 29)),
        ({"type": "date", "format": "DDMMAAAA"}, "29022024", date(2024, 2, 29)),
        ({"type": "date", "format": "AAAAMMDD"}, "00000000", None),
        ({"type": "date", "format": "AAAAMMDD"}, "        ", None),
        ({"type": "time", "format": "HHMMSS"}, "235959  ", time(23, 59, 59)),
        ({"type": "time", "format": "HHMMSS"}, "000000  ", time(0, 0)),
        ({"type": "digits"}, "00123   ", "00123"),
        ({"type": "digits", "zero_pad": 6}, "     123", "000123"),
        ({"type": "digits", "zero_pad": 6}, "00000123", "000123"),
        ({"type": "digits", "strip_zeros": True}, "00000123", "123"),
        ({"type": "digits", "strip_zeros": True}, "00000000", None),
        ({"type": "digits", "checks": ["cep"]}, "00000000", None),
    ],
)
def test_a_value_is_read_in_its_type(facts: dict[str, Any], text: str, expected: object) -> None:
    assert column(one(**facts), text.encode(), "v") == [expected]


@pytest.mark.parametrize(
    ("facts", "text", "reason"),
    [
        ({"type": "integer"}, "0000004x", "TIPO"),
        ({"type": "integer"}, "0000 042", "TIPO"),
        ({"type": "integer"}, "-0000042", "TIPO"),
        ({"type": "integer", "signed": "leading"}, "00042-  ", "TIPO"),
        ({"type": "decimal", "decimals": 2}, "00123,45", "TIPO"),
        ({"type": "decimal", "decimals": 2, "decimal_mark": ","}, "1,234   ", "TIPO"),
        ({"type": "date", "format": "AAAAMMDD"}, "20230229", "DATA"),
        ({"type": "date", "format": "AAAAMMDD"}, "2023 8 1", "DATA"),
        ({"type": "date", "format": "AAAAMMDD"}, "2023081 ", "DATA"),
        ({"type": "date", "format": "AAAAMMDD"}, "+2023081", "DATA"),
        ({"type": "time", "format": "HHMMSS"}, "246060  ", "TIPO"),
        ({"type": "digits"}, "12a     ", "TIPO"),
        ({"type": "digits", "zero_pad": 6}, "01234567", "TIPO"),
        ({"type": "digits", "zero_pad": 8}, "1,23E+11", "TIPO"),
        ({"type": "digits", "zero_pad": 8}, "12345.0 ", "TIPO"),
        ({"required": True}, "        ", "OBRIGATORIO"),
        ({"type": "date", "format": "AAAAMMDD", "required": True}, "00000000", "OBRIGATORIO"),
        ({"equals": "AB"}, "AC      ", "CONSTANTE"),
        ({"equals": "AB"}, "        ", "CONSTANTE"),
        ({"domain": {"A": "um", "B": "dois"}}, "C       ", "DOMINIO"),
        ({"type": "integer", "domain": {"1": "um"}}, "00000002", "DOMINIO"),
        ({"type": "integer", "minimum": 10}, "00000009", "FAIXA"),
        ({"type": "decimal", "decimals": 2, "maximum": "99.99"}, "00010000", "FAIXA"),
        ({"type": "date", "format": "AAAAMMDD", "minimum": date(2000, 1, 1)}, "19991231", "FAIXA"),
        ({"checks": ["uf"]}, "XX      ", "UF"),
    ],
)
def test_a_faulty_value_refuses_its_row_with_the_reason(facts: dict[str, Any], text: str, reason: str) -> None:
    layout = fixed({"name": "v", "width": 8} | facts, {"name": "w", "width": 1}, max_rejects=1)
    reading = read(layout, text.encode() + b"x")
    assert reasons(reading) == [(1, "v", reason)]
    assert reading.rejects["original"].to_list() == [text + "x"]


def test_a_fault_is_flagged_where_the_layout_says_so() -> None:
    layout = fixed(
        {"name": "n", "width": 3, "type": "integer", "type_severity": "flag"},
        {"name": "d", "width": 1, "domain": {"A": "um"}, "domain_severity": "flag"},
        {"name": "u", "width": 2, "checks": [{"rule": "uf", "severity": "flag"}]},
    )
    reading = read(layout, b"0x1BXX\n001ASP\n")
    assert values(reading).rows() == [(None, "B", "XX"), (1, "A", "SP")]
    assert reading.flags.rows() == [(1, "n", "TIPO"), (1, "d", "DOMINIO"), (1, "u", "UF")]
    assert reading.rows_refused == 0


def test_a_refused_row_tells_its_first_fault_and_the_others_and_is_not_flagged() -> None:
    layout = fixed(
        NUMBER,
        {"name": "d", "width": 1, "domain": {"A": "um"}},
        {"name": "f", "width": 1, "domain": {"A": "um"}, "domain_severity": "flag"},
        max_rejects=1,
    )
    reading = read(layout, b"0x1BB\n001AA\n")
    row = reading.rejects.row(0, named=True)
    assert (row["linha"], row["registro"], row["campo"], row["motivo"]) == (1, "linha_unica", "n", "TIPO")
    assert row["outros"] == "d: DOMINIO"
    assert reading.flags.height == 0


def test_no_message_holds_the_value_of_a_personal_field() -> None:
    layout = fixed(
        {"name": "cpf", "width": 11, "checks": ["cpf"], "personal": "document"},
        {"name": "n", "width": 5, "type": "integer"},
        max_rejects=1,
    )
    reading = read(layout, b"12345678900MARIA\n")
    told = " ".join(str(value) for value in reading.rejects.drop("original").row(0))
    assert "12345678900" not in told
    assert "MARIA" not in told
    assert "'AAAAA'" in read(layout, b"39053344705MARIA\n").rejects["detalhe"][0]


def test_the_kind_of_person_decides_what_fourteen_digits_are() -> None:
    layout = fixed(
        {"name": "pessoa", "width": 1},
        {"name": "doc", "width": 14, "type": "text", "checks": ["cpf_cnpj"], "person_type": "pessoa"},
        max_rejects=1,
    )
    content = b"F00000000000191\nJ00000000000191\nF39053344705   \nJ39053344705   \nF16727230000197\n"
    reading = read(layout, content)
    assert reading.frame()["doc"].to_list() == ["00000000191", "00000000000191", "39053344705"]
    assert reasons(reading) == [(4, "doc", "CPF_CNPJ"), (5, "doc", "CPF_CNPJ")]


# Characters


@pytest.mark.parametrize("byte", [b"\x00", b"\x07", b"\t", b"\x7f", b"\x85", b"\r"])
def test_a_control_byte_refuses_its_row_with_its_place(byte: bytes) -> None:
    reading = read(fixed(TEXT), b"abcd\na" + byte + b"cd\nefgh\n")
    assert reasons(reading) == [(2, None, "CARACTERE")]
    assert f"0x{byte[0]:02X} na posição 2 da linha (byte 7 do arquivo)" in reading.rejects["detalhe"][0]
    assert values(reading)["a"].to_list() == ["abcd", "efgh"]


def test_originals_with_control_bytes_can_stand_in_an_error_file() -> None:
    assert read(fixed(TEXT), b"a\x00\x85d\nefgh\n").rejects["original"].to_list() == [r"a\x00\x85d"]


def test_invalid_utf8_refuses_its_row_and_nothing_is_replaced() -> None:
    layout = fixed(TEXT, encoding="utf-8")
    reading = read(layout, b"ab\xff\xfe\n" + "çé\n\ufffdx\n".encode() + b"abcd\n")
    assert values(reading)["a"].to_list() == ["çé", "abcd"]
    assert reasons(reading) == [(1, None, "CARACTERE"), (3, None, "CARACTERE")]
    assert reading.rejects["original"].to_list() == [r"ab\xff\xfe", r"\ufffdx"]


def test_a_byte_that_is_not_ascii_refuses_the_row_of_an_ascii_layout() -> None:
    assert reasons(read(fixed(TEXT, encoding="ascii"), b"ab\xe7d\nabcd\n")) == [(1, None, "CARACTERE")]


def test_a_latin1_file_written_in_utf8_is_refused_with_the_first_place() -> None:
    content = b"abcde\n" + "JOÃO\nÉabc\n".encode()
    with pytest.raises(FileRefused, match="primeiro no byte 9") as refusal:
        read(fixed({"name": "a", "width": 5}), content)
    assert refusal.value.code == "CODIFICACAO"


def test_one_true_latin1_accent_is_enough_for_latin1() -> None:
    content = "abÃ§".encode("latin-1") + b"\nab\xe7d\n"
    assert read(fixed(TEXT), content).rows_accepted == 2


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"])
def test_a_byte_order_mark_refuses_a_latin1_file(mark: bytes) -> None:
    with pytest.raises(FileRefused) as refusal:
        read(fixed(TEXT), mark + b"abcd\n")
    assert refusal.value.code == "CODIFICACAO"


def test_a_byte_order_mark_of_utf8_is_no_part_of_a_utf8_file() -> None:
    assert column(fixed(TEXT, encoding="utf-8"), b"\xef\xbb\xbfabcd\n", "a") == ["abcd"]


# Whole files


def test_a_very_long_line_is_refused_without_reading_it() -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return True

        def seek(self, *_: int) -> int:
            return 0

        def read(self, size: int = -1) -> bytes:
            self.taken += size
            return b"x" * size

    source = Endless()
    with pytest.raises(FileRefused) as refusal:
        read_file(fixed(TEXT), source, name="x", day=DAY, block_bytes=4096, max_line_bytes=1000)  # type: ignore[arg-type]
    assert refusal.value.code == "LINHA_LONGA"
    assert source.taken < 1_000_000


def test_a_long_line_among_others_is_named() -> None:
    with pytest.raises(FileRefused) as refusal:
        read(fixed(TEXT), b"abcd\n" + b"x" * 2000 + b"\nabcd\n", max_line_bytes=1000)
    assert (refusal.value.code, refusal.value.line) == ("LINHA_LONGA", 2)


def test_a_file_of_blank_lines_does_not_grow_in_memory() -> None:
    with pytest.raises(FileRefused) as refusal:
        read(fixed(TEXT), b"\n" * 5000, block_bytes=100, max_line_bytes=1000)
    assert refusal.value.code == "FORA_DO_LAYOUT"


def test_every_line_of_another_length_is_another_layout() -> None:
    with pytest.raises(FileRefused, match="nenhuma das 2 linhas") as refusal:
        read(fixed(TEXT, max_rejects=1), b"abc\nabcde\n")
    assert refusal.value.code == "FORA_DO_LAYOUT"


def test_zero_bytes_are_an_empty_reading_or_a_refusal_as_the_layout_says() -> None:
    reading = read(fixed(TEXT), b"")
    assert (reading.rows_read, reading.frame().height, reading.frame().columns) == (0, 0, ["a", "linha", "registro"])
    assert reading.rejects.height == reading.flags.height == 0
    with pytest.raises(FileRefused) as refusal:
        read(fixed(TEXT, empty="refuse"), b"\r\n")
    assert refusal.value.code == "VAZIO"


@pytest.mark.parametrize(
    ("limit", "read_", "refused", "expected"),
    [
        (0, 1, 1, True),
        (0, 1000, 1, True),
        (0, 1000, 0, False),
        (0.05, 19, 18, False),
        (0.05, 19, 19, True),
        (0.05, 20, 1, False),
        (0.05, 20, 2, True),
        (0.05, 0, 0, False),
        (1, 5, 5, False),
        (1, 100, 100, False),
    ],
)
def test_too_many_refused_rows_refuse_the_file(limit: float, read_: int, refused: int, expected: bool) -> None:
    assert too_many_refused(limit, read_, refused) is expected


def test_a_file_refused_for_its_rows_carries_them() -> None:
    layout = fixed(NUMBER, max_rejects=0.05)
    with pytest.raises(FileRefused, match=r"2 de 20 linhas recusadas, limite 5\.00%: TIPO 2") as refusal:
        read(layout, b"001\n" * 18 + b"abc\n" * 2)
    assert refusal.value.code == "MUITAS_RECUSAS"
    assert refusal.value.reading.rejects.height == 2  # type: ignore[attr-defined]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=120), st.integers(1, 60))
def test_accepted_and_refused_are_always_all_that_was_read(content: bytes, block_bytes: int) -> None:
    layout = fixed({"name": "a", "width": 2}, {"name": "n", "width": 2, "type": "integer"}, max_rejects=1)
    try:
        reading = read(layout, content, block_bytes=block_bytes)
    except FileRefused as refusal:
        assert refusal.code in {"CODIFICACAO", "FORA_DO_LAYOUT"}
        return
    assert reading.rows_accepted + reading.rows_refused == reading.rows_read
    assert reading.frame().height == reading.rows_accepted
    assert sum(reading.refused_by_reason.values()) == reading.rejects.height == reading.rows_refused
    lines = content.removesuffix(b"\x1a").rstrip(b"\r\n").split(b"\n") if content.strip(b"\r\n\x1a") else []
    assert reading.rows_read <= len(lines)


# Record types, header and trailer


def test_record_types_are_told_apart_and_unknown_lines_are_refused() -> None:
    def record(name: str, kind: str, width: int) -> dict[str, Any]:
        return {
            "name": name,
            "length": width + 1,
            "match": {"field": "tipo", "equals": kind},
            "fields": [{"name": "tipo", "width": 1, "equals": kind}, {"name": "v", "width": width}],
        }

    layout = layout_of({"kind": "fixed"}, [record("um", "1", 2), record("dois", "2", 4)], max_rejects=1)
    reading = read(layout, b"1ab\n2cdef\n3xx\n1gh\n2short\n\n")
    assert reading.frames["um"].select("v", "linha", "registro").rows() == [("ab", 1, "um"), ("gh", 4, "um")]
    assert reading.frames["dois"]["v"].to_list() == ["cdef"]
    assert reasons(reading) == [(3, None, "REGISTRO_DESCONHECIDO"), (5, None, "TAMANHO")]
    assert reading.rejects["registro"].to_list() == [None, "dois"]
    assert reading.frame().height == 3


def test_header_and_trailer_that_agree_are_handed_over() -> None:
    reading = read(with_ends(), GOOD_ENDS + b"0000002\r\n")
    assert reading.header == {"tipo": "0", "dia": date(2026, 11, 23)}
    assert reading.trailer == {"tipo": "9", "total": 2}
    assert (reading.rows_read, values(reading, "d")["valor"].to_list()) == (2, [Decimal("1.50"), Decimal("2.50")])


def test_a_count_that_disagrees_refuses_the_file_with_both_numbers() -> None:
    with pytest.raises(FileRefused, match="é 2 no arquivo e 3 no trailer") as refusal:
        read(with_ends(), GOOD_ENDS + b"0000003\r\n")
    assert (refusal.value.code, refusal.value.line) == ("TRAILER_DIVERGE", 4)


def test_counts_are_of_lines_as_they_stand_refused_ones_too() -> None:
    content = b"020261123\n100150\n1abcde\n1001\n9"
    assert read(with_ends(max_rejects=1), content + b"0000003\n").rows_refused == 2
    assert read(with_ends(max_rejects=1, count=("*",)), content + b"0000005\n").rows_refused == 2


def test_a_sum_is_compared_to_the_cent() -> None:
    layout = with_ends(sum_of="d.valor", max_rejects=1)
    assert read(layout, GOOD_ENDS + b"0000400\n").rows_accepted == 2
    with pytest.raises(FileRefused, match=r"d\.valor é 4\.00 no arquivo e 4\.01 no trailer"):
        read(layout, GOOD_ENDS + b"0000401\n")


def test_a_sum_says_when_lines_could_not_be_summed() -> None:
    with pytest.raises(FileRefused, match="em 2 linhas recusadas o valor não é legível"):
        read(with_ends(sum_of="d.valor", max_rejects=1), b"020261123\n100150\n1abcde\n1001\n90000400\n")


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"100150\n90000001\n", "CABECALHO_DIVERGE", "falta o cabeçalho"),
        (b"020261123\n100150\n100250\n", "TRAILER_DIVERGE", "falta o trailer"),
        (b"020261123\n100150\n90000001\n100150\n", "TRAILER_DIVERGE", "linha 3 e o arquivo vai até a 4"),
        (b"100150\n020261123\n90000001\n", "CABECALHO_DIVERGE", "linha 2, não na primeira"),
        (b"020261123\n020261123\n90000000\n", "CABECALHO_DIVERGE", "mais de uma vez"),
        (b"020261323\n90000000\n", "CABECALHO_DIVERGE", "dia: DATA"),
        (b"02026112\n90000000\n", "CABECALHO_DIVERGE", "TAMANHO"),
        (b"020261123\n900000\n", "TRAILER_DIVERGE", "TAMANHO"),
        (b"020261123\n9       \n", "TRAILER_DIVERGE", "é 0 no arquivo e nada no trailer"),
        (b"020261123\n100150\n10", "TRAILER_DIVERGE", "falta o trailer"),
    ],
)
def test_header_and_trailer_must_stand_where_they_belong(content: bytes, code: str, message: str) -> None:
    for block_bytes in (5, 1 << 20):
        with pytest.raises(FileRefused, match=message) as refusal:
            read(with_ends(max_rejects=1), content, block_bytes=block_bytes)
        assert refusal.value.code == code


def test_a_header_and_a_trailer_alone_are_empty() -> None:
    assert read(with_ends(), b"020261123\n90000000\n").rows_read == 0
    with pytest.raises(FileRefused) as refusal:
        read(with_ends(empty="refuse"), b"020261123\n90000000\n")
    assert refusal.value.code == "VAZIO"


# Keys


KEYED = ({"name": "k", "width": 2}, {"name": "v", "width": 1})


def test_of_a_repeated_key_the_last_row_is_kept_and_the_others_are_refused() -> None:
    layout = fixed(*KEYED, key=["k"], unique="refuse", max_rejects=1)
    for block_bytes in (4, 1 << 20):
        reading = read(layout, b"aa1\nbb1\naa2\n  1\n  2\naa3\n", block_bytes=block_bytes)
        assert reading.frame().select("k", "v").rows() == [("bb", "1"), (None, "1"), (None, "2"), ("aa", "3")]
        assert reasons(reading) == [(1, "k", "CHAVE_REPETIDA"), (3, "k", "CHAVE_REPETIDA")]
        assert reading.rejects["original"].to_list() == ["aa1", "aa2"]
        assert (reading.rows_read, reading.rows_accepted) == (6, 4)


def test_a_repeated_key_may_be_flagged_or_allowed() -> None:
    flagged = read(fixed(*KEYED, key=["k"], unique="flag"), b"aa1\naa2\n")
    assert (flagged.rows_accepted, flagged.flags.rows()) == (2, [(1, "k", "CHAVE_REPETIDA")])
    assert read(fixed(*KEYED, key=["k"]), b"aa1\naa2\n").flags.height == 0


# Versions and sniffing


def two_versions() -> Any:
    old = {"since": date(2020, 1, 1), "until": date(2026, 11, 30), "format": {"kind": "fixed"}}
    new = {"since": date(2026, 11, 1), "format": {"kind": "fixed"}}
    old["records"] = [{"name": "d", "length": 4, "fields": [TEXT]}]
    new["records"] = [{"name": "d", "length": 7, "fields": [TEXT, NUMBER]}]
    return layout_of({}, [], versions=[old, new])


def test_while_two_versions_overlap_the_file_decides() -> None:
    assert read(two_versions(), b"abcd\n").frame().columns == ["a", "linha", "registro"]
    assert read(two_versions(), b"abcd001\n").frame().columns == ["a", "n", "linha", "registro"]
    with pytest.raises(FileRefused):
        read_file(two_versions(), io.BytesIO(b"abcd\n"), name="x", day=date(2026, 12, 1))


def test_sniffing_tells_layouts_apart_by_length_and_by_titles() -> None:
    from tests.layout.small_layouts import delimited

    four, seven = fixed(TEXT), fixed(TEXT, NUMBER)
    csv = delimited({"name": "x", "title": "Coluna X"}, {"name": "y"})
    candidates = [four, seven, csv]
    assert sniff(candidates, b"abcd\r\nefgh\r\n") is four
    assert sniff(candidates, b"abcd001\n") is seven
    assert sniff(candidates, b"Y;coluna x\nabcd\n") is csv
    assert sniff(candidates, b"nothing known\n") is None
    assert sniff([four, four], b"abcd\n") is None
    assert sniff([with_ends(), four], GOOD_ENDS) == with_ends()


# Bounded memory


def test_a_reader_yields_portions_and_checks_the_end_last(tmp_path: Path) -> None:
    file = tmp_path / "arquivo"
    file.write_bytes(GOOD_ENDS + b"0000009\n")
    with FileReader(with_ends(), file, name="arquivo", day=DAY, block_bytes=8) as reader:
        rows = 0
        with pytest.raises(FileRefused, match="é 2 no arquivo e 9 no trailer"):
            for portion in reader.portions():
                rows += sum(frame.height for frame in portion.frames.values())
        assert rows == 2


def test_a_block_reader_numbers_lines_and_bytes_across_blocks() -> None:
    reader = BlockReader(io.BytesIO(b"ab\r\ncd\nef"), "latin-1", name="x", block_bytes=3)
    seen = []
    while (block := reader.next_block()) is not None:
        seen += [(block.first_line + row, block.offset + int(block.starts[row])) for row in range(block.height)]
        assert not CharacterCheck("latin-1", "x").clean(block).faults
    assert seen == [(1, 0), (2, 4), (3, 7)]


def test_types_of_the_columns_are_those_of_the_schema() -> None:
    layout = fixed(
        {"name": "d", "width": 5, "type": "decimal", "decimals": 2},
        {"name": "t", "width": 14, "type": "datetime", "format": "AAAAMMDDHHMMSS"},
    )
    frame = read(layout, b"0012320240229235958\n").frame()
    assert frame.schema == {
        "d": pl.Decimal(18, 2),
        "t": pl.Datetime("us"),
        "linha": pl.UInt32(),
        "registro": pl.String(),
    }
    assert frame["t"][0] == datetime(2024, 2, 29, 23, 59, 58)
