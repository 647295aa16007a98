"""Why a contract is where it is: its movimentos day by day, the rows set aside, and what Manager was told of it.

Read from the lake and the ledger; nothing is decided here. No personal data: a contract, days, files and lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from atom_pipeline.identity import canonical_contrato
from atom_pipeline.layout.model import Stage
from atom_pipeline.retention import Part
from atom_pipeline.rules.state import Situacao
from atom_pipeline.waves import Operation
from resources.ledger_records import WaveStatus
from resources.retention import was_pruned
from resources.runtime import IMPORTED, PortfolioRuntime


@dataclass(frozen=True)
class Event:
    dia: date
    movimento: str
    antes: str | None
    depois: str | None
    arquivo: str | None
    linha: int | None
    detalhe: str | None


@dataclass(frozen=True)
class Story:
    """The life of a contract, oldest event first, and where it stands in words.

    ``forgotten`` says of which days nothing can be told, since their tables were removed by age.
    """

    contrato: str
    events: list[Event]
    now: list[str]
    forgotten: list[str]


def explain_contrato(runtime: PortfolioRuntime, contrato: str) -> Story | None:
    """The story of a contract, given in any form (zeros on the left or not); None when nothing is known of it."""
    digits = runtime.portfolio.contrato_digits
    wanted = pl.select(canonical_contrato(pl.lit(contrato.strip()), digits)).item()
    parts = (_imported, _movimentos, _set_aside, _marks, _messages, _waves)
    events = [event for part in parts for event in part(runtime, wanted)]
    known, now = _now(runtime, wanted)
    if not events and not known:
        return None
    order = {"ONDA": 1}
    events.sort(key=lambda event: (event.dia, order.get(event.movimento.split(" ")[0], 0)))
    return Story(wanted, events, now, _forgotten(runtime))


def _forgotten(runtime: PortfolioRuntime) -> list[str]:
    told = {Part.BASE: "what happened to a contract", Part.WAVES: "what was sent"}
    before = {part: runtime.ledger.pruned_before(part) for part in told}
    return [f"{told[part]} before {day:%Y-%m-%d} is no longer kept" for part, day in before.items() if day is not None]


def _tables(runtime: PortfolioRuntime, table: str, days: Iterable[date]) -> Iterator[tuple[date, pl.LazyFrame]]:
    """A table of each of the days, but of those for which it is no longer kept. Raises TableMissing."""
    for day in days:
        if runtime.lake.exists(table, day) or not was_pruned(runtime, Part.BASE, day):
            yield day, runtime.lake.scan(table, day)


def _imported(runtime: PortfolioRuntime, contrato: str) -> list[Event]:
    """What the agency's file said of it at go-live."""
    found: list[Event] = []
    imported = (base.day for base in runtime.ledger.bases() if base.imported)
    for day, table in _tables(runtime, IMPORTED, imported):
        rows = table.filter(pl.col("contrato") == contrato).select("situacao", "arquivo", "linha")
        for situacao, file, line in rows.collect().iter_rows():
            found.append(Event(day, "IMPORTACAO", None, situacao, file, line, None))
    return found


def _movimentos(runtime: PortfolioRuntime, contrato: str) -> list[Event]:
    found: list[Event] = []
    for _, table in _tables(runtime, "movimentos", _days(runtime)):
        rows = table.filter(pl.col("contrato") == contrato).collect()
        found += [
            Event(
                row["dia"], row["movimento"], row["situacao_antes"], row["situacao_depois"], row["arquivo"],
                row["linha"], row["detalhe"],
            )
            for row in rows.iter_rows(named=True)
        ]  # fmt: skip
    return found


def _set_aside(runtime: PortfolioRuntime, contrato: str) -> list[Event]:
    """Rows that a rule did not use; those of the block's window are movimentos already."""
    found: list[Event] = []
    for _, aside in _tables(runtime, "ignoradas", _days(runtime)):
        rows = aside.filter((pl.col("contrato") == contrato) & (pl.col("motivo") != "IGNORADO_BLOQUEIO")).collect()
        found += [
            Event(row["dia"], f"IGNORADA {row['motivo']}", None, None, row["arquivo"], row["linha"], row["detalhe"])
            for row in rows.iter_rows(named=True)
        ]
    return found


def _marks(runtime: PortfolioRuntime, contrato: str) -> list[Event]:
    """The massive actions that reached it: the newest marks there are hold those of the days before."""
    made = [base.day for base in runtime.ledger.bases() if runtime.lake.exists("marcacoes", base.day)]
    if not made:
        return []
    rows = runtime.lake.scan("marcacoes", made[-1]).filter(pl.col("contrato") == contrato).collect()
    return [
        Event(row["dia"], row["marcacao"], None, None, row["arquivo"], row["linha"], row["detalhe"])
        for row in rows.iter_rows(named=True)
    ]


def _messages(runtime: PortfolioRuntime, contrato: str) -> list[Event]:
    """WhatsApp messages that are no mark, or not yet: on their way, uncertain, to be tried again, just answered."""
    marked = {(event.arquivo, event.linha) for event in _marks(runtime, contrato)}
    return [
        Event(one.day, f"MASSIVA {one.status}", None, None, one.file, one.line, one.words or None)
        for one in runtime.ledger.messages(contrato=contrato)
        if (one.file, one.line) not in marked
    ]


def _waves(runtime: PortfolioRuntime, contrato: str) -> list[Event]:
    found: list[Event] = []
    for wave in runtime.ledger.waves(status=WaveStatus.SENT):
        if not runtime.lake.has(wave.rows_path) and was_pruned(runtime, Part.WAVES, wave.day):
            continue
        rows = runtime.lake.read_wave_rows(wave.rows_path, wave.rows_sha256).filter(pl.col("contrato") == contrato)
        names = {file.layout: file.name for file in wave.files}
        for operation in rows["operacao"]:
            stage = Stage.BAIXA if operation == Operation.BAIXA.value else Stage.MAILING
            kept = operation == Operation.MANTIDO.value  # no file speaks of it
            name = None if kept else names.get(runtime.output_layout(stage).layout)
            found.append(Event(wave.day, f"ONDA {operation}", None, None, name, None, f"onda {wave.label}"))
    return found


def _days(runtime: PortfolioRuntime) -> Iterator[date]:
    return (base.day for base in runtime.ledger.bases())


def _now(runtime: PortfolioRuntime, contrato: str) -> tuple[bool, list[str]]:
    """Whether the newest base knows the contract, and where it stands in it."""
    base = runtime.ledger.newest_base()
    if base is None:
        return False, []
    row = runtime.lake.scan("contratos", base.day).filter(pl.col("contrato") == contrato).collect()
    if row.is_empty():
        return False, [f"on {base.day:%Y-%m-%d} the base does not know it"]
    state = row.row(0, named=True)
    lines = [f"on {base.day:%Y-%m-%d}: {state['situacao']} since {state['situacao_desde']}: {state['motivo']}"]
    if state["bloqueado_em"]:
        lines.append(f"last block on {state['bloqueado_em']}, acordo {state['numero_acordo']}")
    if base.imported:
        return True, lines  # no mailing was made of it
    mailing = runtime.lake.scan("manager_mailing", base.day).filter(pl.col("contrato") == contrato).collect()
    if mailing.height:
        lines.append("it is in the mailing: ATIVO with a usable phone")
    elif state["situacao"] == Situacao.ATIVO.value:
        lines.append("it is not in the mailing: no usable phone")
    else:
        lines.append(f"it is not in the mailing: {state['situacao']}")
    return True, lines
