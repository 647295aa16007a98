"""What the ledger knows now of all that an alarm may be about. What Dagster knows of runs and sensors is added to it.

Questions only, and few of them: this is asked every minute. Nothing here speaks to a file server, so that alarms work
while the drop or Manager does not answer.
"""

from __future__ import annotations

from datetime import date, datetime, time

from atom_pipeline.alarm_facts import (
    WATCHED,
    Carga,
    DayAtHand,
    Facts,
    HeldStep,
    RefusedFile,
    StaleDay,
    UndeliveredWave,
    days_at_hand,
    days_watched,
)
from atom_pipeline.day import SENDING, Decision, Sending, carga_due_at
from atom_pipeline.layout.model import Stage
from resources.ledger_records import RESETS, WaveStatus
from resources.runtime import PortfolioRuntime


def ledger_facts(runtime: PortfolioRuntime) -> Facts:
    """The facts of this moment that the ledger knows; runs, checks and sensors are left empty."""
    now, ledger = runtime.now(), runtime.ledger
    watched = days_watched(runtime.calendar, now.date())
    horizon = now - WATCHED
    return Facts(
        now=now,
        at_hand=tuple(_at_hand(runtime, day) for day in days_at_hand(runtime.calendar, now.date(), ledger.began())),
        refused=tuple(
            RefusedFile(load.day, load.layout, load.name, load.version, load.message)
            for load in ledger.refused_loads(watched, horizon)
        ),
        held=tuple(
            HeldStep(day, verdict.guard, verdict.message)
            for day in ledger.held_days(horizon)
            for verdict in runtime.verdicts(day)
            if verdict.stands_in_the_way
        ),
        unknown=tuple(file.name for file in sorted(ledger.unknown_files(), key=lambda one: one.first_seen_at)),
        waves=tuple(
            UndeliveredWave(wave.label, wave.day, wave.planned_at) for wave in ledger.waves(status=WaveStatus.PLANNED)
        ),
        stale=_first_stale(runtime),
    )


def _at_hand(runtime: PortfolioRuntime, day: date) -> DayAtHand:
    batimento = {layout.layout for layout in runtime.layouts(Stage.BATIMENTO)}
    came = any(file.layout in batimento for file in runtime.day_files(day))
    return DayAtHand(
        day=day,
        expected=tuple(runtime.expected(day)),
        carga=_carga(runtime, day),
        batimento_waits=tuple(runtime.batimento_waits(day)) if came else (),
        waivers={one.name: one.waived_by for one in runtime.portfolio.expects if one.waived_by},
    )


def _carga(runtime: PortfolioRuntime, day: date) -> Carga:
    """Before its deadline nobody is told of a carga, and nothing is asked about it."""
    deadline = carga_due_at(runtime.portfolio, day)
    if runtime.now() < deadline:
        return Carga(deadline, awaited=False)
    waves = [wave for wave in runtime.ledger.waves(day, WaveStatus.SENT) if wave.kind in RESETS]
    words = [one.what for one in runtime.taken(day) if one.what in SENDING]
    sending = runtime.sending(day)
    return Carga(
        deadline,
        awaited=not waves and not _imported(runtime, day) and _may_go(sending),
        without=waves[-1].note if waves else "",
        by_decision=words[-1:] == [Decision.SEND_NOW],
        reasons=sending.reasons,
    )


def _may_go(sending: Sending) -> bool:
    """Baixas never wait: where they may not go, nothing of the day may, by decision or since a later day was sent."""
    return sending.carga or sending.baixa


def _imported(runtime: PortfolioRuntime, day: date) -> bool:
    base = runtime.ledger.base(day)
    return base is not None and base.imported


def _first_stale(runtime: PortfolioRuntime) -> StaleDay | None:
    """The first day to be made, and since when it waits: the last that came or was decided, of any version.

    A day whose files came early waits from the moment it can be made.
    """
    stale = runtime.stale()
    if not stale:
        return None
    day, now = stale[0], runtime.now()
    opens = datetime.combine(runtime.calendar.previous(day), time.min, tzinfo=runtime.zone)
    moments: list[datetime] = [file.collected_at for file in runtime.ledger.files(day, every=True)]
    moments += [decision.at for decision in runtime.ledger.decisions(day)]
    since = max(moments, default=now)
    return StaleDay(day, since if now < opens else max(since, opens), opens=opens)
