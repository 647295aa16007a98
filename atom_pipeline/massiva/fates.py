"""What becomes of each row of a day's massive files now: it goes, it waits and until when, or why it does not go.

The dry run, the sender and the sensor ask here, so that all of them say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import polars as pl

from atom_pipeline.massiva.hours import next_opening
from atom_pipeline.massiva.states import Status
from atom_pipeline.portfolio import Massivas

ENVIAR = "ENVIAR"
AGUARDA_HORARIO = "AGUARDA_HORARIO"
AGUARDA_TENTATIVA = "AGUARDA_TENTATIVA"
FORA_DO_HORARIO = "FORA_DO_HORARIO"  # its state has no hour left today
SEM_TEMPLATE = "SEM_TEMPLATE"  # portfolio.yaml gives its jornada none
WAITING = (AGUARDA_HORARIO, AGUARDA_TENTATIVA)


def fates(rows: pl.DataFrame, massivas: Massivas, *, day: date, now: datetime) -> pl.DataFrame:
    """The rows with ``destino`` and ``a_partir_de`` (String, UTC Datetime).

    ``rows`` are judged rows (``rows.PEDIDOS``) with ``estado`` and ``nao_antes`` of their message on the record, null
    where there is none. ``now`` is aware of its zone. ``destino`` is one of the words above, the message's state, or
    the reason why the row is no message; ``a_partir_de`` the first moment at which a row that goes may go.
    """
    openings = [(ufs, _opening(ufs, massivas, day, now)) for ufs in _ufs(rows)]
    opening = pl.DataFrame(openings, schema={"ufs": pl.String, "abre": pl.Datetime("us", "UTC")}, orient="row")
    rows = rows.join(opening, on="ufs", how="left", maintain_order="left")
    at = pl.max_horizontal("abre", "nao_antes")
    moment = pl.lit(now.astimezone(UTC), pl.Datetime("us", "UTC"))
    state = pl.col("estado")
    settled = state.is_not_null() & (state != Status.PLANEJADO.value)
    return rows.with_columns(
        destino=pl.when(settled)
        .then(state)
        .when(pl.col("motivo").is_not_null())
        .then("motivo")
        .when(pl.col("template").is_null())
        .then(pl.lit(SEM_TEMPLATE))
        .when(pl.col("abre").is_null())
        .then(pl.lit(FORA_DO_HORARIO))
        .when(pl.col("abre") > moment)
        .then(pl.lit(AGUARDA_HORARIO))
        .when(pl.col("nao_antes") > moment)
        .then(pl.lit(AGUARDA_TENTATIVA))
        .otherwise(pl.lit(ENVIAR)),
        a_partir_de=at,
    ).drop("abre")


def end_of(day: date, now: datetime) -> datetime:
    """The day's last moment, in the zone of ``now``: a message goes on its file's day or not at all."""
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=now.tzinfo) - timedelta(seconds=1)


def _opening(ufs: str, massivas: Massivas, day: date, now: datetime) -> datetime | None:
    found = next_opening(ufs.split("|"), now, massivas, end_of(day, now))
    return found.astimezone(UTC) if found is not None else None


def _ufs(rows: pl.DataFrame) -> list[str]:
    return sorted(rows["ufs"].drop_nulls().unique())


@dataclass(frozen=True)
class MassivaState:
    """What is known of a day's messages. ``fates`` counts rows by ``destino``.

    ``reasons`` say why nothing may go now, whatever the rows say; ``next_at`` is when the first waiting row may go,
    ``resume_at`` until when OMNE asked us to wait, or the circuit breaker does.
    """

    day: date
    fates: Mapping[str, int]
    reasons: tuple[str, ...] = ()
    next_at: datetime | None = None
    resume_at: datetime | None = None
    busy: bool = False  # a process is sending

    @property
    def left(self) -> int:
        """Rows that are still to go today, now or later."""
        return sum(self.fates.get(word, 0) for word in (ENVIAR, *WAITING))


@dataclass(frozen=True)
class MassivasDue:
    """Whether a run that sends is due now, and why or why not, in the operators' words."""

    due: bool
    reason: str


def massivas_due(state: MassivaState, now: datetime) -> MassivasDue:
    """Whether to start a run that sends a day's messages. It only starts what has something to do."""
    if not state.left:
        return MassivasDue(False, "nenhuma mensagem a enviar hoje")
    if state.busy:
        return MassivasDue(False, "as mensagens estão sendo enviadas")
    if state.reasons:
        return MassivasDue(False, f"{state.left} mensagens esperam: {'; '.join(state.reasons)}")
    if state.resume_at is not None and state.resume_at > now:
        return MassivasDue(False, f"{state.left} mensagens esperam o OMNE até {_clock(state.resume_at, now)}")
    ready = state.fates.get(ENVIAR, 0)
    if not ready:
        when = f" até {_clock(state.next_at, now)}" if state.next_at is not None else ""
        return MassivasDue(False, f"{state.left} mensagens esperam o horário permitido{when}")
    return MassivasDue(True, f"{ready} mensagens a enviar")


def _clock(moment: datetime, now: datetime) -> str:
    return f"{moment.astimezone(now.tzinfo):%H:%M:%S}"


@dataclass(frozen=True)
class Attempts:
    """How many of the newest runs failed in a row, and when the last of them ended (UTC)."""

    failed: int
    last_ended: datetime | None

    def may_start(self, now: datetime) -> bool:
        """Whether another run may start: after a failure only in five minutes, then ten, up to half an hour."""
        return self.last_ended is None or now >= self._next()

    def next_at(self, zone: tzinfo) -> str:
        """When it may, as people read it."""
        return f"{self._next().astimezone(zone):%H:%M}"

    def _next(self) -> datetime:
        minutes = min(30, 5 * 2 ** (self.failed - 1)) if self.failed else 0
        return (self.last_ended or datetime.min.replace(tzinfo=UTC)) + timedelta(minutes=minutes)
