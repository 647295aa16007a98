"""What changed between two bases and two mailings: the counts add up to the difference of the two."""

from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from atom_pipeline.why.differences import CHANGED, ENTERED, LEFT, SAME, compare, difference

SITUACOES = ("ATIVO", "BLOQUEIO PARCIAL", "RETIRADO", "BAIXADO")
BASE = {"contrato": pl.String, "situacao": pl.String, "motivo": pl.String, "valor": pl.Int64}
NOTHING = pl.DataFrame(schema={"contrato": pl.String, "movimento": pl.String})
# Columns enough that they are compared in several parts.
WIDE = {"contrato": pl.String, **{f"telefone_{n}_score": pl.Int64 for n in range(1, 11)}, "nome": pl.String}


def base(rows: list[tuple[Any, ...]]) -> pl.LazyFrame:
    return pl.DataFrame(rows, schema=BASE, orient="row").lazy()


def wide(rows: list[dict[str, Any]]) -> pl.LazyFrame:
    return pl.DataFrame(rows, schema=WIDE).lazy()


bases = st.dictionaries(
    st.sampled_from([f"{n:06d}" for n in range(12)]),
    st.tuples(st.sampled_from(SITUACOES), st.sampled_from([None, "x", "y"]), st.none() | st.integers(0, 2)),
).map(lambda rows: base([(contrato, *row) for contrato, row in rows.items()]))


@settings(max_examples=60, deadline=None)
@given(before=bases, after=bases)
def test_the_counts_add_up_to_the_difference_of_the_two_bases(before: pl.LazyFrame, after: pl.LazyFrame) -> None:
    found = difference(before, after, NOTHING, None)
    old, new = before.collect(), after.collect()
    counts = {change: found.base.count(change) for change in (ENTERED, LEFT, CHANGED, SAME)}
    assert (found.base.before, found.base.after) == (old.height, new.height)
    assert new.height - old.height == counts[ENTERED] - counts[LEFT]
    assert sum(counts.values()) == len({*old["contrato"], *new["contrato"]})
    for situacao in SITUACOES:
        here = found.situacoes["contracts"]
        gained = here.filter(found.situacoes["after"].eq_missing(situacao)).sum()
        lost = here.filter(found.situacoes["before"].eq_missing(situacao)).sum()
        assert (new["situacao"] == situacao).sum() - (old["situacao"] == situacao).sum() == gained - lost
    pairs = old.join(new, on="contrato", suffix="_new")
    for column, contracts, _ in found.base.by_column().iter_rows():
        assert pairs.filter(pl.col(column).ne_missing(pl.col(f"{column}_new"))).height == contracts
    assert found.rows.height == counts[ENTERED] + counts[LEFT] + counts[CHANGED]


def test_a_situacao_that_changed_is_counted_by_movimento_and_motivo_with_a_few_contracts() -> None:
    old = base([(f"{n}", "ATIVO", "Alta", 1) for n in range(5)])
    new = base([*((f"{n}", "BAIXADO", "Fora do batimento", 1) for n in range(4)), ("4", "ATIVO", "Alta", 1)])
    movimentos = pl.DataFrame({"contrato": ["0", "1", "2", "3"], "movimento": ["BAIXA_BATIMENTO"] * 4})
    found = difference(old, new, movimentos, None)
    assert found.situacoes.rows() == [("ATIVO", "BAIXADO", "BAIXA_BATIMENTO", "Fora do batimento", 4, "0, 1, 2")]
    assert found.rows.row(0) == (
        "contratos", "0", "changed", "ATIVO", "BAIXADO", "BAIXA_BATIMENTO", "Fora do batimento", "situacao motivo"
    )  # fmt: skip
    assert found.mailing is None and found.moves.is_empty()


def test_a_column_that_one_day_lacks_or_has_in_another_type_is_compared() -> None:
    old = pl.DataFrame({"contrato": ["1", "2"], "valor": [1, 2], "velha": ["a", None]}).lazy()
    new = pl.DataFrame({"contrato": ["2", "1"], "valor": ["2", "7"], "nova": [None, 3]}).lazy()
    assert dict(compare(old, new).by_column().select("column", "examples").iter_rows()) == {
        "valor": "1", "velha": "1", "nova": "1"
    }  # fmt: skip


def test_the_repetitions_of_a_group_are_counted_together_and_named_one_by_one() -> None:
    old = wide([{"contrato": "1"}, {"contrato": "2"}, {"contrato": "3", "nome": "A"}])
    new = wide([
        {"contrato": "1", "telefone_1_score": 5, "telefone_10_score": 6}, {"contrato": "2", "telefone_9_score": 1},
        {"contrato": "3", "nome": "B"},
    ])  # fmt: skip
    found = compare(old, new)
    assert found.by_column().rows() == [("telefone_<n>_score", 2, "1, 2"), ("nome", 1, "3")]
    assert found.names()["columns"].to_list() == ["telefone_1_score telefone_10_score", "telefone_9_score", "nome"]


def test_a_row_comes_into_the_mailing_or_leaves_it_for_a_reason() -> None:
    old = base([("1", "ATIVO", "-", 1), ("2", "ATIVO", "-", 1), ("3", "RETIRADO", "-", 1), ("4", "ATIVO", "-", 1),
                ("6", "ATIVO", "-", 1), ("7", "ATIVO", "-", 1)])  # fmt: skip
    new = base([("1", "BLOQUEIO PARCIAL", "Acordo", 1), ("2", "ATIVO", "-", 1), ("3", "ATIVO", "-", 1),
                ("4", "ATIVO", "-", 1), ("5", "ATIVO", "-", 1), ("7", "ATIVO", "-", 1)])  # fmt: skip
    mailings = (
        wide([{"contrato": contrato} for contrato in "1267"]),
        wide([{"contrato": contrato, "nome": "X" if contrato == "7" else None} for contrato in "3457"]),
    )
    found = difference(old, new, NOTHING, mailings)
    assert sorted(found.moves.select("change", "reason", "examples").rows()) == [
        ("entered", "RETIRADO before", "3"), ("entered", "it has a usable phone now", "4"),
        ("entered", "new in the base", "5"), ("left", "BLOQUEIO PARCIAL now: Acordo", "1"),
        ("left", "no longer in the base", "6"), ("left", "no usable phone now", "2"),
    ]  # fmt: skip
    sent = found.rows.filter(table="manager_mailing", change="changed")
    assert sent.select("contrato", "reason", "columns").rows() == [("7", "other content", "nome")]


def test_two_equal_days_differ_in_nothing() -> None:
    same = base([("1", "ATIVO", None, 1)])
    found = difference(same, same, NOTHING, (wide([{"contrato": "1"}]), wide([{"contrato": "1"}])))
    assert (found.base.count(SAME), found.rows.height, found.base.columns) == (1, 0, [])
    assert found.situacoes.is_empty() and found.moves.is_empty() and found.base.by_column().is_empty()
