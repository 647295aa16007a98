"""Rows picked by a column's values: looked up or joined, the same rows in the same order."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atom_pipeline.rules import picking
from atom_pipeline.rules.picking import rows_with, rows_without

NUMBERS = st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=12)


@pytest.mark.parametrize("few", [0, 20_000])
@given(there=NUMBERS, wanted=NUMBERS)
def test_every_row_is_among_those_with_the_values_or_those_without(
    few: int, there: list[int | None], wanted: list[int | None]
) -> None:
    rows = pl.LazyFrame({"lugar": range(len(there)), "n": there}, schema={"lugar": pl.Int64, "n": pl.Int64})
    values = pl.Series("n", wanted, dtype=pl.Int64)
    among = [place for place, n in enumerate(there) if n is not None and n in wanted]
    others = [place for place in range(len(there)) if place not in among]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(picking, "FEW", few)
        assert rows_with(rows, values).collect()["lugar"].to_list() == among
        assert rows_without(rows, values).collect()["lugar"].to_list() == others
