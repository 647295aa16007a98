"""Records to files: forms, constants, totals, what does not fit, what a spreadsheet must not run, CSV records."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atom_pipeline.errors import RecordError
from atom_pipeline.layout import writing
from atom_pipeline.layout.writing import LayoutWriter, records_from_csv, records_to_csv, write_file
from tests.layout.small_layouts import DAY, delimited, fixed, layout_of, read, values, with_ends, written


def one(value: object, **facts: Any) -> bytes:
    """A value written in a field ``v`` of a fixed-width layout, without the line break."""
    layout = fixed({"name": "v", "width": 8} | facts)
    return written(layout, pl.DataFrame({"v": [value]}, strict=False)).removesuffix(b"\r\n")


@pytest.mark.parametrize(
    ("value", "facts", "expected"),
    [
        ("Ação", {}, "Ação    "),
        (None, {}, "        "),
        ("00123", {"type": "digits"}, "00123   "),
        ("123", {"type": "digits", "zero_pad": 6}, "00000123"),
        ("123", {"type": "digits", "strip_zeros": True}, "00000123"),
        (None, {"type": "digits", "zero_pad": 6}, "        "),
        (42, {"type": "integer"}, "00000042"),
        (None, {"type": "integer"}, "        "),
        (-42, {"type": "integer", "signed": "leading"}, "-0000042"),
        (42, {"type": "integer", "signed": "trailing"}, "0000042+"),
        (Decimal("123.45"), {"type": "decimal", "decimals": 2}, "00012345"),
        (Decimal("-0.05"), {"type": "decimal", "decimals": 2, "signed": "trailing"}, "0000005-"),
        (1.1, {"type": "decimal", "decimals": 2}, "00000110"),
        (Decimal("1234.5"), {"type": "decimal", "decimals": 2, "decimal_mark": ","}, "01234,50"),
        (date(2024, 2, 29), {"type": "date", "format": "DDMMAAAA"}, "29022024"),
        (None, {"type": "date", "format": "DDMMAAAA"}, "00000000"),
        (None, {"type": "date", "format": "DD/MM/AA"}, "        "),
        (time(1, 2, 3), {"type": "time", "format": "HHMMSS"}, "010203  "),
        (None, {"type": "time", "format": "HHMMSS"}, "        "),
        (None, {"equals": "AB"}, "AB      "),
        (None, {"equals": "1", "type": "integer"}, "00000001"),
    ],
)
def test_a_value_is_written_in_its_form(value: object, facts: dict[str, Any], expected: str) -> None:
    assert one(value, **facts) == expected.encode("latin-1")


@pytest.mark.parametrize(
    ("value", "facts", "told"),
    [
        ("nine char", {}, "does not fit in 8 bytes"),
        ("12x", {"type": "digits"}, "is not made of digits"),
        ("1234567", {"type": "digits", "zero_pad": 6}, "has more than 6 digits"),
        (-1, {"type": "integer"}, "is negative and the field has no sign"),
        (100_000_000, {"type": "integer"}, "does not fit"),
        (10_000_000, {"type": "integer", "signed": "leading"}, "does not fit"),
        ("x", {"type": "integer"}, "is no integer"),
        (Decimal("1.005"), {"type": "decimal", "decimals": 2}, "is no decimal"),
        ("AC", {"equals": "AB"}, "is not the constant AB"),
        ("日本", {}, "has a character that latin-1 does not know"),
        ("a\nb", {}, "holds a line break"),
        ("a\x00b", {}, "holds a line break or another control character"),
        ("a\x85b", {}, "holds a line break or another control character"),
    ],
)
def test_what_does_not_fit_is_named_by_row_and_field_and_never_shown(
    value: object, facts: dict[str, Any], told: str
) -> None:
    layout = fixed({"name": "w", "width": 1}, {"name": "v", "width": 8} | facts)
    records = pl.DataFrame({"w": ["a", "b"], "v": [None, value]}, strict=False)
    with pytest.raises(RecordError, match=f"row 2, field v.*{told}") as refusal:
        written(layout, records)
    assert str(value) not in str(refusal.value) or len(str(value)) < 3


def test_rows_are_numbered_over_all_that_was_written() -> None:
    with LayoutWriter(io.BytesIO(), fixed({"name": "v", "width": 2}), DAY) as writer:
        writer.write(pl.DataFrame({"v": ["a", "b"]}))
        with pytest.raises(RecordError, match="row 4, field v"):
            writer.write(pl.DataFrame({"v": ["c", "long"]}))


def test_columns_left_out_are_blank_or_the_default_and_unknown_ones_are_refused() -> None:
    layout = fixed(
        {"name": "a", "width": 2, "default": "XY"},
        {"name": "n", "width": 3, "type": "integer", "default": "7"},
        {"name": "b", "width": 2},
    )
    assert written(layout, pl.DataFrame({"b": ["q"]})) == b"XY007q \r\n"
    assert written(layout, pl.DataFrame({"a": [None], "b": ["q"], "linha": [9], "registro": ["z"]})) == b"  007q \r\n"
    with pytest.raises(RecordError, match="not in the layout: extra"):
        written(layout, pl.DataFrame({"extra": [1]}))


def test_line_breaks_are_the_layouts() -> None:
    records = pl.DataFrame({"v": ["a", "b"]})
    field = {"name": "v", "width": 1}
    assert written(fixed(field, newline="lf"), records) == b"a\nb\n"
    assert written(fixed(field, newline="any"), records) == b"a\r\nb\r\n"
    assert written(fixed(field, newline="none"), records) == b"ab"
    assert written(fixed(field), records.clear()) == b""


def test_utf8_widths_are_bytes() -> None:
    layout = fixed({"name": "v", "width": 5}, {"name": "w", "width": 1}, encoding="utf-8")
    assert written(layout, pl.DataFrame({"v": ["çé"], "w": ["x"]})) == "çé x\r\n".encode()
    with pytest.raises(RecordError, match="does not fit in 5 bytes"):
        written(layout, pl.DataFrame({"v": ["çéí"], "w": ["x"]}))


def test_header_and_trailer_are_written_with_their_totals() -> None:
    rows = pl.DataFrame({"valor": [Decimal("1.50"), None, Decimal("2.50")]})
    assert written(with_ends(), rows) == b"020261123\r\n100150\r\n1     \r\n100250\r\n90000003\r\n"
    assert written(with_ends(sum_of="d.valor"), rows, header={"dia": date(2026, 1, 2)}).splitlines()[0::4] == [
        b"020260102",
        b"90000400",
    ]
    assert written(with_ends(count=("*",)), rows).splitlines()[-1] == b"90000005"
    with pytest.raises(RecordError, match="not in the layout: nada"):
        written(with_ends(), rows, header={"nada": 1})


def test_a_header_may_hold_the_totals(tmp_path: Path) -> None:
    kind = {"name": "tipo", "width": 1}
    layout = layout_of(
        {"kind": "fixed", "newline": "lf"},
        [
            {
                "name": "inicio",
                "role": "header",
                "length": 4,
                "match": {"field": "tipo", "equals": "0"},
                "totals": [{"field": "linhas", "count": ["d"]}],
                "fields": [kind, {"name": "linhas", "width": 3, "type": "digits"}],
            },
            {
                "name": "d",
                "length": 2,
                "match": {"field": "tipo", "equals": "1"},
                "fields": [kind, {"name": "v", "width": 1}],
            },
        ],
    )
    target = tmp_path / "saida"
    with LayoutWriter(target, layout, DAY) as writer:
        writer.write(pl.DataFrame({"v": ["a"]}))
        writer.write(pl.DataFrame({"v": ["b", "c"]}))
    assert target.read_bytes() == b"0003\n1a\n1b\n1c\n"
    assert writer.written is not None
    assert writer.written.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    assert (writer.written.rows, writer.written.bytes) == (3, 14)
    assert read(layout, target.read_bytes()).header == {"tipo": "0", "linhas": "003"}


def two_types() -> Any:
    def record(name: str, kind: str, width: int) -> dict[str, Any]:
        match = {"field": "tipo", "equals": kind}
        return {
            "name": name,
            "length": width + 1,
            "match": match,
            "fields": [{"name": "tipo", "width": 1}, {"name": f"v{kind}", "width": width}],
        }

    return layout_of({"kind": "fixed", "newline": "lf"}, [record("um", "1", 1), record("dois", "2", 2)])


def test_several_record_types_are_written_in_the_order_of_their_rows_or_lines() -> None:
    mixed = pl.DataFrame({"registro": ["um", "dois", "um"], "v1": ["a", None, "b"], "v2": [None, "xx", None]})
    assert written(two_types(), mixed) == b"1a\n2xx\n1b\n"
    apart = {"um": pl.DataFrame({"v1": ["a", "b"]}), "dois": pl.DataFrame({"v2": ["xx"]})}
    assert written(two_types(), apart) == b"1a\n1b\n2xx\n"
    with_lines = {
        "um": apart["um"].with_columns(linha=pl.Series([1, 3])),
        "dois": apart["dois"].with_columns(linha=pl.Series([2])),
    }
    assert written(two_types(), with_lines) == b"1a\n2xx\n1b\n"


def test_a_record_type_that_is_not_said_or_not_known_is_refused() -> None:
    with pytest.raises(RecordError, match="must say which record"):
        written(two_types(), pl.DataFrame({"v1": ["a"]}))
    with pytest.raises(RecordError, match="no detail record tres"):
        written(two_types(), pl.DataFrame({"registro": ["tres"], "v1": ["a"]}))
    with pytest.raises(RecordError, match="no detail record tres"):
        written(two_types(), {"tres": pl.DataFrame({"v1": ["a"]})})


def test_raw_lines_are_written_as_they_are_and_counted() -> None:
    target = io.BytesIO()
    with LayoutWriter(target, with_ends(), DAY) as writer:
        writer.write_raw([b"1short", b"1x"], "d")
    assert target.getvalue() == b"020261123\r\n1short\r\n1x\r\n90000002\r\n"


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "saida.txt"
    with pytest.raises(RecordError):
        write_file(fixed({"name": "v", "width": 1}), pl.DataFrame({"v": ["a", "toolong"]}), target, day=DAY)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RecordError):
        write_file(with_ends(), pl.DataFrame({"valor": [1]}), target, day=DAY, trailer={"nada": 1})
    assert list(tmp_path.iterdir()) == []
    result = write_file(fixed({"name": "v", "width": 1}), pl.DataFrame({"v": ["a"]}), target, day=DAY)
    assert [path.name for path in tmp_path.iterdir()] == ["saida.txt"]
    assert result.sha256 == hashlib.sha256(b"a\r\n").hexdigest()


# Delimited


TWO = ({"name": "a", "title": "Coluna A"}, {"name": "b"})


def lines(content: bytes) -> list[str]:
    return content.decode("latin-1").splitlines()


class Full(io.BytesIO):
    """A disk that is full after some writes."""

    left = 2

    def write(self, data: Any) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "No space left on device")
        return super().write(data)


def test_a_disk_that_is_full_while_rows_are_written_fails_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_BESIDE", 1)  # all of it by the other thread
    monkeypatch.setattr(writing, "SLICE_BYTES", 64)
    layout = fixed({"name": "v", "width": 8})
    rows = pl.DataFrame({"v": [f"{number:08d}" for number in range(200)]})
    whole = io.BytesIO()
    with LayoutWriter(whole, layout, DAY) as writer:
        writer.write(rows)
    assert writer.written is not None
    assert writer.written.sha256 == hashlib.sha256(whole.getvalue()).hexdigest()
    assert whole.getvalue() == written(layout, rows)
    with pytest.raises(OSError, match="No space left"), LayoutWriter(Full(), layout, DAY) as writer:
        writer.write(rows)
    last = Full()
    last.left = 0
    with pytest.raises(OSError, match="No space left"), LayoutWriter(last, layout, DAY) as writer:
        writer.write(rows[:1])  # told when the file is ended


def test_titles_come_first_and_cells_are_quoted_where_they_must() -> None:
    records = pl.DataFrame({"a": ["x;y", 'say "hi"', "é", None], "b": ["1", None, "", "'"]})
    assert lines(written(delimited(*TWO), records)) == ["Coluna A;b", '"x;y";1', '"say ""hi""";', "é;", ";'"]


