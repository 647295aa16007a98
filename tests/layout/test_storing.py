"""Files straight to Parquet: the same rows, refusals and counts as in memory, and the same bytes each time."""

from __future__ import annotations

import gc
import io
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.compiled import arrow
from atom_pipeline.layout.model import Layout
from atom_pipeline.layout.outcome import Findings, ReadPortion
from atom_pipeline.layout.repeated import lines_replaced
from atom_pipeline.layout.schema import polars_schema
from atom_pipeline.layout.storing import read_to_parquet, spool_file
from tests.layout.small_layouts import DAY, delimited, fixed, layout_of, read, with_ends
from tests.layout.test_composed_files import FILE, LOTS, file_of, recounted
from tests.layout.test_composition import BOTH, OLD_FILE

KINDS = layout_of(
    {"kind": "fixed"},
    [
        {
            "name": f"tipo_{kind}",
            "length": 8,
            "match": {"field": "tipo", "equals": kind},
            "fields": [
                {"name": "tipo", "width": 1},
                {"name": "a", "width": 3},
                {"name": f"n{kind}", "width": 4, "type": "integer"},
            ],
        }
        for kind in "12"
    ],
    max_rejects=1,
    key=["a"],
    unique="refuse",
)


def stored(layout: Layout, content: bytes, folder: Path, quick: bool = True) -> pl.DataFrame:
    """The rows in Parquet, after what else came of it was compared with a reading in memory."""
    outcome = read_to_parquet(layout, io.BytesIO(content), folder / "x.parquet", name="arquivo", day=DAY, quick=quick)
    reading = read(layout, content)
    assert outcome.rejects.equals(reading.rejects)
    assert outcome.flags.equals(reading.flags)
    assert (outcome.header, outcome.trailer) == (reading.header, reading.trailer)
    assert (outcome.rows_read, outcome.rows_accepted, outcome.rows_refused, outcome.refused_by_reason) == (
        reading.rows_read, reading.rows_accepted, reading.rows_refused, reading.refused_by_reason
    )  # fmt: skip
    frame = pl.read_parquet(folder / "x.parquet")
    assert frame.columns[-2:] == ["linha", "registro"]
    assert frame.select(reading.frame().columns).sort("linha").equals(reading.frame().sort("linha"))
    assert [path.name for path in folder.iterdir()] == ["x.parquet"]
    return frame


