"""The events of contracts: what the lake's days, the marks, the messages and the waves say of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime

import polars as pl

from atom_pipeline.layout.model import Stage
from atom_pipeline.retention import Part
from atom_pipeline.rules.state import Ignorada
from atom_pipeline.waves import Operation
from atom_pipeline.why.life import ASIDE, IMPORTACAO, MESSAGE, WAVE, Event, in_order
from resources.ledger_records import Wave, WaveKind, WaveStatus
from resources.retention import was_pruned
from resources.runtime import IMPORTED, PortfolioRuntime

Found = Iterator[tuple[str, Event]]


def events_of(runtime: PortfolioRuntime, contratos: Sequence[str]) -> dict[str, list[Event]]:
    """The events of each contract (canonical numbers), oldest first.

    Raises TableMissing for a table that is neither there nor removed by age.
    """
    out: dict[str, list[Event]] = {contrato: [] for contrato in contratos}
    parts = (_waves, _movimentos, _set_aside, _imported, _marks_and_messages)
    with ThreadPoolExecutor(len(parts)) as pool:  # each searches years of files, and Polars one after the other
        for part in [pool.submit(lambda one: list(one(runtime, contratos)), part) for part in parts]:
            for contrato, event in part.result():
                out[contrato].append(event)
    return {contrato: in_order(events) for contrato, events in out.items()}


def _among(contratos: Sequence[str]) -> pl.Expr:
    return pl.col("contrato") == contratos[0] if len(contratos) == 1 else pl.col("contrato").is_in(list(contratos))


def _kept(runtime: PortfolioRuntime, table: str, days: Iterable[date]) -> list[date]:
    """The days but those for which the table is no longer kept."""
    return [day for day in days if runtime.lake.exists(table, day) or not was_pruned(runtime, Part.BASE, day)]


def _days(runtime: PortfolioRuntime) -> list[date]:
    return [base.day for base in runtime.ledger.bases()]


def _imported(runtime: PortfolioRuntime, contratos: Sequence[str]) -> Found:
    """What the agency's file said of them at go-live."""
    for base in runtime.ledger.bases():
        for day in _kept(runtime, IMPORTED, [base.day] if base.imported else []):
            rows = runtime.lake.scan(IMPORTED, day).filter(_among(contratos))
            for contrato, *row in rows.select("contrato", "situacao", "arquivo", "linha").collect().iter_rows():
                yield contrato, Event(day, IMPORTACAO, None, *row)


def _movimentos(runtime: PortfolioRuntime, contratos: Sequence[str]) -> Found:
    days = _kept(runtime, "movimentos", _days(runtime))
    for row in runtime.lake.search("movimentos", days, _among(contratos)).iter_rows(named=True):
        before, after = row["situacao_antes"], row["situacao_depois"]
        origin = row["arquivo"], row["linha"], row["detalhe"]
        yield row["contrato"], Event(row["dia"], row["movimento"], before, after, *origin)


def _set_aside(runtime: PortfolioRuntime, contratos: Sequence[str]) -> Found:
    """Rows that a rule did not use; those of the block's window are movimentos already."""
    wanted = _among(contratos) & (pl.col("motivo") != Ignorada.IGNORADO_BLOQUEIO.value)
    days = _kept(runtime, "ignoradas", _days(runtime))
    for row in runtime.lake.search("ignoradas", days, wanted).iter_rows(named=True):
        what = f"{ASIDE} {row['motivo']}"
        yield row["contrato"], Event(row["dia"], what, None, None, row["arquivo"], row["linha"], row["detalhe"])


def _marks_and_messages(runtime: PortfolioRuntime, contratos: Sequence[str]) -> Found:
    """The massive actions that reached them, and the messages that are no mark yet, or never will be.

    The newest marks there are hold those of the days before.
    """
    days = _days(runtime)
    newest = next((day for day in reversed(days) if runtime.lake.exists("marcacoes", day)), None)
    marked: set[tuple[str | None, int | None]] = set()
    if newest is not None:
        for row in runtime.lake.scan("marcacoes", newest).filter(_among(contratos)).collect().iter_rows(named=True):
            marked.add((row["arquivo"], row["linha"]))
            mark = Event(row["dia"], row["marcacao"], None, None, row["arquivo"], row["linha"], row["detalhe"])
            yield row["contrato"], mark
    for contrato in contratos:
        for one in runtime.ledger.messages(contrato=contrato):
            if (one.file, one.line) not in marked:
                message = f"{MESSAGE} {one.status}"
                yield contrato, Event(one.day, message, None, None, one.file, one.line, one.words or None)


def _waves(runtime: PortfolioRuntime, contratos: Sequence[str]) -> Found:
    waves = [
        wave
        for wave in runtime.ledger.waves(status=WaveStatus.SENT)
        if runtime.lake.has(wave.rows_path) or not was_pruned(runtime, Part.WAVES, wave.day)
    ]
    paths = [wave.rows_path for wave in waves]
    found = runtime.lake.search_waves(paths, _among(contratos), ["contrato", "conteudo", "operacao"])
    if not waves:
        return
    for row in found.sort("onda", maintain_order=True).iter_rows(named=True):
        wave = waves[row["onda"]]
        operation = Operation(row["operacao"])
        yield (
            row["contrato"],
            Event(
                wave.day,
                f"{WAVE} {operation}",
                arquivo=_file_of(runtime, wave, operation),
                detalhe=f"onda {wave.label} ({wave.kind})",
                onda=wave.label,
                enviada=None if wave.kind is WaveKind.IMPORTACAO else _local(runtime, wave.sent_at),
                conteudo=row["conteudo"],
            ),
        )


def _file_of(runtime: PortfolioRuntime, wave: Wave, operation: Operation) -> str | None:
    """The wave's file that speaks of a contract; none does of one that Manager keeps, nor at go-live."""
    if operation is Operation.MANTIDO:
        return None
    layout = runtime.output_layout(Stage.BAIXA if operation is Operation.BAIXA else Stage.MAILING).layout
    return next((file.name for file in wave.files if file.layout == layout), None)


def _local(runtime: PortfolioRuntime, moment: datetime | None) -> datetime | None:
    return moment.astimezone(runtime.zone) if moment is not None else None