def test_an_empty_row_of_one_column_is_a_row() -> None:
    layout = delimited({"name": "a"})
    content = written(layout, pl.DataFrame({"a": ["x", None]}))
    assert content == b'a\r\nx\r\n""\r\n'
    assert values(read(layout, content))["a"].to_list() == ["x", None]


def test_numbers_and_dates_have_their_marks() -> None:
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
        {"name": "n", "type": "integer", "thousands_mark": "."},
        {"name": "d", "type": "datetime", "format": "DD/MM/AAAA HH:MM"},
    )
    records = pl.DataFrame(
        {
            "v": [Decimal("23814.80"), Decimal("-1234567.05"), Decimal("0.50")],
            "t": [Decimal("1.66"), Decimal("10"), None],
            "n": [1000, 999, 1234567],
            "d": [datetime(2026, 11, 23, 14, 5), None, None],
        }
    )
    assert lines(written(layout, records))[1:] == [
        "23.814,80;1,66%;1.000;23/11/2026 14:05",
        "-1.234.567,05;10,00%;999;",
        "0,50;;1.234.567;",
    ]


def test_a_number_that_holds_the_delimiter_is_quoted() -> None:
    layout = delimited(
        {"name": "v", "type": "decimal", "decimals": 1, "decimal_mark": ","}, {"name": "w"}, delimiter=","
    )
    content = written(layout, pl.DataFrame({"v": [Decimal("1.5")], "w": ["x"]}))
    assert lines(content)[1] == '"1,5",x'
    assert values(read(layout, content)).rows() == [(Decimal("1.5"), "x")]


