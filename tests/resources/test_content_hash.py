"""The hash of what a row says: of the row alone, and the same as ever, since waves sent long ago are compared by it."""

from __future__ import annotations

import hashlib
from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources import manager
from resources.manager import content_hash, rows_as_text

texts = (
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(["a\nb", "\x1f", '"'])
)
rows = st.lists(
    st.tuples(
        texts,
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.decimals(-999, 999, places=2),
        st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)),
        st.none() | st.booleans(),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.datetimes(),
        texts,
    ),
    max_size=6,
)
SCHEMA = {
    "nome": pl.String,
    "prazo": pl.Int64,
    "valor": pl.Decimal(18, 2),
    "dia": pl.Date,
    "sim": pl.Boolean,
    "parte": pl.Float64,
    "quando": pl.Datetime("us"),
    "fim": pl.String,
}


@given(rows)
def test_a_rows_text_is_its_values_as_polars_casts_them(rows: list[tuple]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    cast = frame.select(pl.all().cast(pl.String).fill_null("\x00")).rows()
    assert rows_as_text(frame) == ["\x1f".join(row).encode() for row in cast]


def test_the_hash_of_a_row_never_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "HASHED_ROWS", 2)
    frame = pl.DataFrame({
        "contrato": ["0000000101", "0000000102", "0000000103"],
        "valor": [Decimal("10.50"), None, Decimal("-0.05")],
        "dia": [date(2026, 11, 9), None, date(2024, 2, 29)],
        "prazo": [48, None, 0],
    })  # fmt: skip
    said = ["0000000101\x1f10.50\x1f2026-11-09\x1f48", "0000000102\x1f\x00\x1f\x00\x1f\x00"]
    said.append("0000000103\x1f-0.05\x1f2024-02-29\x1f0")
    assert content_hash(frame).to_list() == [hashlib.sha256(text.encode()).hexdigest()[:32] for text in said]
    assert content_hash(frame.clear()).to_list() == []
