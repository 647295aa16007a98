"""The transition table of DESIGN section 5 again, slowly: one contract, one row, one event at a time.

What belongs here: the table, the guards and what a day's files mean for it, in dicts and loops, written from the design
alone. What does not: anything of ``atom_pipeline.rules``; the two must be able to disagree.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from atom_pipeline.portfolio import BlockBy, Portfolio

ATIVO, BLOQUEADO, RETIRADO, BAIXADO = "ATIVO", "BLOQUEIO PARCIAL", "RETIRADO", "BAIXADO"
OPEN = {ATIVO, BLOQUEADO}
HOLIDAYS = {
    date(2025, 12, 25),
    date(2026, 1, 1),
    date(2026, 2, 16),  # Carnival
    date(2026, 2, 17),
    date(2026, 4, 3),
    date(2026, 11, 20),
    date(2026, 12, 25),
    date(2027, 1, 1),
}


@dataclass(frozen=True)
class File:
    """A received file: ``rows`` stand on lines 1, 2, ..."""

    layout: str
    arquivo: str
    carimbo: datetime
    ordem: int
    rows: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Row:
    """One row of a file and where it stands. Rows sort from the oldest file to the newest."""

    file: File
    linha: int

    @property
    def values(self) -> dict[str, Any]:
        return self.file.rows[self.linha - 1]

    @property
    def age(self) -> tuple[datetime, int, str, int]:
        return (self.file.carimbo, self.file.ordem, self.file.arquivo, self.linha)


@dataclass
class Contrato:
    """What the base knows of a contract."""

    contrato: str
    cpf_cnpj: str
    situacao: str
    situacao_desde: date
    primeira_alta: date
    ultima_remessa: date
    values: dict[str, Any]
    bloqueado_em: date | None = None
    numero_acordo: str | None = None

    def becomes(self, situacao: str, day: date) -> None:
        if situacao != self.situacao:
            self.situacao, self.situacao_desde = situacao, day


@dataclass
class Base:
    """The base at the end of a day. Acordos are keyed by (contrato, numero_acordo, parcela)."""

    contratos: dict[str, Contrato] = field(default_factory=dict)
    blocking: dict[tuple[str, str, int], date] = field(default_factory=dict)
    without_block: dict[tuple[str, str, int], date] = field(default_factory=dict)

    @property
    def open(self) -> list[Contrato]:
        return [contrato for contrato in self.contratos.values() if contrato.situacao in OPEN]

    def fichas(self) -> dict[str, str]:
        """Status by CPF/CNPJ."""
        out = {}
        for cpf in {contrato.cpf_cnpj for contrato in self.contratos.values()}:
            situacoes = {contrato.situacao for contrato in self.contratos.values() if contrato.cpf_cnpj == cpf}
            if ATIVO in situacoes:
                out[cpf] = "ATIVA"
            elif BLOQUEADO in situacoes:
                out[cpf] = "BLOQUEIO PARCIAL"
            else:
                out[cpf] = "TODOS CONTRATOS BAIXADOS"
        return out


@dataclass
class Events:
    """What happened on a day: movimentos (contrato, movimento, antes, depois, arquivo, linha) and rows set aside."""

    movimentos: list[tuple[str, str, str | None, str | None, str | None, int | None]] = field(default_factory=list)
    ignoradas: list[tuple[str, str, int, str, str]] = field(default_factory=list)

    def moved(self, contrato: str, movimento: str, before: str | None, after: str | None, row: Row | None) -> None:
        arquivo, linha = (row.file.arquivo, row.linha) if row else (None, None)
        self.movimentos.append((contrato, movimento, before, after, arquivo, linha))

    def aside(self, row: Row, contrato: str, motivo: str) -> None:
        self.ignoradas.append((row.file.layout, row.file.arquivo, row.linha, contrato, motivo))


class Reference:
    """The fold of the days, kept as one base that moves on."""

    def __init__(self, portfolio: Portfolio) -> None:
        self.portfolio = portfolio
        self.base = Base()

    def day(
        self, day: date, files: dict[str, list[File]], decisions: set[str], previous_remessas: list[int]
    ) -> tuple[Events, set[str]]:
        """Apply a day. ``files`` has the files by stage; a stage without files did not come.

        Gives what happened, and the stages whose guard says no, released or not.
        """
        self.today = day
        events, stopped = Events(), set()
        for stage in ("remessa", "parcelas", "telefones", "acordos", "exclusao", "batimento"):
            if not files.get(stage):
                continue
            before, todays = copy.deepcopy(self.base), Events()
            if getattr(self, f"_{stage}")(files[stage], todays, previous_remessas):
                stopped.add(stage)
                if f"release-{stage}" not in decisions:
                    self.base = before
                    continue
            events.movimentos += todays.movimentos
            events.ignoradas += todays.ignoradas
        return events, stopped

    def in_window(self, contrato: Contrato) -> bool:
        """Day 0 to day 3 after the block, counting bank business days (or all days)."""
        if contrato.bloqueado_em is None:
            return False
        block, passed, day = self.portfolio.block, 0, contrato.bloqueado_em
        while day < self.today:
            day += timedelta(days=1)
            bank_day = day.weekday() < 5 and day not in HOLIDAYS
            passed += bank_day or block.calendar == "calendar"
        return passed <= block.days

    def canonical(self, contrato: str) -> str:
        return contrato.lstrip("0").zfill(self.portfolio.contrato_digits or 0)

    def _too_many(self, changed: int, limit: float, before: int) -> bool:
        """Above the share of the open base before the step; too small a base says nothing."""
        return before >= max(1, self.portfolio.guards.smallest_base) and changed / before > limit

    def _remessa(self, files: list[File], events: Events, previous_remessas: list[int]) -> bool:
        newest = {row.values["contrato"]: row for row in rows_of(files)}
        before = len(self.base.open)
        for contrato, row in sorted(newest.items()):
            known = self.base.contratos.get(contrato)
            if known is None and self._client_is_blocked(row.values["cpf_cnpj"]):
                events.moved(contrato, "IGNORADO_BLOQUEIO", None, None, row)
                events.aside(row, contrato, "IGNORADO_BLOQUEIO")
            elif known is None:
                self.base.contratos[contrato] = Contrato(
                    contrato, row.values["cpf_cnpj"], ATIVO, self.today, self.today, self.today, row.values
                )
                events.moved(contrato, "ALTA", None, ATIVO, row)
            elif self.in_window(known):
                events.moved(contrato, "IGNORADO_BLOQUEIO", known.situacao, known.situacao, row)
                events.aside(row, contrato, "IGNORADO_BLOQUEIO")
            else:
                self._accept(known, row, events)
        guards = self.portfolio.guards
        compared = previous_remessas[: guards.remessas_compared]
        if not compared or before < guards.smallest_base:
            return False
        return len(newest) < guards.min_remessa * median(compared)

    def _accept(self, known: Contrato, row: Row, events: Events) -> None:
        was, changed = known.situacao, known.values != row.values
        known.values, known.ultima_remessa = row.values, self.today
        known.becomes(ATIVO, self.today)
        if was == ATIVO:
            if changed:
                events.moved(known.contrato, "ATUALIZACAO", ATIVO, ATIVO, row)
        else:
            events.moved(known.contrato, "ALTA" if was == BLOQUEADO else "REATIVACAO", was, ATIVO, row)

    def _client_is_blocked(self, cpf: str) -> bool:
        """Blocking by client, a contract that is new stands by with the client's others."""
        if self.portfolio.block.by is BlockBy.CONTRATO:
            return False
        return any(other.cpf_cnpj == cpf and self.in_window(other) for other in self.base.contratos.values())

    def _parcelas(self, files: list[File], events: Events, _: list[int]) -> bool:
        newest: dict[str, File] = {}
        for row in rows_of(files):
            newest[row.values["contrato"]] = row.file
        for row in rows_of(files):
            contrato = row.values["contrato"]
            if newest[contrato] is row.file and contrato not in self.base.contratos:
                events.aside(row, contrato, "CONTRATO_FORA_DA_BASE")
        return False

    def _telefones(self, files: list[File], events: Events, _: list[int]) -> bool:
        for row in rows_of(files):
            known = self.base.contratos.get(row.values["contrato"])
            if known is None:
                events.aside(row, row.values["contrato"], "CONTRATO_FORA_DA_BASE")
            elif known.cpf_cnpj != row.values["cpf_cnpj"]:
                events.aside(row, known.contrato, "CPF_DIVERGENTE")
        return False

    def _acordos(self, files: list[File], events: Events, _: list[int]) -> bool:
        before, were_active = len(self.base.open), {c.contrato for c in self.base.open if c.situacao == ATIVO}
        for row in distinct(files):
            contrato = self.canonical(row.values["contrato"])
            key = (contrato, row.values["numero_acordo"], row.values["parcela"])
            known = self.base.contratos.get(contrato)
            if known is None:
                events.aside(row, contrato, "CONTRATO_FORA_DA_BASE")
            elif row.values["motivo"] in self.portfolio.block.motives_without_block:
                if key not in self.base.without_block:
                    self.base.without_block[key] = self.today
                    events.aside(row, contrato, "MOTIVO_NAO_BLOQUEIA")
            elif key not in self.base.blocking:
                self.base.blocking[key] = self.today
                for other in self._blocked_with(known):
                    self._block(other, row, events)
        newly = sum(self.base.contratos[contrato].situacao == BLOQUEADO for contrato in were_active)
        return self._too_many(newly, self.portfolio.guards.max_acordos, before)

    def _blocked_with(self, known: Contrato) -> list[Contrato]:
        if self.portfolio.block.by is BlockBy.CONTRATO:
            return [known]
        return [other for other in self.base.contratos.values() if other.cpf_cnpj == known.cpf_cnpj]

    def _block(self, known: Contrato, row: Row, events: Events) -> None:
        was = known.situacao
        known.bloqueado_em, known.numero_acordo = self.today, row.values["numero_acordo"]
        if was in OPEN:
            known.becomes(BLOQUEADO, self.today)
            events.moved(known.contrato, "BLOQUEIO", was, BLOQUEADO, row)
        else:
            events.moved(known.contrato, "ACORDO_REGISTRADO", was, was, row)

    def _exclusao(self, files: list[File], events: Events, _: list[int]) -> bool:
        before = len(self.base.open)
        for row in distinct(files):
            contrato = self.canonical(row.values["contrato"])
            known = self.base.contratos.get(contrato)
            if known is None:
                events.aside(row, contrato, "CONTRATO_FORA_DA_BASE")
            elif known.situacao != RETIRADO:
                events.moved(contrato, "RETIRADA", known.situacao, RETIRADO, row)
                known.becomes(RETIRADO, self.today)
        return self._too_many(before - len(self.base.open), self.portfolio.guards.max_exclusao, before)

    def _batimento(self, files: list[File], events: Events, _: list[int]) -> bool:
        newest = max(files, key=lambda file: (file.carimbo, file.ordem))
        wanted, present = self.portfolio.batimento, set()
        for row in rows_of([newest]):
            contrato = self.canonical(row.values["contrato"])
            carteira, code = row.values["carteira"], row.values["cod_assessoria"]
            if carteira not in wanted.carteiras or code not in wanted.cod_assessoria:
                events.aside(row, contrato, "OUTRA_CARTEIRA")
                continue
            present.add(contrato)
            if contrato not in self.base.contratos:
                events.aside(row, contrato, "CONTRATO_FORA_DA_BASE")
        before, closed = len(self.base.open), 0
        for known in sorted(self.base.open, key=lambda contrato: contrato.contrato):
            stands_by = known.situacao == BLOQUEADO and self.in_window(known)
            if known.contrato not in present and not stands_by:
                events.moved(known.contrato, "BAIXA_BATIMENTO", known.situacao, BAIXADO, None)
                known.becomes(BAIXADO, self.today)
                closed += 1
        return not present or self._too_many(closed, self.portfolio.guards.max_baixa_batimento, before)


def rows_of(files: list[File]) -> list[Row]:
    """Every row, from the oldest file to the newest."""
    rows = [Row(file, linha) for file in files for linha in range(1, len(file.rows) + 1)]
    return sorted(rows, key=lambda row: row.age)


def distinct(files: list[File]) -> list[Row]:
    """The first of equal rows of each layout."""
    seen, out = [], []
    for row in rows_of(files):
        if (row.file.layout, row.values) not in seen:
            seen.append((row.file.layout, row.values))
            out.append(row)
    return out