RISKY = ["=1+1", "+SUM(A1)", "-2+3", "@cmd", "'=1", "+5511987654321", "a=b", "-"]


def test_what_a_spreadsheet_would_run_is_made_harmless_and_comes_back() -> None:
    layout = delimited({"name": "a"}, {"name": "n", "type": "integer", "signed": "leading"})
    records = pl.DataFrame({"a": RISKY, "n": [-1] * len(RISKY)})
    content = written(layout, records)
    assert [line.split(";")[0] for line in lines(content)[1:]] == [
        "'=1+1",
        "'+SUM(A1)",
        "'-2+3",
        "'@cmd",
        "''=1",
        "+5511987654321",
        "a=b",
        "'-",
    ]
    assert lines(content)[1].endswith(";-1")
    assert values(read(layout, content))["a"].to_list() == RISKY


def test_a_layout_may_refuse_or_keep_formulas() -> None:
    records = pl.DataFrame({"a": ["=1+1"], "b": ["x"]})
    assert lines(written(delimited(*TWO, formulas="keep"), records))[1] == "=1+1;x"
    with pytest.raises(RecordError, match="field a has a value that a spreadsheet would run"):
        written(delimited(*TWO, formulas="refuse"), records)


def test_a_line_break_inside_a_cell_is_refused() -> None:
    for value in ("a\nb", "a\rb", "a\tb"):
        with pytest.raises(RecordError, match="row 1, field b"):
            written(delimited(*TWO, encoding="utf-8"), pl.DataFrame({"a": ["é"], "b": [value]}))


