"""What a plan of days (``atom_pipeline.plan.days``) asks of the ledger, in one look.

Facts only: which day is made is the plan's to decide. Dagster's runs, the other half of what it asks, are the sensors'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from atom_pipeline.day import SENDING, KnownBase, carga_due_at, stale_days
from atom_pipeline.errors import AtomError
from atom_pipeline.plan.days import Day
from resources.ledger_look import LedgerLook, Memory
from resources.ledger_records import Base, WaveStatus
from resources.runtime import PortfolioRuntime

# Days that may still send are at most these; of older ones only what was made a short while ago is looked at.
MOST_SENDING = 3
MOST_OLDER = 5
RECENT = timedelta(days=1)


@dataclass(frozen=True)
class DayFacts:
    """``days`` may have to be made, oldest first; ``later`` are stale days behind the first stale one."""

    days: tuple[Day, ...]
    later: tuple[date, ...]
    said: tuple[str, ...] = ()


@dataclass
class Look(PortfolioRuntime):
    """A portfolio at one moment, for one decision: each question is asked of the ledger once, nothing is written."""

    memory: Memory = field(default_factory=Memory, repr=False)

    @cached_property
    def ledger(self) -> LedgerLook:
        return LedgerLook(self.engine, self.name, self.memory)

    @cached_property
    def _inputs(self) -> tuple[dict[date, KnownBase], dict[date, str]]:
        return super().inputs()

    def inputs(self) -> tuple[dict[date, KnownBase], dict[date, str]]:
        return self._inputs


def looking(runtime: PortfolioRuntime, memory: Memory | None = None) -> Look:
    """A look at a portfolio. ``memory`` spares the next look what has not changed since this one."""
    one = Look(
        runtime.settings,
        runtime.catalogue,
        runtime.engine,
        runtime.clock,
        postgres_url=runtime.postgres_url,
        others=runtime.others,
        memory=memory or Memory(),
    )
    one.calendar = runtime.calendar
    return one


def day_facts(runtime: Look) -> DayFacts:
    """The days that may have to be made."""
    bases, inputs = runtime.inputs()
    stale = stale_days(bases, inputs, list(inputs))
    made = {base.day: base for base in runtime.ledger.bases()}
    fresh = [made[day] for day in sorted(bases) if day not in stale and not made[day].imported]
    days = [*_fresh_days(runtime, fresh, inputs, planned_apart=bool(stale))]
    if stale:
        base = made.get(stale[0])
        built, refusal = base.built_at if base else None, _refusal(runtime, stale[0])
        days.append(_decided(runtime, Day(stale[0], inputs[stale[0]], stale=True, built=built, refusal=refusal)))
    at_hand = runtime.calendar.roll_forward(runtime.now().date())
    said = [] if at_hand in inputs else [f"{at_hand:%Y-%m-%d}: nenhum arquivo do dia chegou"]
    return DayFacts(tuple(days), tuple(stale[1:]), tuple(said))


def _fresh_days(
    runtime: PortfolioRuntime, fresh: Sequence[Base], inputs: dict[date, str], *, planned_apart: bool
) -> list[Day]:
    """Days whose base is right. A planned wave belongs to its own day, or to the newest when that one cannot send."""
    if not fresh:
        return []
    last = runtime.ledger.last_sent_wave()
    since = last.day if last else fresh[0].day
    recently = datetime.now(UTC) - RECENT
    older = [base for base in fresh if base.day < since and base.built_at is not None and base.built_at >= recently]
    sending = [base for base in fresh if base.day >= since][-MOST_SENDING:]
    days = [
        Day(base.day, inputs[base.day], stale=False, built=base.built_at, over=True) for base in older[-MOST_OLDER:]
    ]
    days += [_sending_day(runtime, base, inputs[base.day]) for base in sending]
    if planned_apart or not sending:
        return days  # the run of a stale day finishes what was planned before it
    for wave in runtime.ledger.waves(status=WaveStatus.PLANNED):
        mine = wave.day if wave.day in {base.day for base in sending} else sending[-1].day
        days = [replace(day, planned=(*day.planned, wave.label)) if day.day == mine else day for day in days]
    return days


def _sending_day(runtime: PortfolioRuntime, base: Base, inputs: str) -> Day:
    may = runtime.sending(base.day)
    day = Day(
        base.day,
        inputs,
        stale=False,
        built=base.built_at,
        carga=may.carga,
        baixa=may.baixa,
        forced=may.forced,
        hindrances=() if may.carga else tuple(f"não enviado: {reason}" for reason in may.reasons),
    )
    return _decided(runtime, day)


def _decided(runtime: PortfolioRuntime, day: Day) -> Day:
    """The day with what was decided on sending it, and until when its carga waits."""
    words = [one for one in runtime.ledger.decisions(day.day) if one.what in SENDING]
    over = runtime.is_over(day.day)
    return replace(
        day,
        over=over,
        deadline=None if over else carga_due_at(runtime.portfolio, day.day),
        spoken=words[-1].at if words else None,
        words=tuple(one.what for one in words),
    )


def _refusal(runtime: PortfolioRuntime, day: date) -> str | None:
    """Why a day with files cannot be made now, in words; None when it can."""
    try:
        runtime.refuse_unfinished_import()
        runtime.refuse_if_no_partition(day)
    except AtomError as error:
        opens = runtime.calendar.previous(day)
        if day > runtime.now().date():
            return f"chegaram arquivos antes da hora: o dia pode ser feito a partir de {opens:%Y-%m-%d}"
        return str(error)
    return None
