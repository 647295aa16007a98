"""The guards: what is held, in which words, what a held step leaves, and what an operator's decision lets pass."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from daily import Base, acordos, batimento, exclusao, layouts, portfolio, remessa

from atom_pipeline.rules.fold import fold_day
from atom_pipeline.rules.guards import Guard, Verdict, judge_remessa

D0, D = date(2026, 11, 12), date(2026, 11, 13)
GUARDED = {"smallest_base": 10}


def base_of(contracts: int, **guards: float) -> Base:
    """A base of that many active contracts."""
    base = Base(guards=GUARDED | guards)
    base.day(D0, remessa=remessa(*({"contrato": str(number)} for number in range(1, contracts + 1))))
    return base


def some(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


def verdict(base: Base, guard: Guard) -> Verdict:
    assert base.last is not None
    return next(verdict for verdict in base.last.verdicts if verdict.guard is guard)


# each guard just below and just above its share

FILES = {
    Guard.BATIMENTO: lambda share: {"batimento": batimento(*some(share + 1, 10))},
    Guard.EXCLUSAO: lambda share: {"exclusao": exclusao(*some(1, share))},
    Guard.ACORDOS: lambda share: {"acordos": acordos(*({"contrato": number} for number in some(1, share)))},
}
BECOMES = {Guard.BATIMENTO: "BAIXADO", Guard.EXCLUSAO: "RETIRADO", Guard.ACORDOS: "BLOQUEIO PARCIAL"}


@pytest.mark.parametrize("guard", list(FILES))
def test_a_step_up_to_its_share_passes(guard: Guard) -> None:
    base = base_of(10)
    base.day(D, **FILES[guard](3))
    assert not verdict(base, guard).held
    assert base.tables["contratos"]["situacao"].to_list() == [BECOMES[guard]] * 3 + ["ATIVO"] * 7


@pytest.mark.parametrize("guard", list(FILES))
def test_a_step_above_its_share_is_held_and_changes_nothing(guard: Guard) -> None:
    base = base_of(10)
    before = base.tables["contratos"]
    base.day(D, **FILES[guard](4))
    found = verdict(base, guard)
    assert found.held
    assert found.numbers["contratos"] == 4
    assert found.numbers["base_aberta"] == 10
    assert found.numbers["parte"] == 0.4
    assert "4 de 10 contratos abertos (40,0 %); o limite é 30,0 %" in found.message
    assert f"decida release-{guard.value}" in found.message
    assert base.tables["contratos"].equals(before)
    assert base.tables["movimentos"].is_empty()
    assert base.tables["acordos"].is_empty()


@pytest.mark.parametrize("guard", list(FILES))
def test_an_operators_decision_lets_a_held_step_pass(guard: Guard) -> None:
    base = base_of(10)
    base.day(D, decisions=(f"release-{guard.value}",), **FILES[guard](4))
    assert verdict(base, guard).held  # the verdict stays as it was found; the decision is another record
    assert base.tables["contratos"]["situacao"].to_list() == [BECOMES[guard]] * 4 + ["ATIVO"] * 6


@pytest.mark.parametrize("guard", list(FILES))
def test_a_decision_about_another_step_does_not_help(guard: Guard) -> None:
    base = base_of(10)
    others = tuple(f"release-{other.value}" for other in Guard if other is not guard)
    base.day(D, decisions=others, **FILES[guard](4))
    assert set(base.tables["contratos"]["situacao"]) == {"ATIVO"}


@pytest.mark.parametrize("guard", list(FILES))
def test_in_a_small_base_shares_mean_nothing(guard: Guard) -> None:
    base = base_of(9)
    base.day(D, **FILES[guard](9))
    found = verdict(base, guard)
    assert not found.held
    assert found.numbers["base_aberta"] == 9
    assert base.tables["movimentos"].height == 9


def test_a_held_step_sets_no_row_aside_and_flags_none() -> None:
    base = base_of(10)
    base.portfolio = portfolio(guards=GUARDED, block={"motives_known": ["ACORDO"]})
    strange = {"contrato": "99"}
    base.day(D, acordos=acordos(*({"contrato": n, "motivo": "?"} for n in some(1, 9)), strange))
    assert base.tables["ignoradas"].is_empty()
    assert base.tables["sinalizadas"].is_empty()
    base.day(D, acordos=acordos(*({"contrato": n, "motivo": "?"} for n in some(1, 3)), strange))
    assert base.set_aside() == [("acordos", "000099", "CONTRATO_FORA_DA_BASE")]
    assert base.tables["sinalizadas"].height == 3


def test_a_held_step_does_not_hold_the_steps_after_it() -> None:
    base = base_of(10)
    base.day(D, **FILES[Guard.ACORDOS](9), exclusao=exclusao("1"))
    assert verdict(base, Guard.ACORDOS).held
    assert base.events("000001") == [("RETIRADA", "ATIVO", "RETIRADO")]


# what counts


def test_the_open_base_is_taken_before_the_step_and_after_those_before_it() -> None:
    base = base_of(12)
    base.day(D, exclusao=exclusao(*some(1, 2)), batimento=batimento(*some(6, 12)))
    found = verdict(base, Guard.BATIMENTO)
    assert (found.numbers["contratos"], found.numbers["base_aberta"]) == (3, 10)
    assert not found.held


def test_contracts_already_closed_do_not_count_as_retired() -> None:
    base = base_of(10)
    base.day(D, batimento=batimento(*some(4, 10)))
    base.day(date(2026, 11, 16), exclusao=exclusao(*some(1, 3)))
    found = verdict(base, Guard.EXCLUSAO)
    assert (found.numbers["contratos"], found.numbers["base_aberta"]) == (0, 7)
    assert base.tables["contratos"].filter(pl.col("situacao") == "RETIRADO").height == 3


def test_a_contract_blocked_again_is_not_newly_blocked() -> None:
    base = base_of(10)
    base.day(D, **FILES[Guard.ACORDOS](3))
    again = acordos(*({"contrato": number, "parcela": 2} for number in some(1, 5)))
    base.day(date(2026, 11, 16), acordos=again)
    assert verdict(base, Guard.ACORDOS).numbers["contratos"] == 2


def test_two_acordos_of_one_contract_are_one_contract() -> None:
    base = base_of(10)
    base.day(D, acordos=acordos(*({"contrato": "1", "parcela": number} for number in range(1, 8))))
    found = verdict(base, Guard.ACORDOS)
    assert (found.numbers["contratos"], found.held) == (1, False)


# batimento: empty, and of another carteira


@pytest.mark.parametrize("contracts", [1, 10])
@pytest.mark.parametrize("file", [batimento(), batimento("1", carteira="CONSIGNADO")], ids=["empty", "another's"])
def test_a_batimento_that_lists_nothing_of_ours_is_held_in_any_base(contracts: int, file: pl.DataFrame) -> None:
    base = base_of(contracts)
    base.day(D, batimento=file)
    found = verdict(base, Guard.BATIMENTO)
    assert found.held
    assert found.numbers["contratos_no_arquivo"] == 0
    assert "não traz nenhum contrato desta carteira" in found.message
    assert set(base.tables["contratos"]["situacao"]) == {"ATIVO"}


def test_an_empty_batimento_that_is_released_closes_the_base() -> None:
    base = base_of(10)
    base.day(D, batimento=batimento(), decisions=("release-batimento",))
    assert set(base.tables["contratos"]["situacao"]) == {"BAIXADO"}


# remessa: against the last ones


@pytest.mark.parametrize(
    ("previous", "rows", "held"),
    [
        ((), 1, False),  # nothing to compare with
        ((10,), 5, False),
        ((10,), 4, True),
        ((10, 10, 10, 1, 1), 4, True),  # the median: a short one does not lower the bar
        ((4, 4, 4, 4, 4, 100, 100, 100, 100, 100), 4, False),  # only the last five
        ((10,), 0, True),
    ],
)
def test_a_remessa_much_smaller_than_the_last_ones_is_held(previous: tuple[int, ...], rows: int, held: bool) -> None:
    base = base_of(10)
    found = judge_remessa(
        base.tables["contratos"],
        {"remessa": remessa(*({"contrato": number} for number in some(1, rows)))},
        previous,
        portfolio=base.portfolio,
    )
    assert found.held is held
    assert ("Retido" in found.message) is held


def test_a_remessa_counts_contracts_and_not_rows() -> None:
    base = base_of(10)
    twice = remessa({"contrato": "1"}, {"contrato": "000001"}, {"contrato": "2"})
    found = judge_remessa(base.tables["contratos"], {"remessa": twice}, (10,), portfolio=base.portfolio)
    assert found.numbers["contratos"] == 2


def test_a_held_remessa_leaves_the_base_and_the_cadastro() -> None:
    base = base_of(10)
    folded = fold_day(
        base.tables,
        {"remessa": remessa({"contrato": "1", "valor": 5}, {"contrato": "77"})},
        day=D,
        portfolio=base.portfolio,
        layouts=layouts(),
        previous_remessas=(10, 10),
    )
    assert folded.verdicts[0].held
    assert folded.tables["contratos"].equals(base.tables["contratos"])
    assert folded.tables["cadastro"].equals(base.tables["cadastro"])
    assert folded.tables["movimentos"].is_empty()


def test_numbers_of_a_thousand_and_more_are_written_as_in_brazil() -> None:
    contratos = base_of(10).tables["contratos"]
    big = pl.concat([contratos.with_columns(contrato=pl.col("contrato") + str(n)) for n in range(130)])
    rows = remessa(*({"contrato": number} for number in some(1, 1234)))
    found = judge_remessa(big, {"remessa": rows}, (5000,), portfolio=portfolio(guards=GUARDED))
    assert found.message.startswith("A remessa tem 1.234 contratos, 24,7 % da mediana das últimas 1 (5.000)")
