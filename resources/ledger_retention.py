"""The ledger's part on retention: what was removed by age, and when, so that nobody takes it for lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

from sqlalchemy import func, insert, select

from atom_pipeline.retention import Part
from resources.ledger_files import LedgerFiles
from resources.ledger_records import FileStatus
from resources.ledger_tables import files, prunings


@dataclass(frozen=True)
class Pruning:
    """What of a part was of a day before ``before`` was removed: so many things, so many bytes."""

    part: Part
    before: date
    items: int
    bytes: int
    at: datetime | None = None  # set by the ledger


class LedgerRetention(LedgerFiles):
    """Prunings of one portfolio."""

    def record_prunings(self, done: Sequence[Pruning]) -> None:
        """Record what is about to be removed, so that a removal that is killed halfway is none the less known."""
        if done:
            with self.engine.begin() as connection:
                values = [{**asdict(one), "portfolio": self.portfolio, "at": self._clock()} for one in done]
                connection.execute(insert(prunings), values)

    def prunings(self, part: Part | None = None) -> list[Pruning]:
        """Every pruning, or those of a part, oldest first."""
        query = select(prunings).where(prunings.c.portfolio == self.portfolio)
        if part is not None:
            query = query.where(prunings.c.part == part)
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(prunings.c.id))
            return [Pruning(Part(row.part), row.before, row.items, row.bytes, row.at) for row in rows]

    def pruned_before(self, part: Part) -> date | None:
        """What of the part was of a day before this one was removed; None when nothing ever was."""
        query = select(func.max(prunings.c.before)).where(
            prunings.c.portfolio == self.portfolio, prunings.c.part == part
        )
        with self.engine.connect() as connection:
            found: date | None = connection.execute(query).scalar_one()
            return found

    def behind_retention(self) -> list[tuple[date, str]]:
        """(day, name) of the files collected for a day that can no longer be made, since the last pruning.

        They are never read: what is in them is missing from the base.
        """
        found = self.prunings(Part.ARCHIVE)
        if not found:
            return []
        last = found[-1]
        query = select(files.c.day, files.c.name).where(
            files.c.portfolio == self.portfolio,
            files.c.status == FileStatus.CURRENT,
            files.c.day < last.before,
            files.c.collected_at > last.at,
        )
        with self.engine.connect() as connection:
            return [(row.day, row.name) for row in connection.execute(query.order_by(files.c.day, files.c.arrival))]
