"""The original lines of a file, byte for byte."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yaml_documents import DELIMITED, FIXED, write

from atom_pipeline.layout import lines
from atom_pipeline.layout.document import load_layout
from atom_pipeline.layout.lines import EvenLines, original_lines
from atom_pipeline.layout.model import Layout

DAY = date(2023, 8, 4)


def layout_with(folder: Path, newline: str = "any") -> Layout:
    text = FIXED.replace("kind: fixed", f"kind: fixed, newline: {newline}")
    return load_layout(write(folder / "exclusao.yaml", text))


def archived(folder: Path, content: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_lines_come_without_their_break_whatever_it_is(tmp_path: Path, end: bytes) -> None:
    path = archived(tmp_path, b"um\r\ndois\nS\xe3o\r\n\r\nfim" + end)
    assert original_lines(path, layout_with(tmp_path), DAY, [5, 3, 1, 4]) == {
        1: b"um",
        3: b"S\xe3o",
        4: b"",
        5: b"fim",
    }


def test_numbers_out_of_the_file_are_left_out(tmp_path: Path) -> None:
    path = archived(tmp_path, b"um\n")
    assert original_lines(path, layout_with(tmp_path), DAY, [0, -1, 1, 1, 2, 99]) == {1: b"um"}


def test_in_a_file_without_line_breaks_a_line_is_a_record(tmp_path: Path) -> None:
    path = archived(tmp_path, b"000000001\n00" + b"00000002BBBB" + b"00000003")
    assert original_lines(path, layout_with(tmp_path, "none"), DAY, [1, 2, 3, 4]) == {
        1: b"000000001\n00",
        2: b"00000002BBBB",
        3: b"00000003",
    }


def test_of_a_line_that_no_layout_has_the_beginning_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 8)
    path = archived(tmp_path, b"um\n" + b"x" * 20 + b"\n12345678\nfim")
    assert original_lines(path, layout_with(tmp_path), DAY, [1, 2, 3, 4]) == {
        1: b"um",
        2: b"x" * 8,
        3: b"12345678",
        4: b"fim",
    }


def test_of_a_workbook_a_line_is_a_row_of_the_first_sheet(tmp_path: Path) -> None:
    path = tmp_path / "refin.xlsx.v2"
    sheet = pl.DataFrame({"CONTRATO": ["00001234", "00005678"], "TAXA": ["1,66%", None], "OBS": ["a;b", "São"]})
    with path.open("wb") as target:
        sheet.write_excel(target)
    layout = load_layout(write(tmp_path / "refin.yaml", DELIMITED))
    assert original_lines(path, layout, DAY, [1, 2, 3, 4]) == {
        1: b"CONTRATO;TAXA;OBS",
        2: b'00001234;1,66%;"a;b"',
        3: "00005678;;São".encode(),
    }


def test_a_text_file_of_a_layout_that_may_be_a_workbook_is_text(tmp_path: Path) -> None:
    layout = load_layout(write(tmp_path / "refin.yaml", DELIMITED))
    assert original_lines(archived(tmp_path, b"contrato;taxa\n1;2\n"), layout, DAY, [1, 2]) == {
        1: b"contrato;taxa",
        2: b"1;2",
    }


def test_a_day_before_the_first_version_has_no_lines(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no version in force"):
        original_lines(archived(tmp_path, b""), layout_with(tmp_path), date(1999, 1, 1), [1])


@settings(max_examples=50, deadline=None)
@given(
    content=st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r")), max_size=8),
    wanted=st.sets(st.integers(1, 10)),
    end=st.sampled_from([b"\r\n", b"\n"]),
    last_is_ended=st.booleans(),
    block_bytes=st.sampled_from([1, 2, 3, 7, 16, 1 << 20]),
)
def test_every_line_that_exists_is_found_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    content: list[bytes],
    wanted: set[int],
    end: bytes,
    last_is_ended: bool,
    block_bytes: int,
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    whole = end.join(content) + (end if last_is_ended and content else b"")
    path = archived(folder, whole)
    if content and not content[-1] and not last_is_ended:
        content = content[:-1]  # nothing after a break is no line
    expected = {number: line for number, line in enumerate(content, 1) if number in wanted}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_BLOCK_BYTES", block_bytes)
        assert original_lines(path, layout_with(folder), DAY, wanted) == expected


def test_near_and_far_lines_are_found_together(tmp_path: Path) -> None:
    layout = layout_with(tmp_path)
    rows = [f"{number:06d}" + "x" * (number % 7) for number in range(1, 30_001)]
    path = archived(tmp_path, b"".join(row.encode() + (b"\r\n" if len(row) % 2 else b"\n") for row in rows))
    wanted = [1, 5_000, 5_001, 9_097, 9_098, 29_999, 30_000, 30_001, 40_000]
    found = original_lines(path, layout, DAY, wanted)
    assert found == {number: rows[number - 1].encode() for number in wanted if number <= 30_000}
    path.write_bytes(path.read_bytes().removesuffix(b"\r\n").removesuffix(b"\n"))  # the last line is not ended
    assert original_lines(path, layout, DAY, [30_000, 30_001]) == {30_000: rows[-1].encode()}


def even_rows(count: int, lengths: dict[int, int]) -> list[bytes]:
    """Lines of twelve bytes, those at the given numbers of another length."""
    return [f"{number:08d}ABCD".encode().ljust(40, b"x")[: lengths.get(number, 12)] for number in range(1, count + 1)]


@given(
    st.integers(1, 40).flatmap(
        lambda count: st.tuples(
            st.just(count),
            st.dictionaries(st.integers(1, count), st.integers(0, 30), max_size=4),
            st.frozensets(st.integers(1, count), max_size=4),
            st.lists(st.integers(0, count + 2), max_size=8),
        )
    ),
    st.sampled_from([b"\r\n", b"\n"]),
    st.booleans(),
    st.booleans(),
)
def test_lines_of_one_length_are_sought_between_those_of_another(
    tmp_path_factory: pytest.TempPathFactory,
    lines_wanted: tuple[int, dict[int, int], frozenset[int], list[int]],
    end: bytes,
    last_is_ended: bool,
    told: bool,
) -> None:
    count, lengths, also_apart, wanted = lines_wanted
    folder = tmp_path_factory.mktemp("even")
    path = archived(folder, end.join(even_rows(count, lengths)) + (end if last_is_ended else b""))
    even = EvenLines(frozenset(lengths) | also_apart if told else also_apart, count)
    layout = layout_with(folder)
    assert original_lines(path, layout, DAY, wanted, even=even) == original_lines(path, layout, DAY, wanted)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("last_is_ended", [True, False])
def test_a_file_that_is_as_reading_told_is_not_counted_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes, last_is_ended: bool
) -> None:
    rows = even_rows(30, {2: 5, 9: 31})
    path = archived(tmp_path, end.join(rows) + (end if last_is_ended else b""))
    monkeypatch.delattr(lines, "_lines")
    for apart in ({2, 9}, {2, 4, 9, 30}):
        even = EvenLines(frozenset(apart), 30)
        found = original_lines(path, layout_with(tmp_path), DAY, [1, 2, 3, 9, 10, 30], even=even)
        assert found == {number: rows[number - 1] for number in (1, 2, 3, 9, 10, 30)}


@pytest.mark.parametrize("count", [29, 30])
def test_a_file_of_another_size_than_reading_told_is_counted_through(tmp_path: Path, count: int) -> None:
    rows = even_rows(30, {5: 12 * 2 + 1})  # as long as two lines: all after it begin where a line would
    path = archived(tmp_path, b"\n".join([*rows, b""]))
    even = EvenLines(frozenset(), count)
    assert original_lines(path, layout_with(tmp_path), DAY, [4, 20], even=even) == {4: rows[3], 20: rows[19]}


def test_a_file_with_lines_that_end_otherwise_is_counted_through(tmp_path: Path) -> None:
    rows = even_rows(40, {})
    step = 14  # as many lines without a carriage return shorten the file by a whole line
    path = archived(tmp_path, b"".join(row + (b"\n" if 2 <= n < 2 + step else b"\r\n") for n, row in enumerate(rows)))
    found = original_lines(path, layout_with(tmp_path), DAY, [30], even=EvenLines(frozenset(), 40))
    assert found == {30: rows[29]}
