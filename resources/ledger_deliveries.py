"""The ledger's part on telling people of alarms: what each channel is owed, and what it was told (FA001).

What is to be told is on the record before it is told, so nothing is lost. What is told together is a batch with a name,
which is on the record before it is sent as well. A batch that may have arrived (the process was killed, the receiver
did not answer) is sent again under the same name, so that a receiver can tell. Sending is in ``notify``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, case, func, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import Connection

from resources.ledger_section import Section
from resources.ledger_tables import alarms, deliveries

MOST_IN_A_BATCH = 40
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=30)


class AlarmEvent(StrEnum):
    OPENED = "opened"
    CLEARED = "cleared"


@dataclass(frozen=True)
class AlarmRecord:
    """An alarm on the record; ``cleared_at`` and ``cleared_why`` are empty while it is open."""

    id: int
    key: str
    kind: str
    day: date | None
    title: str
    message: str
    severity: str
    opened_at: datetime
    cleared_at: datetime | None
    cleared_why: str | None


@dataclass(frozen=True)
class Told:
    """One thing to tell: an alarm that opened, or that was cleared."""

    alarm: AlarmRecord
    event: AlarmEvent

    @property
    def id(self) -> str:
        """The same whenever and however often it is told."""
        return f"{self.alarm.id}-{self.event.value}"


@dataclass(frozen=True)
class Batch:
    """What goes to a channel in one message. ``name`` is its idempotency key.

    ``attempts`` counts the failures in a row before it. One that goes ``again`` may have arrived already.
    """

    name: str
    channel: str
    told: tuple[Told, ...]
    attempts: int
    again: bool

    def of(self, event: AlarmEvent) -> list[AlarmRecord]:
        return [one.alarm for one in self.told if one.event is event]


@dataclass(frozen=True)
class Backlog:
    """What a channel was not told yet, and why: ``last_error`` is empty when nothing was tried."""

    channel: str
    count: int
    last_error: str | None
    next_attempt_at: datetime | None


def waiting_time(attempts: int) -> timedelta:
    """How long a channel rests after so many failures in a row: 1, 2, 4, ... up to 30 minutes."""
    doubled: timedelta = FIRST_WAIT * 2 ** min(attempts - 1, 10)
    return min(doubled, LONGEST_WAIT)


class LedgerDeliveries(Section):
    """What the channels of one portfolio are owed and were told."""

    def next_batch(self, channel: str) -> Batch | None:
        """What to tell a channel now, in the order in which it happened; None while it rests or nothing is left.

        The batch is on the record when this returns. One that may have arrived before goes again, as it was.
        """
        now = self._clock()
        with self._transaction("alarms") as connection:
            rows = connection.execute(
                select(
                    deliveries.c.event, deliveries.c.batch, deliveries.c.attempts, deliveries.c.next_attempt_at, alarms
                )
                .join(alarms, alarms.c.id == deliveries.c.alarm_id)
                .where(alarms.c.portfolio == self.portfolio, self._pending(channel))
                .order_by(_happened_at(), alarms.c.id)
            ).all()
            if not rows or any(row.next_attempt_at is not None and row.next_attempt_at > now for row in rows):
                return None
            begun = next((row.batch for row in rows if row.batch is not None), None)
            chosen = [row for row in rows if row.batch == begun][: None if begun else MOST_IN_A_BATCH]
            told = tuple(Told(alarm_record(row), AlarmEvent(row.event)) for row in chosen)
            attempts = max(row.attempts for row in rows)
            batch = Batch(begun or uuid4().hex, channel, told, attempts, again=begun is not None)
            if begun is None:
                connection.execute(update(deliveries).where(self._of(batch)).values(batch=batch.name))
            return batch

    def mark_delivered(self, batch: Batch) -> None:
        """The channel took the batch. Idempotent."""
        with self._transaction("alarms") as connection:
            connection.execute(
                update(deliveries)
                .where(self._of(batch), deliveries.c.delivered_at.is_(None))
                .values(delivered_at=self._clock(), attempts=deliveries.c.attempts + 1, last_error=None)
            )

    def mark_not_delivered(
        self, batch: Batch, error: str, *, certain: bool, wait: timedelta = timedelta(0)
    ) -> datetime:
        """The channel rests for a while, or for ``wait`` if that is longer; returns until when.

        When it is ``certain`` that nothing arrived, what was in the batch goes with what comes meanwhile; a batch that
        may have arrived at an earlier attempt stays as it is.
        """
        attempts = batch.attempts + 1
        until = self._clock() + max(waiting_time(attempts), min(wait, LONGEST_WAIT))
        values: dict[str, Any] = {"attempts": attempts, "next_attempt_at": until, "last_error": error}
        with self._transaction("alarms") as connection:
            connection.execute(
                update(deliveries)
                .where(self._of(batch), deliveries.c.delivered_at.is_(None))
                .values(**values | ({"batch": None} if certain and not batch.again else {}))
            )
        return until

    def backlogs(self) -> list[Backlog]:
        """Of each channel what it was not told yet, by name."""
        query = (
            select(
                deliveries.c.channel,
                func.count().label("count"),
                func.max(deliveries.c.last_error).label("last_error"),
                func.max(deliveries.c.next_attempt_at).label("next_attempt_at"),
            )
            .join(alarms, alarms.c.id == deliveries.c.alarm_id)
            .where(alarms.c.portfolio == self.portfolio, deliveries.c.delivered_at.is_(None))
            .group_by(deliveries.c.channel)
            .order_by(deliveries.c.channel)
        )
        with self.engine.connect() as connection:
            return [Backlog(**row._mapping) for row in connection.execute(query)]

    def _owe(self, connection: Connection, channel: str, cleared: Sequence[int]) -> None:
        """A channel hears of all that is open, and of the end of what it was, or is to be, told."""
        event, zero = literal(AlarmEvent.OPENED.value), literal(0)
        still = select(alarms.c.id, event, literal(channel), zero).where(self._open_ones())
        ended = (
            select(deliveries.c.alarm_id, literal(AlarmEvent.CLEARED.value), literal(channel), zero)
            .where(deliveries.c.channel == channel, deliveries.c.event == AlarmEvent.OPENED.value)
            .where(deliveries.c.alarm_id == func.any(list(cleared)))
        )
        for chosen in (still, ended):
            statement = upsert(deliveries).from_select(["alarm_id", "event", "channel", "attempts"], chosen)
            connection.execute(statement.on_conflict_do_nothing())

    def _open_ones(self) -> ColumnElement[bool]:
        return (alarms.c.portfolio == self.portfolio) & alarms.c.cleared_at.is_(None)

    def _pending(self, channel: str) -> ColumnElement[bool]:
        return (deliveries.c.channel == channel) & deliveries.c.delivered_at.is_(None)

    def _of(self, batch: Batch) -> ColumnElement[bool]:
        told = [(one.alarm.id, one.event.value) for one in batch.told]
        return (deliveries.c.channel == batch.channel) & tuple_(deliveries.c.alarm_id, deliveries.c.event).in_(told)


def _happened_at() -> ColumnElement[Any]:
    return case((deliveries.c.event == AlarmEvent.CLEARED.value, alarms.c.cleared_at), else_=alarms.c.opened_at)


def alarm_record(row: Row[Any]) -> AlarmRecord:
    """The alarm of a row that has all of its columns."""
    return AlarmRecord(**{name: row._mapping[name] for name in AlarmRecord.__dataclass_fields__})
