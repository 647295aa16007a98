"""The panel of a day: what was expected, arrived, waits and for what, was refused, is held, was sent.

Read from the ledger and the lake, decided nowhere: the rules of a day are in ``atom_pipeline.day``. The command line
shows it; the report of the day and the sensors' messages take from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from atom_pipeline.day import Expected
from atom_pipeline.retention import Part
from atom_pipeline.rules.state import OPEN
from resources.manager import due
from resources.retention import was_pruned
from resources.runtime import PortfolioRuntime


@dataclass(frozen=True)
class PanelFile:
    """A current file of the day. ``set_aside`` counts the rows that a rule did not use."""

    layout: str
    name: str
    version: int
    status: str
    read: int
    accepted: int
    refused: int
    set_aside: int
    reason: str | None


@dataclass(frozen=True)
class PanelWave:
    label: str
    kind: str
    status: str
    rows: int
    files: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class DayPanel:
    """All that a person asks about a day, without personal data."""

    portfolio: str
    day: date
    made: bool
    complete: bool
    kept: bool  # its tables are in the lake: what happened can be counted
    stale: bool
    previous_day: date | None
    expected: list[Expected]
    files: list[PanelFile]
    waits: list[str]
    held: list[str]
    decisions: list[str]
    movimentos: dict[str, int]
    situacoes: dict[str, int]
    waves: list[PanelWave]
    not_sent: list[str]
    owed: dict[str, int]  # rows by operacao that would be sent now
    error_files: list[str]
    alarms: list[str]  # those about the day that are open

    @property
    def open_base(self) -> int:
        return sum(self.situacoes.get(situacao, 0) for situacao in OPEN)


def day_panel(runtime: PortfolioRuntime, day: date) -> DayPanel:
    """The panel of a day, made or not."""
    base = runtime.ledger.base(day)
    expected = runtime.expected(day)
    files = runtime.day_files(day)
    came = {file.layout for file in files}
    batimento = any(layout.layout in came for layout in runtime.layouts() if layout.stage.value == "batimento")
    waits = [f"{item.name}: {item.status.value}" for item in expected if item.required and not item.fulfilled]
    owing = due(runtime, day)
    kept = base is not None and (runtime.lake.exists("contratos", day) or not was_pruned(runtime, Part.BASE, day))
    waits += [f"batimento: {wait}" for wait in (runtime.batimento_waits(day) if batimento else [])]
    return DayPanel(
        portfolio=runtime.name,
        day=day,
        made=base is not None,
        complete=base is not None and base.complete,
        kept=kept,
        stale=day in runtime.stale(),
        previous_day=base.previous_day if base else None,
        expected=expected,
        files=_files(runtime, day, made=kept),
        waits=list(dict.fromkeys(waits)),
        held=[verdict.message for verdict in runtime.verdicts(day) if verdict.stands_in_the_way],
        decisions=[f"{one.what} ({one.author}): {one.why}" for one in runtime.ledger.decisions(day)],
        movimentos=_counts(runtime, day, "movimentos", "movimento") if kept else {},
        situacoes=_counts(runtime, day, "contratos", "situacao") if kept else {},
        waves=[
            PanelWave(
                wave.label,
                wave.kind.value,
                wave.status.value,
                sum(file.rows for file in wave.files),
                tuple(file.name for file in wave.files),
                wave.note,
            )
            for wave in runtime.ledger.waves(day)
        ],
        not_sent=[*owing.sending.reasons, *([owing.doubt.message] if owing.doubt and owing.doubt.held else [])],
        owed=owing.by_operation,
        error_files=[f"{output.name}: {output.rows} rows" for output in runtime.ledger.outputs(day, "erros")],
        alarms=[f"{alarm.title}: {alarm.message}" for alarm in runtime.ledger.open_alarms(day)],
    )


def _files(runtime: PortfolioRuntime, day: date, *, made: bool) -> list[PanelFile]:
    loads = {loaded.file.id: loaded.load for loaded in runtime.ledger.loads(day)}
    outcomes = {file.name: file.outcome.value for file in runtime.day_files(day)}
    aside: dict[tuple[str, str], int] = {}
    if made:
        ignored = runtime.lake.scan("ignoradas", day).group_by("layout", "arquivo").len().collect()
        aside = {(layout, name): int(count) for layout, name, count in ignored.iter_rows()}
    out: list[PanelFile] = []
    for file in runtime.ledger.files(day):
        load = loads.get(file.id)
        out.append(
            PanelFile(
                layout=file.layout,
                name=file.name,
                version=file.version,
                status=outcomes[file.name],
                read=load.rows_read if load else 0,
                accepted=load.rows_accepted if load else 0,
                refused=load.rows_refused if load else 0,
                set_aside=aside.get((file.layout, file.name), 0),
                reason=load.message if load and load.outcome == "refused" else None,
            )
        )
    return out


def _counts(runtime: PortfolioRuntime, day: date, table: str, column: str) -> dict[str, int]:
    counted = runtime.lake.scan(table, day).group_by(pl.col(column)).len().collect()
    return {str(value): int(count) for value, count in sorted(counted.iter_rows())}
