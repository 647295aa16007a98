"""The ledger's part on alarms: which are open and which ended (FA001), and what they are about in other tables.

Which alarms there should be is decided in ``atom_pipeline.alarms``; who was told is in ``ledger_deliveries``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import Connection

from atom_pipeline.alarms import Changes
from resources.ledger_deliveries import AlarmRecord, LedgerDeliveries, alarm_record
from resources.ledger_tables import alarms, bases, files, loads, verdicts


@dataclass(frozen=True)
class RecordedChanges:
    opened: tuple[AlarmRecord, ...]
    cleared: tuple[AlarmRecord, ...]


@dataclass(frozen=True)
class RefusedLoad:
    """A current file that was refused whole."""

    day: date
    layout: str
    name: str
    version: int
    message: str


class LedgerAlarms(LedgerDeliveries):
    """Alarms of one portfolio."""

    def open_alarms(self, day: date | None = None) -> list[AlarmRecord]:
        """The open alarms, oldest first; of one day or all of them."""
        query = select(alarms).where(alarms.c.portfolio == self.portfolio, alarms.c.cleared_at.is_(None))
        if day is not None:
            query = query.where(alarms.c.day == day)
        with self.engine.connect() as connection:
            return [alarm_record(row) for row in connection.execute(query.order_by(alarms.c.id))]

    def record_alarms(self, changes: Changes, channels: Collection[str]) -> RecordedChanges:
        """Open and clear alarms, and put on the record that each channel is to be told. Idempotent.

        A channel is told of every open alarm once, so one that is set up later hears of those that are open then.
        """
        now = self._clock()
        with self._transaction("alarms") as connection:
            opened = self._open(connection, changes, now)
            self._reword(connection, changes)
            cleared = self._clear(connection, changes, now)
            for channel in sorted(channels):
                self._owe(connection, channel, [alarm.id for alarm in cleared])
        return RecordedChanges(tuple(opened), tuple(cleared))

    def _open(self, connection: Connection, changes: Changes, now: datetime) -> list[AlarmRecord]:
        if not changes.to_open:
            return []
        rows = [
            {
                "portfolio": self.portfolio,
                "key": alarm.key,
                "kind": alarm.kind.value,
                "day": alarm.day,
                "title": alarm.title,
                "message": alarm.message,
                "severity": alarm.severity.value,
                "opened_at": now,
            }
            for alarm in changes.to_open
        ]
        statement = upsert(alarms).values(rows)
        statement = statement.on_conflict_do_nothing(
            index_elements=["portfolio", "key"], index_where=alarms.c.cleared_at.is_(None)
        )
        return [alarm_record(row) for row in connection.execute(statement.returning(alarms))]

    def _reword(self, connection: Connection, changes: Changes) -> None:
        """Keep what the panel shows of an open alarm up to date; nobody is told again."""
        for alarm in changes.to_keep:
            connection.execute(
                update(alarms)
                .where(self._open_ones(), alarms.c.key == alarm.key, alarms.c.message != alarm.message)
                .values(title=alarm.title, message=alarm.message, severity=alarm.severity.value)
            )

    def _clear(self, connection: Connection, changes: Changes, now: datetime) -> list[AlarmRecord]:
        cleared = [
            connection.execute(
                update(alarms)
                .where(self._open_ones(), alarms.c.key == one.key)
                .values(cleared_at=now, cleared_why=one.why)
                .returning(alarms)
            ).one_or_none()
            for one in changes.to_clear
        ]
        return [alarm_record(row) for row in cleared if row is not None]

    # What alarms ask of the other tables.

    def began(self) -> date | None:
        """The first day of which the ledger knows a file or a base."""
        with self.engine.connect() as connection:
            days = [
                connection.execute(
                    select(func.min(table.c.day)).where(table.c.portfolio == self.portfolio)
                ).scalar_one()
                for table in (files, bases)
            ]
        return min((day for day in days if day is not None), default=None)

    def refused_loads(self, days: Collection[date], since: datetime) -> list[RefusedLoad]:
        """The current files that were refused whole, of these days or collected since then; oldest first."""
        message = func.coalesce(loads.c.message, "").label("message")
        query = (
            select(files.c.day, files.c.layout, files.c.name, files.c.version, message)
            .join(loads, loads.c.file_id == files.c.id)
            .where(files.c.portfolio == self.portfolio, files.c.status == "current", loads.c.outcome == "refused")
            .where((files.c.day == func.any(list(days))) | (files.c.collected_at >= since))
            .order_by(files.c.arrival)
        )
        with self.engine.connect() as connection:
            return [RefusedLoad(**row._mapping) for row in connection.execute(query)]

    def held_days(self, since: datetime) -> list[date]:
        """The days of which a guard held a step since then and nobody released it."""
        query = select(verdicts.c.day).where(
            verdicts.c.portfolio == self.portfolio,
            verdicts.c.held,
            verdicts.c.released_by.is_(None),
            verdicts.c.at >= since,
        )
        with self.engine.connect() as connection:
            return list(connection.execute(query.distinct().order_by(verdicts.c.day)).scalars())