def test_a_cell_longer_than_its_field_is_refused() -> None:
    with pytest.raises(RecordError, match="row 1, field a: the value has more than 2 characters"):
        written(delimited({"name": "a", "width": 2}, {"name": "b"}), pl.DataFrame({"a": ["abc"]}))


# Memory


def test_memory_does_not_grow_with_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("atom_pipeline.layout.writing.SLICE_BYTES", 64 * 1024)
    layout = fixed({"name": "v", "width": 1000})
    frame = pl.DataFrame({"v": ["x"] * 2000})
    with LayoutWriter(tmp_path / "grande", layout, DAY) as writer:
        writer.write(frame)
        tracemalloc.start()
        for _ in range(5):
            writer.write(frame)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (tmp_path / "grande").stat().st_size == 6 * 2000 * 1002
    assert peak < 1024 * 1024  # of 10 MB written


# CSV records


def test_csv_records_have_iso_dates_points_and_a_record_column_only_where_needed() -> None:
    layout = fixed(
        {"name": "v", "width": 9, "type": "decimal", "decimals": 2},
        {"name": "d", "width": 8, "type": "date", "format": "DDMMAAAA"},
        {"name": "t", "width": 14, "type": "datetime", "format": "DDMMAAAAHHMMSS"},
        {"name": "a", "width": 5},
    )
    content = b'000012345290220242902202401020 3a,"b \r\n'.replace(b"20 3", b"203")
    reading = read(layout, content)
    out = io.BytesIO()
    assert records_to_csv(layout, reading, out, day=DAY) == 1
    assert out.getvalue().decode() == 'v,d,t,a\n123.45,2024-02-29,2024-02-29T01:02:03,"a,""b"\n'
    out.seek(0)
    assert written(layout, records_from_csv(layout, out, day=DAY)) == content


