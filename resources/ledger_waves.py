"""The ledger's part on waves: what was planned for and sent to Manager, in order, once (DESIGN section 6).

One wave at a time is on its way: the next is planned against what Manager has, so it waits for the one before. The
files and rows of a wave are in the lake; sending them is in ``publish``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.engine import Connection

from resources.ledger_records import RESETS, Wave, WaveFile, WaveKind, WaveStatus
from resources.ledger_section import LedgerError, Section
from resources.ledger_tables import waves


class Busy(LedgerError):
    """Another process is doing this for the portfolio now; it is safe to try again later."""

    retry_helps = True


class WaveRefused(LedgerError):
    """The wave may not be planned, sent or cancelled now: it would be out of order."""


@dataclass(frozen=True)
class WaveSlot:
    """The next wave of a day, reserved while the block that gave it lasts."""

    day: date
    number: int


class LedgerWaves(Section):
    """Waves of one portfolio."""

    @contextmanager
    def wave_slot(self, day: date) -> Iterator[WaveSlot]:
        """Reserve the day's next wave number, alone, until the block ends; ``plan_wave`` inside it uses it up.

        Raises Busy when another process plans or sends, WaveRefused when a wave is still planned and not sent, or a
        later day's wave was sent already.
        """
        with self.exclusive("ondas") as alone:
            if not alone:
                raise Busy("another process is planning or sending a wave")
            with self.engine.connect() as connection:
                self._in_order(connection, day)
                pending = connection.execute(
                    select(waves.c.day, waves.c.number).where(self._mine(), waves.c.status == WaveStatus.PLANNED)
                ).one_or_none()
                if pending is not None:
                    raise WaveRefused(
                        f"wave {pending.day:%Y-%m-%d}/{pending.number:02d} is planned and not sent: "
                        "send it or cancel it first"
                    )
                number = connection.execute(
                    select(func.coalesce(func.max(waves.c.number), 0) + 1).where(self._mine(), waves.c.day == day)
                ).scalar_one()
            yield WaveSlot(day, number)

    def plan_wave(
        self,
        slot: WaveSlot,
        kind: WaveKind,
        *,
        files: Sequence[WaveFile],
        rows_path: str,
        rows_sha256: str,
        note: str = "",
    ) -> Wave:
        """Record a wave whose rows and files are in the lake already. Raises WaveRefused when out of order."""
        with self._transaction("waves") as connection:
            self._in_order(connection, slot.day)
            row = connection.execute(
                insert(waves)
                .values(
                    portfolio=self.portfolio,
                    day=slot.day,
                    number=slot.number,
                    kind=WaveKind(kind),
                    files=[file.as_json() for file in files],
                    rows_path=rows_path,
                    rows_sha256=rows_sha256,
                    status=WaveStatus.PLANNED,
                    planned_at=self._clock(),
                    note=note,
                )
                .returning(waves)
            ).one()
            return _wave(row)

    def mark_wave_sent(self, wave: Wave) -> Wave:
        """Every file of the wave is at Manager. Idempotent. Raises WaveRefused when cancelled or out of order."""
        with self._transaction("waves") as connection:
            found = self._current(connection, wave)
            if found.status is WaveStatus.SENT:
                return found
            if found.status is WaveStatus.CANCELLED:
                raise WaveRefused(f"wave {wave.label} was cancelled")
            self._in_order(connection, wave.day)
            return self._change(connection, wave, status=WaveStatus.SENT, sent_at=self._clock())

    def mark_wave_cancelled(self, wave: Wave, note: str) -> Wave:
        """A planned wave will not be sent; ``publish.cancel_wave`` makes sure that none of it was. Idempotent."""
        with self._transaction("waves") as connection:
            found = self._current(connection, wave)
            if found.status is WaveStatus.CANCELLED:
                return found
            if found.status is WaveStatus.SENT:
                raise WaveRefused(f"wave {wave.label} was sent and cannot be cancelled")
            return self._change(connection, wave, status=WaveStatus.CANCELLED, note=note)

    def refuse_if_out_of_order(self, day: date) -> None:
        """No wave goes for a day older than the last one sent. Raises WaveRefused."""
        with self.engine.connect() as connection:
            self._in_order(connection, day)

    def waves(self, day: date | None = None, status: WaveStatus | None = None) -> list[Wave]:
        """Waves in the order they were planned, of one day or of all, of one status or of any."""
        query = select(waves).where(self._mine())
        if day is not None:
            query = query.where(waves.c.day == day)
        if status is not None:
            query = query.where(waves.c.status == status)
        with self.engine.connect() as connection:
            return [_wave(row) for row in connection.execute(query.order_by(waves.c.id))]

    def wave(self, day: date, number: int) -> Wave | None:
        return next((wave for wave in self.waves(day) if wave.number == number), None)

    def last_sent_wave(self) -> Wave | None:
        with self.engine.connect() as connection:
            row = connection.execute(
                select(waves)
                .where(self._mine(), waves.c.status == WaveStatus.SENT)
                .order_by(waves.c.id.desc())
                .limit(1)
            ).one_or_none()
            return _wave(row) if row else None

    def waves_manager_has(self, up_to: Wave | None = None) -> list[Wave]:
        """The sent waves that say what Manager has: from the last ``carga`` (or ``importacao``) on, in order.

        With ``up_to``, as it was when that wave had been sent.
        """
        sent = [w for w in self.waves(status=WaveStatus.SENT) if up_to is None or w.id <= up_to.id]
        start = max((place for place, wave in enumerate(sent) if wave.kind in RESETS), default=0)
        return sent[start:]

    def _mine(self) -> Any:
        return waves.c.portfolio == self.portfolio

    def _in_order(self, connection: Connection, day: date) -> None:
        newest = connection.execute(
            select(func.max(waves.c.day)).where(self._mine(), waves.c.status == WaveStatus.SENT)
        ).scalar_one()
        if newest is not None and day < newest:
            raise WaveRefused(f"no wave goes for {day:%Y-%m-%d}: one of {newest:%Y-%m-%d} was sent already")

    def _current(self, connection: Connection, wave: Wave) -> Wave:
        row = connection.execute(select(waves).where(self._mine(), waves.c.id == wave.id)).one_or_none()
        if row is None:
            raise LedgerError(f"wave {wave.label} is not in the ledger of {self.portfolio}")
        return _wave(row)

    def _change(self, connection: Connection, wave: Wave, **values: Any) -> Wave:
        row = connection.execute(update(waves).where(waves.c.id == wave.id).values(**values).returning(waves)).one()
        return _wave(row)


def _wave(row: Row[Any]) -> Wave:
    values = {name: value for name, value in row._mapping.items() if name != "portfolio"}
    return Wave(
        **values
        | {
            "kind": WaveKind(row.kind),
            "status": WaveStatus(row.status),
            "files": tuple(WaveFile(**file) for file in row.files),
        }
    )
