"""A whole day at once: the steps of the rules in their order, from the base before to the base after.

What belongs here: the order of a day (DESIGN section 4) and nothing else; every step is its own function, and the
assets call the same functions one by one. What does not: whether a step may run yet (the day's plan), reading, writing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from atom_pipeline.layout.model import Layout, Stage
from atom_pipeline.massiva.marks import set_aside_histories
from atom_pipeline.massiva.rows import set_aside_massivas
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.acordos import apply_acordos
from atom_pipeline.rules.batimento import apply_batimento
from atom_pipeline.rules.enrichment import apply_garantias, apply_parcelas, apply_refin, enderecos
from atom_pipeline.rules.exclusao import apply_exclusao
from atom_pipeline.rules.fichas import fichas
from atom_pipeline.rules.groups import meanings
from atom_pipeline.rules.guards import (
    Guard,
    Verdict,
    judge_acordos,
    judge_batimento,
    judge_exclusao,
    judge_remessa,
    promote,
)
from atom_pipeline.rules.remessa import apply_remessa
from atom_pipeline.rules.shapes import starting_table
from atom_pipeline.rules.state import Step, ignoradas_of_day, movimentos_of_day, sinalizadas_of_day
from atom_pipeline.rules.telefones import apply_telefones

CARRIED = ("contratos", "cadastro", "telefones_contato", "parcelas_abertas", "garantias", "refin_vigente", "acordos")


@dataclass(frozen=True)
class FoldedDay:
    """The base after a day, what happened on it, and the guards' verdicts in the order of the steps."""

    tables: dict[str, pl.DataFrame]
    verdicts: tuple[Verdict, ...]


def fold_day(
    previous: Mapping[str, pl.DataFrame],
    received: Mapping[str, pl.DataFrame | None],
    *,
    day: date,
    portfolio: Portfolio,
    layouts: Mapping[str, Layout],
    decisions: Collection[str] = (),
    previous_remessas: Sequence[int] = (),
) -> FoldedDay:
    """Make the base of ``day`` from the newest one before it and the day's merged rows by layout.

    A layout that is missing or None did not come: its step is not run and the base passes. An empty frame came without
    rows. ``decisions`` are names such as ``release-batimento``; ``previous_remessas`` the contracts of the remessas
    before, newest first. Tables that ``previous`` lacks start empty. The answer does not depend on the order of rows.

    Raises KeyError for a received layout that is not among ``layouts``.
    """
    folding = _Folding(previous, received, day, portfolio, layouts, decisions)
    folding.remessa(previous_remessas)
    folding.enrichment()
    folding.acordos()
    folding.exclusao()
    folding.batimento()
    return folding.folded()


class _Folding:
    """The tables as they stand between two steps of a day."""

    def __init__(
        self,
        previous: Mapping[str, pl.DataFrame],
        received: Mapping[str, pl.DataFrame | None],
        day: date,
        portfolio: Portfolio,
        layouts: Mapping[str, Layout],
        decisions: Collection[str],
    ) -> None:
        self.tables = {
            table: starting_table(table, previous.get(table), day=day, portfolio=portfolio, layouts=layouts.values())
            for table in CARRIED
        }
        self.day, self.portfolio, self.layouts = day, portfolio, layouts
        self.received: dict[Stage, dict[str, pl.DataFrame]] = {stage: {} for stage in Stage}
        for name, frame in received.items():
            if frame is not None:
                self.received[layouts[name].stage][name] = frame
        self.released = [guard for guard in Guard if guard.released_by in decisions]
        self.steps: list[Step] = []
        self.verdicts: list[Verdict] = []

    def take(self, step: Step) -> None:
        self.tables |= {table: step.frame(table) for table in step.tables}
        self.steps.append(step)

    def judge(self, step: Step, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self.take(promote(step, verdict, self.released))

    def remessa(self, previous_remessas: Sequence[int]) -> None:
        if rows := self.received[Stage.REMESSA]:
            contratos, cadastro = self.tables["contratos"], self.tables["cadastro"]
            self.judge(
                apply_remessa(contratos, cadastro, rows, day=self.day, portfolio=self.portfolio),
                judge_remessa(contratos, rows, previous_remessas, portfolio=self.portfolio),
            )

    def enrichment(self) -> None:
        contratos, cadastro = self.tables["contratos"], self.tables["cadastro"]
        digits = self.portfolio.contrato_digits
        for stage, table, apply in (
            (Stage.PARCELAS, "parcelas_abertas", apply_parcelas),
            (Stage.GARANTIAS, "garantias", apply_garantias),
            (Stage.REFIN, "refin_vigente", apply_refin),
        ):
            for name, rows in sorted(self.received[stage].items()):
                self.take(apply(self.tables[table], contratos, rows, day=self.day, layout_name=name, digits=digits))
        files: dict[str, pl.DataFrame | None] = {**self.received[Stage.TELEFONES]} or {"telefones": None}
        for name, phones in sorted(files.items()):
            self.take(
                apply_telefones(
                    self.tables["telefones_contato"],
                    contratos,
                    cadastro,
                    phones,
                    day=self.day,
                    layout_name=name,
                    types=self.codes("telefone"),
                    digits=digits,
                )
            )

    def acordos(self) -> None:
        if rows := self.received[Stage.ACORDOS]:
            contratos, acordos = self.tables["contratos"], self.tables["acordos"]
            step = apply_acordos(contratos, acordos, rows, day=self.day, portfolio=self.portfolio)
            self.judge(step, judge_acordos(step, portfolio=self.portfolio))

    def exclusao(self) -> None:
        if rows := self.received[Stage.EXCLUSAO]:
            step = apply_exclusao(self.tables["contratos"], rows, day=self.day, portfolio=self.portfolio)
            self.judge(step, judge_exclusao(step, portfolio=self.portfolio))

    def batimento(self) -> None:
        if rows := self.received[Stage.BATIMENTO]:
            step = apply_batimento(self.tables["contratos"], rows, day=self.day, portfolio=self.portfolio)
            self.judge(step, judge_batimento(step, rows, portfolio=self.portfolio))

    def folded(self) -> FoldedDay:
        contratos, cadastro = self.tables["contratos"].sort("contrato"), self.tables["cadastro"]
        places = enderecos(cadastro, self.codes("endereco"))
        messages, histories = self.received[Stage.MASSIVA], self.received[Stage.HISTORICO]
        aside = [
            *(step.ignoradas for step in self.steps),
            set_aside_massivas(messages, contratos, places, day=self.day, portfolio=self.portfolio),
            set_aside_histories(histories, contratos, self.tables["telefones_contato"], day=self.day),
        ]
        derived = {
            "contratos": contratos,
            "enderecos": places,
            "fichas": fichas(contratos, cadastro, self.portfolio),
            "movimentos": movimentos_of_day(step.movimentos for step in self.steps),
            "ignoradas": ignoradas_of_day(aside),
            "sinalizadas": sinalizadas_of_day(step.sinalizadas for step in self.steps),
        }
        return FoldedDay(self.tables | derived, tuple(self.verdicts))

    def codes(self, group: str) -> dict[str, str]:
        """Meanings of the type codes of a group of the remessa's layouts on the day."""
        found: dict[str, str] = {}
        for layout in self.layouts.values():
            if layout.stage is Stage.REMESSA:
                found |= meanings(layout.version_on(self.day), group, "tipo")
        return found
