"""What is worth a look: each rule by the smallest day that wakes it, and by one that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reported_days import MORNING, REMESSA, before, hard, quiet, totals

from atom_pipeline.day import Expected, Status
from atom_pipeline.portfolio import Report
from atom_pipeline.report.facts import Facts, GuardOfDay, WaveOfDay
from atom_pipeline.report.findings import findings


def rules(facts: Facts, **limits: object) -> list[str]:
    return [one.rule for one in findings(facts, Report.model_validate(limits))]


def only_file(facts: Facts, **values: object) -> Facts:
    return replace(facts, files=(replace(facts.files[0], **values),))  # type: ignore[arg-type]


def guard(share: float, limit: float = 0.3, *, held: bool = False, released: bool = False, name: str = "batimento"):  # type: ignore[no-untyped-def]
    return quiet(guards=(GuardOfDay(name, held, released, "", share, limit),))


def wave(kind: str = "carga", status: str = "sent", note: str = "") -> tuple[WaveOfDay, ...]:
    return (WaveOfDay("2026-11-19/01", kind, status, 980, MORNING, note),)


def test_a_usual_day_has_nothing() -> None:
    assert rules(quiet()) == []


CASES: dict[str, tuple[str, Callable[[], Facts]]] = {
    "a held step": ("etapa-retida", lambda: guard(0.4, held=True)),
    "a refused file": ("arquivo-recusado", lambda: only_file(quiet(), status="RECUSADO", refusal="cortado")),
    "a late file": (
        "arquivo-atrasado",
        lambda: quiet(expected=(Expected("acordos", ("a",), Status.LATE, MORNING, True, ()),)),
    ),
    "a wave on its way": ("onda-nao-entregue", lambda: quiet(waves=(*wave(), *wave("incremental", "planned")))),
    "a carga that lacks something": ("carga-incompleta", lambda: quiet(waves=wave(note="enviada sem: acordos"))),
    "no carga": ("carga-nao-enviada", lambda: quiet(waves=(), not_sent=("batimento: retido",))),
    "a batimento near its limit": ("perto-do-limite", lambda: guard(0.25)),
    "a remessa near its minimum": ("perto-do-limite", lambda: guard(0.6, 0.5, name="remessa")),
    "a released step": ("guarda-liberada", lambda: guard(0.4, held=True, released=True)),
    "a jump in rejects": (
        "salto-de-recusas",
        lambda: only_file(quiet(), refused=30, reasons={"CPF_CNPJ": 30}),
    ),
    "a reason that is new": ("layout-mudando", lambda: only_file(quiet(), flags={"DOMINIO (produto)": 8})),
    "flags that became many": (
        "sinalizados-em-alta",
        lambda: only_file(
            quiet(layouts_before={REMESSA: before(5, flags={"DDD (telefone_1_ddd)": 3})}),
            flags={"DDD (telefone_1_ddd)": 40},
        ),
    ),
    "an acordo of unknown motive": (
        "motivo-de-acordo-desconhecido",
        lambda: only_file(quiet(), flags={"MOTIVO_DESCONHECIDO (motivo)": 1}),
    ),
    "rows of contracts that are not there": (
        "salto-de-ignoradas",
        lambda: only_file(quiet(), aside={"CONTRATO_FORA_DA_BASE": 60}),
    ),
    "a smaller remessa": ("remessa-fora-do-usual", lambda: only_file(quiet(), read=700)),
    "a larger remessa": ("remessa-fora-do-usual", lambda: only_file(quiet(), read=1300)),
    "fewer contracts with a phone": (
        "cobertura-em-queda",
        lambda: quiet(totals=totals(mailing=900, without_phone=100)),
    ),
    "uncertain messages": ("mensagens-incertas", lambda: quiet(messages={"aceito": 9, "incerto": 2})),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rule_finds_what_it_is_for_and_nothing_else_does(case: str) -> None:
    rule, facts = CASES[case]
    assert rules(facts()) == [rule]


SILENT: dict[str, Callable[[], Facts]] = {
    "far from the limit": lambda: guard(0.2),
    "a remessa far from its minimum": lambda: guard(0.99, 0.5, name="remessa"),
    "few rejects": lambda: only_file(
        quiet(layouts_before={REMESSA: before(5, read=100, refused=0)}), read=100, refused=4
    ),
    "as many rejects as ever": lambda: only_file(
        quiet(layouts_before={REMESSA: before(5, refused=28)}), refused=30, reasons={"CPF_CNPJ": 30}
    ),
    "two days are no past": lambda: only_file(
        quiet(layouts_before={REMESSA: before(2)}), refused=90, reasons={"NOVO": 90}, aside={"NOVO": 90}
    ),
    "rows in the block's window": lambda: only_file(quiet(), aside={"IGNORADO_BLOQUEIO": 200}),
    "a remessa somewhat smaller": lambda: only_file(quiet(), read=800),
    "a first day": lambda: quiet(history=(), layouts_before={}),
    "waiting and not late": lambda: quiet(expected=(Expected("refin", ("r",), Status.WAITING, None, True, ()),)),
    "a later day was sent": lambda: quiet(waves=(), not_sent=()),
    "settled messages": lambda: quiet(messages={"aceito": 9, "recusado": 2}),
}


@pytest.mark.parametrize("case", SILENT)
def test_what_is_usual_is_not_told(case: str) -> None:
    assert rules(SILENT[case]()) == []


def test_thresholds_are_the_portfolios() -> None:
    smaller = only_file(quiet(), read=900)
    assert rules(smaller) == []
    assert rules(smaller, remessa_change=0.05) == ["remessa-fora-do-usual"]
    assert rules(guard(0.2), near_limit=0.5) == ["perto-do-limite"]


def test_what_stops_the_day_comes_first() -> None:
    assert rules(hard())[:4] == ["etapa-retida", "arquivo-recusado", "arquivo-atrasado", "carga-incompleta"]


@given(share=st.floats(0, 1), limit=st.floats(0, 1), read=st.integers(0, 5000), refused=st.integers(0, 5000))
def test_any_numbers_give_words_with_a_next_step(share: float, limit: float, read: int, refused: int) -> None:
    facts = replace(
        only_file(quiet(), read=read, refused=min(read, refused)),
        guards=tuple(GuardOfDay(name, False, False, "", share, limit) for name in ("remessa", "batimento")),
    )
    found = findings(facts, Report())
    assert [one.weight for one in found] == sorted((one.weight for one in found), reverse=True)
    assert all(one.title and one.numbers and one.next and 0 <= one.weight <= 100 for one in found)
