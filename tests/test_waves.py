from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from atom_pipeline.errors import ProgramError
from atom_pipeline.waves import (
    DESIRED,
    HELD,
    SentWave,
    difference,
    fold,
    full_rows,
    incremental_rows,
    removal_rows,
    spoken_of,
)

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def desired(**contents: str) -> pl.DataFrame:
    """contrato=conteudo"""
    return pl.DataFrame(
        {"contrato": list(contents), "id_crm": [f"crm-{c}" for c in contents], "conteudo": list(contents.values())},
        schema=DESIRED,
    )


def state_of(frame: pl.DataFrame) -> dict[str, str]:
    return dict(frame.select("contrato", "conteudo").iter_rows())


def sent(number: int, rows: pl.DataFrame, *, day: date = MONDAY, resets: bool = False) -> SentWave:
    return SentWave(day, number, resets, rows)


NOTHING = HELD.to_frame()


def test_manager_has_nothing_before_the_first_wave() -> None:
    assert_frame_equal(fold([]), NOTHING)


def test_the_difference_says_what_is_new_what_changed_and_what_goes() -> None:
    held = fold([sent(1, full_rows(desired(a="1", b="1", c="1"), NOTHING), resets=True)])
    found = difference(desired(b="1", c="2", d="1"), held)
    assert state_of(found.additions) == {"d": "1"}
    assert state_of(found.changes) == {"c": "2"}
    assert state_of(found.removals) == {"a": "1"}
    same = difference(desired(a="1", b="1", c="1"), held)
    assert [part.height for part in (same.additions, same.changes, same.removals)] == [0, 0, 0]


def test_a_contract_never_sent_gets_no_baixa() -> None:
    assert removal_rows(desired(), NOTHING).is_empty()


def test_a_carga_holds_all_and_takes_away_the_rest() -> None:
    held = fold([sent(1, full_rows(desired(a="1", b="1"), NOTHING), resets=True)])
    rows = full_rows(desired(b="1", c="1"), held)
    assert dict(rows.select("contrato", "operacao").iter_rows()) == {"a": "BAIXA", "b": "CARGA", "c": "CARGA"}


def test_a_baixa_that_is_held_stays_at_manager_through_every_kind_of_wave() -> None:
    held = fold([sent(1, full_rows(desired(a="1", b="1", c="1"), NOTHING), resets=True)])
    removal = removal_rows(desired(), held, kept=["a", "b"])
    assert removal["contrato"].to_list() == ["c"]
    carga = full_rows(desired(d="1"), held, kept=["a", "b"])
    assert dict(carga.select("contrato", "operacao").iter_rows()) == {
        "a": "MANTIDO", "b": "MANTIDO", "c": "BAIXA", "d": "CARGA"
    }  # fmt: skip
    assert spoken_of(carga)["contrato"].to_list() == ["c", "d"]
    after = fold([sent(1, removal, resets=False), sent(1, carga, day=TUESDAY, resets=True)])
    assert state_of(after) == {"a": "1", "b": "1", "d": "1"}
    # The next carga may have it again, as it was or otherwise, or take it away.
    again = fold([sent(1, carga, resets=True), sent(2, incremental_rows(desired(a="2", d="1"), after, kept=["b"]))])
    assert state_of(again) == {"a": "2", "b": "1", "d": "1"}
    assert removal_rows(desired(a="2", d="1"), again)["contrato"].to_list() == ["b"]


def test_what_is_desired_is_never_kept_as_it_was() -> None:
    held = fold([sent(1, full_rows(desired(a="1"), NOTHING), resets=True)])
    assert full_rows(desired(a="2"), held, kept=["a"])["operacao"].to_list() == ["CARGA"]


def test_a_carga_is_all_that_manager_has_from_then_on() -> None:
    before = sent(1, full_rows(desired(a="1", b="1"), NOTHING), resets=True)
    carga = sent(1, full_rows(desired(b="2"), NOTHING), day=TUESDAY, resets=True)
    assert fold([before, carga]).rows() == [("b", "crm-b", "2", 1, TUESDAY)]


def test_a_row_keeps_the_wave_that_last_said_it() -> None:
    waves = [sent(1, full_rows(desired(a="1", b="1"), NOTHING), resets=True)]
    waves.append(sent(2, incremental_rows(desired(a="1", b="2"), fold(waves))))
    assert fold(waves).select("contrato", "onda").rows() == [("a", 1), ("b", 2)]


def test_a_contract_that_returns_after_a_baixa_is_an_addition() -> None:
    waves = [sent(1, full_rows(desired(a="1"), NOTHING), resets=True)]
    waves.append(sent(2, removal_rows(desired(), fold(waves))))
    assert fold(waves).is_empty()
    rows = incremental_rows(desired(a="1"), fold(waves))
    assert rows.select("contrato", "operacao").rows() == [("a", "INCLUSAO")]


def test_a_contract_that_stands_twice_is_a_defect() -> None:
    twice = pl.concat([desired(a="1"), desired(a="2")])
    with pytest.raises(ProgramError, match="desired: a contract stands twice"):
        difference(twice, NOTHING)
    with pytest.raises(ProgramError, match="wave 2026-11-23/01"):
        fold([sent(1, twice.with_columns(operacao=pl.lit("CARGA")))])


def test_a_row_without_content_or_a_missing_column_is_a_defect() -> None:
    with pytest.raises(ProgramError, match="without contrato or conteudo"):
        difference(desired(a="1").with_columns(conteudo=pl.lit(None, pl.String)), NOTHING)
    with pytest.raises(ProgramError, match="no column conteudo"):
        difference(desired(a="1").drop("conteudo"), NOTHING)


contents = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("123"), max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(contents, st.sampled_from(["carga", "incremental", "baixa"])), max_size=6))
def test_after_a_wave_manager_has_what_it_should(steps: list[tuple[dict[str, str], str]]) -> None:
    waves: list[SentWave] = []
    for number, (wanted, kind) in enumerate(steps, start=1):
        before = fold(waves)
        rows = {"carga": full_rows, "incremental": incremental_rows, "baixa": removal_rows}[kind](
            desired(**wanted), before
        )
        waves.append(sent(number, rows, resets=kind == "carga"))
        expected = wanted if kind != "baixa" else {c: v for c, v in state_of(before).items() if c in wanted}
        assert state_of(fold(waves)) == expected
        assert_frame_equal(rows, rows.sort("contrato"))
        # What was sent before the last carga changes nothing.
        last_reset = max((place for place, wave in enumerate(waves) if wave.resets), default=0)
        assert_frame_equal(fold(waves[last_reset:]), fold(waves))
