"""The ledger as one look at it shows it, for those who only decide: every question is asked of the database once.

Reading belongs here, and nothing else: what is decided from it is in ``atom_pipeline.plan``. A look is for one decision
and is thrown away after it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import and_, func, literal, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.engine import Engine

from atom_pipeline.plan.poll import Known
from atom_pipeline.retention import Part
from resources.ledger import Ledger
from resources.ledger_records import Base, Decision, FileRecord, FileStatus, LoadedFile, VerdictRecord, Wave, WaveStatus
from resources.ledger_section import lock_key
from resources.ledger_tables import bases, files, sightings, unknown_files

T = TypeVar("T")

_HELD = text(
    "select distinct (classid::bigint << 32) | objid::bigint as key from pg_locks"
    " where locktype = 'advisory' and objsubid = 1 and granted"
    " and database = (select oid from pg_database where datname = current_database())"
    " and ((classid::bigint << 32) | objid::bigint) = any(:keys)"
)


@dataclass
class Memory:
    """The long lists of the last look, for the next one: years of days do not change every ten seconds.

    ``stamp`` is what tells that files or bases were recorded since: a file's status changes only with another file.
    """

    stamp: tuple[Any, ...] = ()
    answers: dict[tuple[Any, ...], Any] = field(default_factory=dict)


class LedgerLook(Ledger):
    """One portfolio's ledger, read only. The lists it gives are shared between its callers: they are not changed."""

    def __init__(self, engine: Engine, portfolio: str, memory: Memory | None = None) -> None:
        super().__init__(engine, portfolio)
        self._answers: dict[tuple[Any, ...], Any] = {}
        self._memory = memory or Memory()
        self._is_fresh = False

    def _once(self, question: Callable[..., T], *about: Any) -> T:
        return _answer(self._answers, question, *about)

    def _kept(self, question: Callable[..., T]) -> T:
        """An answer of this look or, where nothing was recorded since, of the last one."""
        if not self._is_fresh:
            stamp = self._stamp()
            if stamp != self._memory.stamp:
                self._memory.stamp = stamp
                self._memory.answers = {}
            self._is_fresh = True
        return _answer(self._memory.answers, question)

    def _stamp(self) -> tuple[Any, ...]:
        """Read before what it stands for: what is recorded in between is read again by the next look."""
        of_files = select(func.count(), func.max(files.c.id)).where(files.c.portfolio == self.portfolio)
        said = func.concat_ws("|", bases.c.day, bases.c.hash, bases.c.inputs, bases.c.built_at)
        of_bases = select(func.md5(func.string_agg(said, aggregate_order_by(literal(","), bases.c.day))))
        of_bases = of_bases.where(bases.c.portfolio == self.portfolio)
        with self.engine.connect() as connection:
            return (*connection.execute(of_files).one(), *connection.execute(of_bases).one())

    def bases(self, first: date | None = None, last: date | None = None) -> list[Base]:
        every = self._kept(super().bases)
        return [base for base in every if (first or base.day) <= base.day <= (last or base.day)]

    def decisions(self, day: date | None = None) -> list[Decision]:
        return [one for one in self._once(super().decisions) if day in (None, one.day)]

    def identities(self) -> dict[date, list[tuple[str, str, str]]]:
        return self._kept(super().identities)

    def files(self, day: date, layout: str | None = None, *, every: bool = False) -> list[FileRecord]:
        if every:
            return super().files(day, layout, every=True)
        return [file for file in self._once(super().files, day) if layout in (None, file.layout)]

    def loads(self, day: date, layout: str | None = None) -> list[LoadedFile]:
        return [one for one in self._once(super().loads, day) if layout in (None, one.file.layout)]

    def verdicts(self, day: date) -> list[VerdictRecord]:
        return self._once(super().verdicts, day)

    def waves(self, day: date | None = None, status: WaveStatus | None = None) -> list[Wave]:
        return self._once(super().waves, day, status)

    def last_sent_wave(self) -> Wave | None:
        return self._once(super().last_sent_wave)

    def pruned_before(self, part: Part) -> date | None:
        return self._once(super().pruned_before, part)

    def drop_names(self) -> dict[str, Known]:
        """What is known of every name of the last recorded listing, by name. One query, also for a full drop."""
        mine = sightings.c.portfolio == self.portfolio
        in_force = and_(
            files.c.portfolio == sightings.c.portfolio,
            files.c.name == sightings.c.name,
            files.c.status != FileStatus.REPLACED,
        )
        reported = and_(
            unknown_files.c.portfolio == sightings.c.portfolio,
            unknown_files.c.name == sightings.c.name,
            unknown_files.c.gone_at.is_(None),
            unknown_files.c.size == sightings.c.size,
            unknown_files.c.mtime.is_not_distinct_from(sightings.c.mtime),
        )
        query = (
            select(
                sightings.c.name,
                sightings.c.size,
                sightings.c.mtime,
                sightings.c.first_seen_at,
                sightings.c.verified_at,
                files.c.layout,
                files.c.day,
                unknown_files.c.name.is_not(None).label("reported"),
            )
            .select_from(sightings.outerjoin(files, in_force).outerjoin(unknown_files, reported))
            .where(mine)
        )
        with self.engine.connect() as connection:
            return {
                name: Known(size, mtime, first, verified, (layout, day) if layout else None, bool(told))
                for name, size, mtime, first, verified, layout, day, told in connection.execute(query)
            }

    def held(self, activities: Collection[str]) -> set[str]:
        """Which of these activities (``exclusive``) some process is at, this very moment."""
        keys = {lock_key(activity, self.portfolio): activity for activity in activities}
        with self.engine.connect() as connection:
            return {keys[key] for key in connection.execute(_HELD, {"keys": list(keys)}).scalars()}


def _answer(answers: dict[tuple[Any, ...], Any], question: Callable[..., T], *about: Any) -> T:
    key = (question.__name__, *about)
    if key not in answers:
        answers[key] = question(*about)
    found: T = answers[key]
    return found
