"""Fields that changed, whatever the order of the rows, against comparing them one by one."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atom_pipeline.rules import changes
from atom_pipeline.rules.changes import changed_fields

FIELDS = ("nome", "valor", "uf")


def frame(rows: list[tuple[str, str | None, int | None, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema={"contrato": pl.String, "nome": pl.String, "valor": pl.Int64, "uf": pl.String}, orient="row"
    ).with_columns(arquivo=pl.lit("remessa"), linha=pl.int_range(pl.len(), dtype=pl.UInt32))


def one_by_one(newer: pl.DataFrame, older: pl.DataFrame, compared: list[int]) -> list[tuple[str, str]]:
    known = {row["contrato"]: row for row in older.iter_rows(named=True)}
    found = []
    for place in sorted(compared):
        row = newer.row(place, named=True)
        before = known.get(row["contrato"], {})
        changed = [name for name in FIELDS if row[name] != before.get(name)]
        if changed:
            found.append((row["contrato"], ", ".join(changed)))
    return found


rows = st.lists(
    st.tuples(
        st.integers(0, 9).map(lambda number: f"{number:03d}"),
        st.sampled_from([None, "", "ANA", "BIA"]),
        st.sampled_from([None, 0, 1]),
        st.sampled_from([None, "SP"]),
    ),
    max_size=12,
)


@pytest.mark.parametrize("others", [0, 50_000], ids=["by columns", "apart"])
@pytest.mark.parametrize("lazy", [False, True], ids=["in memory", "as plans"])
@given(newer=rows, older=rows, without=st.sampled_from([[], ["uf"], ["nome", "valor", "uf"]]), data=st.data())
def test_rows_are_compared_whatever_their_order(
    others: int, lazy: bool, newer: list[tuple], older: list[tuple], without: list[str], data: st.DataObject
) -> None:
    before = frame(older).unique("contrato", keep="first", maintain_order=True).drop(without)
    after = frame(newer)
    first_of_each = after.with_row_index("place").unique("contrato", keep="first", maintain_order=True)["place"]
    compared = data.draw(st.lists(st.sampled_from(first_of_each.to_list() or [0]), unique=True)) if newer else []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes, "OTHERS", others)
        patch.setattr(changes, "COLUMNS_AT_A_TIME", 2)
        found = changed_fields(
            after.lazy() if lazy else after,
            before.lazy() if lazy else before,
            pl.Series("place", compared, dtype=pl.UInt32),
        )
    assert found.rows() == one_by_one(after, before, compared)


@pytest.mark.parametrize(
    "order",
    [range(1, 9), [9, *range(1, 9)], [1, 2, 9, 3, 4, 5, 6, 7, 8], [3, 4, 5, 6, 7, 8, 9, 1], [8, 7, 6, 5, 4, 3, 2, 1]],
    ids=["the same", "the last one first", "the last one between", "the first one last", "the other way round"],
)
def test_most_rows_of_a_file_in_much_the_same_order_are_compared_as_they_are_read(
    monkeypatch: pytest.MonkeyPatch, order: list[int]
) -> None:
    older = frame([(f"{number:03d}", "ANA", 0, None) for number in range(10)])
    newer = frame([(f"{number:03d}", "ANA", number % 2, None) for number in order])
    seen: list[int] = []
    real = changes._compared_in_order
    monkeypatch.setattr(changes, "_compared_in_order", lambda *args: (seen.append(args[2].height), real(*args))[1])
    everything = pl.Series(range(len(order)), dtype=pl.UInt32)
    found = changed_fields(newer.lazy(), older.lazy(), everything)
    assert found.rows() == [(f"{number:03d}", "valor") for number in order if number % 2]
    assert seen == [
        1 if list(order) == sorted(order, reverse=True) else len(list(order)) - (list(order) != sorted(order))
    ]


def test_many_changed_fields_are_counted_and_not_named() -> None:
    names = [f"campo_{place}" for place in range(changes.NAMES_SHOWN + 1)]
    older = pl.DataFrame({"contrato": ["1", "2"]}).with_columns(pl.lit("a").alias(name) for name in names)
    second = pl.col("contrato") == "2"
    newer = older.with_columns(
        pl.when(second & (pl.lit(name) != names[0])).then(name).otherwise(pl.lit("b")).alias(name) for name in names
    )
    found = changed_fields(newer, older, pl.Series([0, 1], dtype=pl.UInt32))
    assert found.rows() == [("1", f"{len(names)} campos"), ("2", names[0])]