def test_a_file_on_its_way_to_a_table_has_the_tables_columns_and_what_was_added(tmp_path: Path) -> None:
    content = b"\n".join([b"1abc0001", b"2abd0002", b"1abex003", b"2abf0004", b"1abc0005", b"3zzz0000"])
    parquet = stored(KINDS, content, tmp_path)
    added = [pl.lit("arquivo").alias("arquivo"), pl.lit(7).alias("ordem")]
    shape = {"nova": pl.String(), **parquet.drop("tipo").schema, "arquivo": pl.String(), "ordem": pl.Int64()}
    target = tmp_path / "y.parquet"
    outcome = spool_file(KINDS, io.BytesIO(content), target, name="arquivo", day=DAY, added=added, shape=shape)
    wanted = parquet.with_columns(*added, pl.lit(None, pl.String).alias("nova"))
    assert pl.read_parquet(target).equals(wanted.select(list(shape)).cast({"ordem": pl.Int64}))
    assert (outcome.rows_read, outcome.rows_accepted, outcome.rows_refused) == (6, 3, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.parquet", "y.parquet"]


@pytest.mark.parametrize("quick", [True, False])
def test_record_types_stand_in_one_table_in_the_order_of_the_lines(tmp_path: Path, quick: bool) -> None:
    lines = [b"1abc0001", b"2abd0002", b"1abex003", b"2abf0004", b"1abc0005", b"3zzz0000"]
    frame = stored(KINDS, b"\n".join(lines), tmp_path, quick)
    assert frame.select("linha", "registro", "n1", "n2").rows() == [
        (2, "tipo_2", None, 2), (4, "tipo_2", None, 4), (5, "tipo_1", 5, None)
    ]  # fmt: skip


def test_header_trailer_and_delimited_files_are_stored_as_well(tmp_path: Path) -> None:
    assert stored(with_ends(), b"020261123\r\n100150\r\n100250\r\n90000002", tmp_path).height == 2
    layout = delimited({"name": "a"}, {"name": "n", "type": "integer"}, max_rejects=0.9)
    assert stored(layout, b"a;n\nx;1\ny;z\n", tmp_path).rows() == [("x", 1, 2, "linha_unica")]


def test_a_file_without_an_accepted_row_gives_an_empty_table_of_the_layouts_columns(tmp_path: Path) -> None:
    layout = fixed({"name": "n", "width": 3, "type": "integer"}, max_rejects=1)
    assert stored(layout, b"abc\n", tmp_path).height == 0
    assert stored(layout.model_copy(update={"empty": "accept"}), b"", tmp_path).columns == ["n", "linha", "registro"]


@pytest.mark.parametrize("content", [b"020261123\r\n100150\r\n90000007", b"100x50\r\n1\r\n", b""])
def test_a_refused_file_leaves_nothing_and_is_told_as_in_memory(tmp_path: Path, content: bytes) -> None:
    layout = with_ends(empty="refuse")
    target = tmp_path / "x.parquet"
    with pytest.raises(FileRefused) as in_memory:
        read(layout, content)
    with pytest.raises(FileRefused) as refusal:
        read_to_parquet(layout, io.BytesIO(content), target, name="arquivo", day=DAY)
    assert str(refusal.value) == str(in_memory.value)
    assert refusal.value.code == in_memory.value.code
    assert list(tmp_path.iterdir()) == []


def test_too_many_refused_rows_carry_what_was_refused(tmp_path: Path) -> None:
    layout = fixed({"name": "n", "width": 3, "type": "integer"}, max_rejects=0)
    with pytest.raises(FileRefused, match="MUITAS_RECUSAS") as refusal:
        read_to_parquet(layout, io.BytesIO(b"001\nabc\n"), tmp_path / "x", name="arquivo", day=DAY)
    assert refusal.value.reading.rejects["original"].to_list() == ["abc"]  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []


def test_equal_files_give_equal_bytes_whatever_reads_them(tmp_path: Path) -> None:
    layout = fixed({"name": "a", "width": 20}, {"name": "n", "width": 6, "type": "integer"})
    content = b"".join(b"%-20s%06d\n" % (b"nome %d" % (i % 97), i) for i in range(20_000))
    found = []
    for place, quick in enumerate((True, True, False)):
        target = tmp_path / str(place)
        read_to_parquet(layout, io.BytesIO(content), target, name="arquivo", day=DAY, quick=quick)
        found.append(target.read_bytes())
    assert found[0] == found[1] == found[2]


def test_the_keys_of_a_file_do_not_keep_its_rows_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[int] = []
    noted = Findings.add

    def noting(self: Findings, portion: ReadPortion) -> None:
        gc.collect()
        alive.append(len(arrow._kept))  # blocks whose memory somebody looks at
        noted(self, portion)

    monkeypatch.setattr(Findings, "add", noting)
    monkeypatch.setattr("atom_pipeline.layout.reading.QUICK_BLOCK_BYTES", 40_000)
    monkeypatch.setattr("atom_pipeline.layout.storing.GROUP_ROWS", (1_000, 1_000))
    layout = fixed({"name": "a", "width": 7}, {"name": "b", "width": 32}, key=["a"], unique="flag")
    content = b"".join(b"%07d%-32d\n" % (number, number) for number in range(60_000))
    read_to_parquet(layout, io.BytesIO(content), tmp_path / "x.parquet", name="x", day=DAY, quick=True)
    assert len(alive) == 60
    assert max(alive) < 30, alive


def test_rows_of_several_lines_are_stored_too(tmp_path: Path) -> None:
    for quick in (True, False):
        folder = tmp_path / str(quick)
        folder.mkdir()
        frame = stored(LOTS, file_of(recounted(FILE[:5] + FILE[6:])), folder, quick)
        assert frame.select("linha", "contrato", "agencia", "carteira").rows() == [
            (3, "00000011", "528", "A"),
            (9, "00000013", "528", "B"),
        ]


def test_a_file_of_the_older_version_is_stored_by_it(tmp_path: Path) -> None:
    day = date(2026, 11, 15)
    outcome = read_to_parquet(BOTH, io.BytesIO(OLD_FILE), tmp_path / "x.parquet", name="x", day=day)
    assert outcome.version.since == date(2026, 1, 1)
    assert pl.read_parquet(tmp_path / "x.parquet")["codigo"].to_list() == ["A001", "A002"]


LATEST = fixed(
    {"name": "k", "width": 3},
    {"name": "a", "width": 2},
    {"name": "n", "width": 4, "type": "integer"},
    key=["k", "a"], unique="flag", merge="latest_per_key", max_rejects=1,
)  # fmt: skip


def spooled(content: bytes, folder: Path) -> tuple[pl.DataFrame, int]:
    """The rows on their way to a table and how many were accepted."""
    source = folder / "arquivo"
    source.write_bytes(content)
    shape = polars_schema(LATEST, LATEST.versions[0])
    outcome = spool_file(LATEST, source, folder / "y.parquet", name="arquivo", day=DAY, shape=shape)
    reading = read(LATEST, content)
    assert (outcome.rows_accepted, outcome.refused_by_reason) == (reading.rows_accepted, reading.refused_by_reason)
    assert outcome.flags.equals(reading.flags)
    return pl.read_parquet(folder / "y.parquet"), outcome.rows_accepted


def test_a_row_that_a_later_one_replaces_is_not_stored_and_counts_as_accepted(tmp_path: Path) -> None:
    content = b"abcxx0001\r\nabdxx0002\r\nabcxx0003\r\nabcxy0004"
    rows, accepted = spooled(content, tmp_path)
    assert (rows["n"].to_list(), accepted) == ([2, 3, 4], 4)


def test_a_row_stays_where_the_one_that_would_replace_it_was_refused(tmp_path: Path) -> None:
    rows, accepted = spooled(b"abcxx0001\nabdxx0002\nabcxx00x3\n", tmp_path)
    assert (rows["n"].to_list(), accepted) == ([1, 2], 2)


@pytest.mark.parametrize("read_bytes", [1, 25, 60, 1 << 20])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_replaced_lines_are_told_by_their_numbers_past_lines_of_another_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_bytes: int, end: bytes
) -> None:
    monkeypatch.setattr("atom_pipeline.layout.repeated._READ_BYTES", read_bytes)
    lines = [b"zzzx 0001", b"a  x 0001", b"short", b"b  x 0001", b"a  x 0002", b"far too long", b"", b"b  x 0002"]
    source = tmp_path / "arquivo"
    source.write_bytes(b"".join(line + end for line in lines))
    assert lines_replaced(source, LATEST, LATEST.versions[0]).to_list() == [2, 4]


LINES = st.tuples(st.sampled_from("abc "), st.sampled_from("xy"), st.sampled_from("12x")).map(
    lambda parts: f"{parts[0]:<3}{parts[1]:<2}000{parts[2]}".encode()
)
OF_ANOTHER_LENGTH = st.sampled_from([b"a", b"abcx", b"a  x 0001x", b"a  x 0001\na  x "])


@given(st.lists(st.one_of(LINES, LINES, OF_ANOTHER_LENGTH), max_size=10), st.sampled_from([1, 25, 60, 1 << 20]))
def test_of_every_key_the_last_accepted_row_is_stored(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], read_bytes: int
) -> None:
    content = b"".join(line + b"\n" for line in [b"zzzx 0001", *lines])  # one line at least is of the layout
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atom_pipeline.layout.repeated._READ_BYTES", read_bytes)
        rows, _ = spooled(content, tmp_path_factory.mktemp("arquivos"))
    whole = read(LATEST, content).frame()
    last = whole.unique(["k", "a"], keep="last", maintain_order=True)
    assert rows.unique(["k", "a"], keep="last", maintain_order=True).equals(last)