def test_csv_records_of_several_types_keep_their_order_and_their_ends() -> None:
    content = b"020260102\r\n100150\r\n1     \r\n90000002\r\n"
    out = io.BytesIO()
    records_to_csv(with_ends(), read(with_ends(), content), out, day=DAY)
    assert out.getvalue().decode().splitlines() == [
        "record,tipo,dia,valor,total",
        "inicio,0,2026-01-02,,",
        "d,1,,1.50,",
        "d,1,,,",
        "fim,9,,,2",
    ]
    out.seek(0)
    assert written(with_ends(), records_from_csv(with_ends(), out, day=DAY)) == content


def test_csv_records_may_leave_columns_out_and_come_from_a_path(tmp_path: Path) -> None:
    source = tmp_path / "registros.csv"
    source.write_text("record,v2,v1\num,,a\ndois,xx,\num,,b\n", encoding="utf-8")
    assert written(two_types(), records_from_csv(two_types(), source, day=DAY)) == b"1a\n2xx\n1b\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("n,d,z\n1,2024-02-29,x\n", "not in the layout: z"),
        ("n,d\nx,2024-02-29\n", "row 1, field n: an integer is expected"),
        ("n,d\n1,2024-02-29\n2,29/02/2024\n", "row 2, field d: an ISO date"),
        ("n,d,v\n1,,1.005\n", "row 1, field v: a decimal with 2 places"),
        ("record,n\nnada,1\n", "row 1, field record: one of linha_unica"),
        ("", "the CSV is empty"),
    ],
)
def test_csv_records_that_do_not_fit_are_named_by_row_and_field(text: str, told: str) -> None:
    layout = delimited(
        {"name": "n", "type": "integer"},
        {"name": "d", "type": "date", "format": "DD/MM/AAAA"},
        {"name": "v", "type": "decimal", "decimals": 2},
    )
    with pytest.raises(RecordError, match=told):
        records_from_csv(layout, io.BytesIO(text.encode()), day=DAY)


def test_csv_records_of_several_types_must_say_which() -> None:
    with pytest.raises(RecordError, match="a column `record` must say"):
        records_from_csv(two_types(), io.BytesIO(b"v1\na\n"), day=DAY)
