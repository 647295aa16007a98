"""Guards: a verdict on what a step would do, before anything is written (DESIGN section 5).

What belongs here: the shares that hold a step, in numbers and in words for an operator, and what a held step leaves.
What does not: where verdicts and the operator's decisions are kept (the ledger), and the limits (``portfolio.yaml``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median

import polars as pl

from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.batimento import compared_rows
from atom_pipeline.rules.received import Received, rows_of
from atom_pipeline.rules.state import OPEN, Movimento, Situacao, Step, empty, in_memory


class Guard(StrEnum):
    """The steps that are judged; the operator's decision that lets one pass is ``release-<guard>``."""

    REMESSA = "remessa"
    ACORDOS = "acordos"
    EXCLUSAO = "exclusao"
    BATIMENTO = "batimento"

    @property
    def released_by(self) -> str:
        """The decision's name."""
        return f"release-{self.value}"


@dataclass(frozen=True)
class Verdict:
    """What a guard found: numbers for a plot, and a message in Portuguese that says what an operator does next."""

    guard: Guard
    held: bool
    message: str
    numbers: dict[str, int | float] = field(default_factory=dict)


def judge_remessa(
    contratos: pl.DataFrame, received: Received, previous_rows: Sequence[int], *, portfolio: Portfolio
) -> Verdict:
    """Hold a remessa with fewer contracts than ``min_remessa`` of the median of the last ones.

    ``previous_rows`` are the contracts of the remessas applied before, newest first; the first
    ``guards.remessas_compared`` count. Without any there is nothing to compare with, and nothing is held.
    """
    limits = portfolio.guards
    contracts = rows_of(received, portfolio, {"contrato": pl.String})["contrato"].n_unique()
    compared = list(previous_rows)[: limits.remessas_compared]
    usual = float(median(compared)) if compared else 0.0
    share = contracts / usual if usual else 1.0
    open_base = _open(contratos)
    numbers: dict[str, int | float] = {
        "contratos": contracts,
        "mediana_das_anteriores": usual,
        "base_aberta": open_base,
        "parte": round(share, 6),
        "limite": limits.min_remessa,
    }
    held = share < limits.min_remessa and open_base >= limits.smallest_base
    text = f"a remessa tem {_integer(contracts)} contratos"
    if compared:
        text += f", {_percent(share)} da mediana das últimas {len(compared)} ({_integer(round(usual))})"
    return _verdict(Guard.REMESSA, held, f"{text}; o mínimo é {_percent(limits.min_remessa)}", numbers)


def judge_acordos(step: Step, *, portfolio: Portfolio) -> Verdict:
    """Hold acordos that would block more than ``max_acordos`` of the open base; what is blocked already is not new."""
    were_active = step.movimentos.filter(pl.col("situacao_antes") == Situacao.ATIVO.value)
    blocked = _contracts(were_active, Movimento.BLOQUEIO)
    return _share(Guard.ACORDOS, "bloqueariam", blocked, step, portfolio.guards.max_acordos, portfolio)


def judge_exclusao(step: Step, *, portfolio: Portfolio) -> Verdict:
    """Hold an exclusão that would retire more than ``max_exclusao`` of the open base."""
    were_open = step.movimentos.filter(pl.col("situacao_antes").is_in(OPEN))
    retired = _contracts(were_open, Movimento.RETIRADA)
    return _share(Guard.EXCLUSAO, "retiraria", retired, step, portfolio.guards.max_exclusao, portfolio)


def judge_batimento(step: Step, received: Received, *, portfolio: Portfolio) -> Verdict:
    """Hold a batimento that would close more than ``max_baixa_batimento`` of the open base, or that lists nothing.

    One without any row of this portfolio's carteira is held whatever the size of the base.
    """
    closed = _contracts(step.movimentos, Movimento.BAIXA_BATIMENTO)
    rows = compared_rows(received, portfolio)
    listed = rows.filter("desta_carteira")["contrato"].n_unique()
    limit = portfolio.guards.max_baixa_batimento
    verdict = _share(Guard.BATIMENTO, "fecharia", closed, step, limit, portfolio)
    numbers = verdict.numbers | {"linhas": rows.height, "contratos_no_arquivo": listed}
    if listed:
        return Verdict(Guard.BATIMENTO, verdict.held, verdict.message, numbers)
    text = f"o batimento não traz nenhum contrato desta carteira ({_integer(rows.height)} linhas lidas)"
    return _verdict(Guard.BATIMENTO, True, text, numbers)


def promote(candidate: Step, verdict: Verdict, released: Collection[Guard] = ()) -> Step:
    """The step that counts: the candidate, or, when it is held and nobody released it, the base as it was.

    A held step leaves no movimento and sets no row aside: its file counts as not applied yet.
    """
    if not verdict.held or verdict.guard in released:
        return candidate
    return Step(
        tables=candidate.before,
        before=candidate.before,
        movimentos=empty("movimentos"),
        ignoradas=empty("ignoradas"),
        sinalizadas=empty("sinalizadas"),
    )


def _open(contratos: pl.DataFrame) -> int:
    return int(contratos["situacao"].is_in(OPEN).sum())


def _contracts(movimentos: pl.DataFrame, movimento: Movimento) -> int:
    return movimentos.filter(pl.col("movimento") == movimento.value)["contrato"].n_unique()


def _share(guard: Guard, verb: str, touched: int, step: Step, limit: float, portfolio: Portfolio) -> Verdict:
    """Judge how much of the open base, as it was before the step, would be touched."""
    open_base = _open(in_memory(step.before["contratos"]))
    share = touched / open_base if open_base else 0.0
    numbers: dict[str, int | float] = {
        "contratos": touched,
        "base_aberta": open_base,
        "parte": round(share, 6),
        "limite": limit,
    }
    held = share > limit and open_base >= portfolio.guards.smallest_base
    subject = {Guard.ACORDOS: "os acordos", Guard.EXCLUSAO: "a exclusão"}.get(guard, "o batimento")
    text = (
        f"{subject} {verb} {_integer(touched)} de {_integer(open_base)} contratos abertos ({_percent(share)}); "
        f"o limite é {_percent(limit)}"
    )
    if share > limit and not held:
        text += f", que só vale a partir de {portfolio.guards.smallest_base} contratos abertos"
    return _verdict(guard, held, text, numbers)


def _verdict(guard: Guard, held: bool, text: str, numbers: dict[str, int | float]) -> Verdict:
    if held:
        text += f". Retido: nada mudou. Confira o arquivo; para aceitar, decida {guard.released_by}"
    return Verdict(guard, held, text[0].upper() + text[1:], numbers)


def _integer(value: int) -> str:
    return f"{value:,}".replace(",", ".")


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %".replace(".", ",")
