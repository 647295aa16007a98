"""The ledger's part on corrections: which bytes of a file were made from which, by an error file that came back.

What a correction is, and whether it may be applied, is in ``corrections``.
"""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from resources.ledger_files import LedgerFiles
from resources.ledger_records import Correction, FileRecord
from resources.ledger_tables import corrections


class LedgerCorrections(LedgerFiles):
    """Files of one portfolio, and the corrections made to them."""

    def record_correction(self, correction: Correction) -> None:
        """Record that one version of a name is a correction of another. Recorded again, it stays as it was."""
        values = asdict(correction) | {"portfolio": self.portfolio, "at": self._clock()}
        with self.engine.begin() as connection:
            connection.execute(upsert(corrections).values(values).on_conflict_do_nothing())

    def corrections(self, name: str) -> list[Correction]:
        """The corrections ever made to a name, oldest first."""
        query = select(corrections).where(corrections.c.portfolio == self.portfolio, corrections.c.name == name)
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(corrections.c.at, corrections.c.sha256))
            return [Correction(row.name, row.sha256, row.corrects, row.lines, row.error_file, row.at) for row in rows]

    def corrected_version(self, name: str, sha256: str) -> FileRecord | None:
        """The version in force of a name, when it was made from these bytes by one correction or several."""
        in_force = self.known_files([name]).get(name)
        if in_force is None:
            return None
        made_from: dict[str, set[str]] = {}
        for correction in self.corrections(name):
            made_from.setdefault(correction.sha256, set()).add(correction.corrects)
        earlier: set[str] = set()
        ahead = {in_force.sha256}
        while ahead:
            found = made_from.get(ahead.pop(), set()) - earlier
            earlier |= found
            ahead |= found
        return in_force if sha256 in earlier else None
