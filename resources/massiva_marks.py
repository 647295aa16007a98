"""Making ``marcacoes``: the marks of a day, from its base, its history files and OMNE's answers on the record.

What a mark is, is in ``atom_pipeline.massiva.marks``. The table is no part of the base's hash: a mark changes nothing
of who may be charged, and an answer of OMNE's at eleven must not make the day's base another one, hold its increments
and ask for the whole day again. It is a function of its inputs all the same: the same base, files and answers give the
same bytes. An answer belongs to the marks of the working day on which it was given, so no past day changes.
"""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

import polars as pl

from atom_pipeline.layout.model import Stage
from atom_pipeline.massiva.marks import RESPOSTAS, marcacoes_of_day
from atom_pipeline.portfolio import Massivas
from atom_pipeline.rules.state import empty
from resources.lake import Written
from resources.manager import ORIGIN, origin_table
from resources.runtime import PortfolioRuntime

TABLE = "marcacoes"
MADE_FROM = "etapas/marcacoes_origem"
MADE_FROM_SCHEMA = {"impressao": pl.String}
DAYS_LOOKED_BACK = 10  # calendar days; an answer belongs to the working day on which it is given


def write_marks(runtime: PortfolioRuntime, day: date, base: str) -> tuple[pl.DataFrame, Written]:
    """Make and write the day's marks, from its base of this hash."""
    made_from = fingerprint(runtime, day, base)  # first: an answer that comes meanwhile makes them stale
    frame = make_marks(runtime, day)
    runtime.lake.write(origin_table(TABLE), day, ORIGIN.to_frame())  # a kill from here on: of no known base
    written = runtime.lake.write(TABLE, day, frame)
    runtime.lake.write(MADE_FROM, day, pl.DataFrame({"impressao": [made_from]}, schema=MADE_FROM_SCHEMA))
    runtime.lake.write(origin_table(TABLE), day, pl.DataFrame({"base": [base]}, schema=ORIGIN))
    return frame, written


def make_marks(runtime: PortfolioRuntime, day: date) -> pl.DataFrame:
    """The marks known on a day that is made."""
    before = _day_before(runtime, day)
    has_previous = before is not None and runtime.lake.exists(TABLE, before)
    previous = runtime.lake.read(TABLE, before) if before is not None and has_previous else empty(TABLE)
    histories = {
        layout.layout: runtime.lake.read(f"recebido/{layout.layout}", day)
        for layout in runtime.layouts(Stage.HISTORICO)
    }
    respostas = runtime.ledger.answers_marked_on(day).with_columns(
        pl.col("enviada_em").dt.convert_time_zone(runtime.portfolio.operation.timezone).dt.date()
    )
    return marcacoes_of_day(
        previous,
        histories,
        runtime.lake.read("contratos", day),
        runtime.lake.read("telefones_contato", day),
        respostas.cast(RESPOSTAS),  # type: ignore[arg-type]
        day=day,
        history_days=_history_days(runtime.portfolio.massivas),
    )


def fingerprint(runtime: PortfolioRuntime, day: date, base: str) -> str:
    """Identity of what a day's marks are made from."""
    before = _day_before(runtime, day)
    has_previous = before is not None and runtime.lake.exists(TABLE, before)
    previous = runtime.lake.sha256(TABLE, before) if before is not None and has_previous else "-"
    return hashlib.sha256("\n".join([base, previous, runtime.ledger.answers_fingerprint(day)]).encode()).hexdigest()


def marks_behind(runtime: PortfolioRuntime) -> list[date]:
    """The recent days whose marks are not what their base and OMNE's answers would give now, in order.

    Days whose base is stale are left out: they are made again whole.
    """
    today = runtime.now().date()
    stale = set(runtime.stale())
    recent = runtime.ledger.bases(first=today - timedelta(days=DAYS_LOOKED_BACK))
    return [
        base.day
        for base in recent
        if not base.imported
        and base.day not in stale
        and _made_from(runtime, base.day) != fingerprint(runtime, base.day, base.hash)
    ]


def _made_from(runtime: PortfolioRuntime, day: date) -> str | None:
    if not runtime.lake.exists(MADE_FROM, day) or not runtime.lake.exists(TABLE, day):
        return None
    return str(runtime.lake.read(MADE_FROM, day)["impressao"].item())


def _day_before(runtime: PortfolioRuntime, day: date) -> date | None:
    opening = runtime.lake.read("abertura", day)
    return opening["dia_anterior"].item() if opening.height else None


def _history_days(massivas: Massivas | None) -> int:
    default: int = Massivas.model_fields["history_days"].default
    return default if massivas is None else massivas.history_days
