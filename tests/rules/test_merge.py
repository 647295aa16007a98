"""Tests of atom_pipeline.rules.merge."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from atom_pipeline.errors import ProgramError
from atom_pipeline.layout.model import Merge
from atom_pipeline.rules.merge import merge_files, merge_in_order

EVENING = datetime(2026, 2, 12, 20, 0)
NIGHT = datetime(2026, 2, 13, 1, 0)


def file(name: str, stamp: datetime | None, order: int, rows: list[tuple[str, int]]) -> pl.DataFrame:
    """A file of (contrato, valor) rows on lines 1, 2, ..."""
    return pl.DataFrame(
        {
            "contrato": [contrato for contrato, _ in rows],
            "valor": [valor for _, valor in rows],
            "linha": range(1, len(rows) + 1),
        },
        schema={"contrato": pl.String, "valor": pl.Int64, "linha": pl.UInt32},
    ).with_columns(
        carimbo=pl.lit(stamp, pl.Datetime("us")), ordem=pl.lit(order, pl.Int64), arquivo=pl.lit(name, pl.String)
    )


def pairs(frame: pl.DataFrame) -> list[tuple[str, int]]:
    return frame.select("contrato", "valor").rows()


def test_the_later_stamp_wins_per_contract_whatever_arrived_first() -> None:
    late = file("b", NIGHT, 1, [("1", 20), ("2", 21)])
    early = file("a", EVENING, 2, [("1", 10), ("3", 11)])
    merged, superseded = merge_files([late, early], Merge.LATEST_PER_KEY, ["contrato"])
    assert pairs(merged) == [("3", 11), ("1", 20), ("2", 21)]
    assert superseded == 1


def test_equal_stamps_are_decided_by_arrival_and_then_by_line() -> None:
    first = file("z", EVENING, 1, [("1", 10)])
    second = file("a", EVENING, 2, [("1", 20), ("1", 21)])
    merged, superseded = merge_files([second, first], Merge.LATEST_PER_KEY, ["contrato"])
    assert pairs(merged) == [("1", 21)]
    assert superseded == 2


def test_a_file_without_a_stamp_is_older_than_one_with_a_stamp() -> None:
    merged, _ = merge_files(
        [file("b", None, 9, [("1", 99)]), file("a", EVENING, 1, [("1", 10)])], Merge.LATEST_PER_KEY, ["contrato"]
    )
    assert pairs(merged) == [("1", 10)]


def test_the_newest_file_that_has_a_contract_replaces_its_set_whole() -> None:
    early = file("a", EVENING, 1, [("1", 10), ("1", 11), ("1", 12), ("2", 13)])
    late = file("b", NIGHT, 2, [("1", 20), ("1", 20), ("3", 21)])
    merged, superseded = merge_files([early, late], Merge.REPLACE_PER_KEY, ["contrato"])
    assert pairs(merged) == [("2", 13), ("1", 20), ("1", 20), ("3", 21)]
    assert superseded == 3


def test_a_single_file_is_its_own_newest_set() -> None:
    merged, superseded = merge_files([file("a", EVENING, 1, [("1", 1), ("1", 1)])], Merge.REPLACE_PER_KEY, ["contrato"])
    assert pairs(merged) == [("1", 1), ("1", 1)]
    assert superseded == 0


def test_a_union_keeps_the_first_of_equal_rows_and_every_different_one() -> None:
    early = file("a", EVENING, 1, [("1", 10), ("2", 10)])
    late = file("b", NIGHT, 2, [("1", 10), ("1", 11), ("1", 11)])
    merged, superseded = merge_files([late, early], Merge.UNION)
    assert merged.select("contrato", "valor", "arquivo", "linha").rows() == [
        ("1", 10, "a", 1),
        ("2", 10, "a", 2),
        ("1", 11, "b", 2),
    ]
    assert superseded == 2


def test_rows_with_equal_blanks_are_one_row_in_a_union() -> None:
    blank = file("a", EVENING, 1, [("1", 1), ("1", 1)]).with_columns(valor=pl.lit(None, pl.Int64))
    assert merge_files([blank], Merge.UNION).frame.height == 1


def test_batimento_is_the_newest_file_alone() -> None:
    early = file("a", EVENING, 2, [("1", 10), ("2", 11)])
    late = file("b", NIGHT, 1, [("3", 20)])
    merged, superseded = merge_files([early, late], Merge.NEWEST_FILE)
    assert pairs(merged) == [("3", 20)]
    assert superseded == 2


def test_an_empty_file_is_the_newest_one_when_its_stamp_says_so() -> None:
    early, empty = file("a", EVENING, 1, [("1", 10)]), file("b", NIGHT, 2, [])
    stamps = [(EVENING, 1), (NIGHT, 2)]
    merged, superseded = merge_files([early, empty], Merge.NEWEST_FILE, stamps=stamps)
    assert merged.is_empty()
    assert merged.columns == early.columns
    assert superseded == 1
    merged, superseded = merge_files([early, empty], Merge.NEWEST_FILE, stamps=[(NIGHT, 2), (EVENING, 1)])
    assert pairs(merged) == [("1", 10)]
    assert superseded == 0


def test_an_empty_file_without_its_stamp_is_never_guessed_away() -> None:
    with pytest.raises(ProgramError, match="stamps"):
        merge_files([file("a", EVENING, 1, [("1", 10)]), file("b", NIGHT, 2, [])], Merge.NEWEST_FILE)


def test_append_keeps_every_row_in_order_of_arrival() -> None:
    late_stamp_first = file("b", NIGHT, 1, [("1", 20), ("1", 20)])
    then = file("a", EVENING, 2, [("1", 10)])
    merged, superseded = merge_files([then, late_stamp_first], Merge.APPEND)
    assert pairs(merged) == [("1", 20), ("1", 20), ("1", 10)]
    assert superseded == 0


def test_record_types_with_different_columns_meet_in_one_table() -> None:
    veiculo = file("a", EVENING, 1, [("1", 1)]).with_columns(placa=pl.lit("ABC1D23"))
    imovel = file("b", NIGHT, 2, [("2", 2)])
    merged, _ = merge_files([veiculo, imovel], Merge.REPLACE_PER_KEY, ["contrato"])
    assert merged["placa"].to_list() == ["ABC1D23", None]


def test_no_file_is_an_error_of_the_program() -> None:
    with pytest.raises(ProgramError, match="at least one file"):
        merge_files([], Merge.APPEND)


@pytest.mark.parametrize("policy", [Merge.LATEST_PER_KEY, Merge.REPLACE_PER_KEY])
def test_a_policy_by_key_needs_a_key(policy: Merge) -> None:
    with pytest.raises(ProgramError, match="needs a key"):
        merge_files([file("a", EVENING, 1, [])], policy)


ROWS = st.lists(st.tuples(st.sampled_from(["1", "2", "3"]), st.integers(0, 2)), max_size=5)
FILES = st.lists(st.tuples(st.sampled_from([EVENING, NIGHT]), ROWS), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(files=FILES, policy=st.sampled_from(list(Merge)), data=st.data())
def test_the_order_of_files_and_rows_given_does_not_matter(
    files: list[tuple[datetime, list[tuple[str, int]]]], policy: Merge, data: st.DataObject
) -> None:
    frames = [file(f"f{order}", stamp, order, rows) for order, (stamp, rows) in enumerate(files)]
    stamps = [(stamp, order) for order, (stamp, _) in enumerate(files)]
    places = data.draw(st.permutations(range(len(frames))))
    shuffled = [frames[place].sample(fraction=1, shuffle=True, seed=place) for place in places]
    expected = merge_files(frames, policy, ["contrato"], stamps=stamps)
    got = merge_files(shuffled, policy, ["contrato"], stamps=[stamps[place] for place in places])
    assert_frame_equal(got.frame, expected.frame)
    assert got.superseded == expected.superseded == sum(frame.height for frame in frames) - expected.frame.height


A_FILE = st.tuples(
    st.sampled_from([None, EVENING, NIGHT]),
    st.lists(st.tuples(st.sampled_from(["1", "2", "3"]), st.integers(0, 2)), max_size=5),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(A_FILE, min_size=1, max_size=4), st.permutations(range(4)), st.sampled_from(list(Merge)))
def test_files_merged_by_their_keys_alone_are_those_merged_whole(
    made: list[tuple[datetime | None, list[tuple[str, int]]]], arrivals: list[int], policy: Merge
) -> None:
    files = [file(f"f{arrivals[n]}", stamp, arrivals[n], rows) for n, (stamp, rows) in enumerate(made)]
    stamps = [(stamp, arrivals[n]) for n, (stamp, _) in enumerate(made)]
    whole = merge_files(files, policy, ["contrato"], stamps=stamps).frame
    merged = merge_in_order([one.lazy() for one in files], policy, ["contrato"], stamps=stamps)
    assert_frame_equal(merged.select(whole.columns).collect(), whole)
