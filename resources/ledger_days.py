"""The ledger's part on days: guards' verdicts, operators' decisions, bases and outputs (DESIGN sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import Connection

from resources.ledger_records import DECISIONS, GUARDS, RELEASES, Base, Decision, Output, VerdictRecord
from resources.ledger_section import LedgerError, Section
from resources.ledger_tables import bases, decisions, outputs, verdicts


class LedgerDays(Section):
    """Verdicts, decisions, bases and outputs of one portfolio."""

    def record_verdict(
        self, day: date, guard: str, fingerprint: str, *, held: bool, numbers: Mapping[str, Any], message: str
    ) -> VerdictRecord:
        """Record a guard's verdict on inputs with this fingerprint. A release given for them stands."""
        if guard not in GUARDS:
            raise LedgerError(f"no guard is called {guard}: one of {', '.join(GUARDS)}")
        with self._transaction("decisions") as connection:
            released = _release(connection, self.portfolio, day, guard, fingerprint)
            statement = upsert(verdicts).values(
                portfolio=self.portfolio,
                day=day,
                guard=guard,
                fingerprint=fingerprint,
                held=held,
                numbers=dict(numbers),
                message=message,
                released_by=released,
                at=self._clock(),
            )
            changing = ("held", "numbers", "message", "released_by", "at")
            row = connection.execute(
                statement.on_conflict_do_update(
                    index_elements=list(verdicts.primary_key),
                    set_={name: statement.excluded[name] for name in changing},
                ).returning(verdicts)
            ).one()
            return VerdictRecord(**_values(row))

    def verdicts(self, day: date) -> list[VerdictRecord]:
        """The day's verdicts, oldest first; the last of a guard is the one in force."""
        query = select(verdicts).where(verdicts.c.portfolio == self.portfolio, verdicts.c.day == day)
        with self.engine.connect() as connection:
            found = connection.execute(query.order_by(verdicts.c.at, verdicts.c.guard))
            return [VerdictRecord(**_values(row)) for row in found]

    def decide(self, day: date, what: str, *, why: str, author: str, reference: str | None = None) -> Decision:
        """Put an operator's decision on the record (DESIGN section 4). The same one given twice stands once.

        A release applies to the inputs that were held: those of ``reference``, by default of the guard's newest
        verdict of the day. Raises LedgerError when the word, the reason or the author is missing or nothing is held.
        """
        why, author = why.strip(), author.strip()
        if what not in DECISIONS:
            raise LedgerError(f"{what!r} is no decision: one of {', '.join(DECISIONS)}")
        if not why or not author:
            raise LedgerError(f"{what} of {day:%Y-%m-%d} needs a reason and an author")
        guard = RELEASES.get(what)
        if guard is None and reference is not None:
            raise LedgerError(f"{what} is about the day, it takes no reference")
        with self._transaction("decisions") as connection:
            if guard is not None and reference is None:
                reference = _held(connection, self.portfolio, day, guard)
            newest = connection.execute(
                select(decisions)
                .where(decisions.c.portfolio == self.portfolio, decisions.c.day == day)
                .order_by(decisions.c.id.desc())
                .limit(1)
            ).one_or_none()
            given = (what, why, author, reference)
            if newest and (newest.what, newest.why, newest.author, newest.reference) == given:
                return Decision(**_values(newest))
            row = connection.execute(
                insert(decisions)
                .values(
                    portfolio=self.portfolio,
                    day=day,
                    what=what,
                    why=why,
                    author=author,
                    reference=reference,
                    at=self._clock(),
                )
                .returning(decisions)
            ).one()
            if guard is not None:
                connection.execute(
                    update(verdicts)
                    .where(
                        verdicts.c.portfolio == self.portfolio,
                        verdicts.c.day == day,
                        verdicts.c.guard == guard,
                        verdicts.c.fingerprint == reference,
                    )
                    .values(released_by=row.id)
                )
            return Decision(**_values(row))

    def decisions(self, day: date | None = None) -> list[Decision]:
        """The decisions about a day, or about all, in the order they were taken."""
        query = select(decisions).where(decisions.c.portfolio == self.portfolio)
        if day is not None:
            query = query.where(decisions.c.day == day)
        with self.engine.connect() as connection:
            return [Decision(**_values(row)) for row in connection.execute(query.order_by(decisions.c.id))]

    # Bases.

    def record_base(self, base: Base) -> Base:
        """Record the base of a day; made again, it replaces the one before."""
        values = asdict(base) | {"portfolio": self.portfolio, "built_at": self._clock()}
        statement = upsert(bases).values(values)
        with self.engine.begin() as connection:
            row = connection.execute(
                statement.on_conflict_do_update(
                    index_elements=list(bases.primary_key),
                    set_={name: statement.excluded[name] for name in values if name not in {"portfolio", "day"}},
                ).returning(bases)
            ).one()
            return Base(**_values(row))

    def base(self, day: date) -> Base | None:
        found = self.bases(first=day, last=day)
        return found[0] if found else None

    def newest_base(self) -> Base | None:
        found = self.bases()
        return found[-1] if found else None

    def newest_base_before(self, day: date) -> Base | None:
        """The base that ``day`` starts from. It need not be the working day before: a day may have no files.

        Raises LedgerError for a day that is not after an imported base, which stands for it and all days before it.
        """
        with self.engine.connect() as connection:
            mine = select(bases.c.day).where(bases.c.portfolio == self.portfolio)
            began = connection.execute(mine.where(bases.c.imported, bases.c.day >= day)).scalar_one_or_none()
            if began is not None:
                raise LedgerError(
                    f"the base of {began:%Y-%m-%d} was imported: {day:%Y-%m-%d} is never made from files, "
                    f"run the days after {began:%Y-%m-%d}"
                )
            row = connection.execute(
                select(bases)
                .where(bases.c.portfolio == self.portfolio, bases.c.day < day)
                .order_by(bases.c.day.desc())
                .limit(1)
            ).one_or_none()
            return Base(**_values(row)) if row else None

    def bases(self, first: date | None = None, last: date | None = None) -> list[Base]:
        """The bases from ``first`` to ``last``, both included, oldest first."""
        query = select(bases).where(bases.c.portfolio == self.portfolio)
        if first is not None:
            query = query.where(bases.c.day >= first)
        if last is not None:
            query = query.where(bases.c.day <= last)
        with self.engine.connect() as connection:
            return [Base(**_values(row)) for row in connection.execute(query.order_by(bases.c.day))]

    # Outputs for people.

    def record_output(self, output: Output) -> Output:
        """Record a file written for people; written again, it replaces the record before."""
        values = asdict(output) | {"portfolio": self.portfolio, "at": self._clock()}
        statement = upsert(outputs).values(values)
        with self.engine.begin() as connection:
            row = connection.execute(
                statement.on_conflict_do_update(
                    index_elements=list(outputs.primary_key),
                    set_={name: statement.excluded[name] for name in ("url", "sha256", "rows", "at")},
                ).returning(outputs)
            ).one()
            return Output(**_values(row))

    def forget_output(self, output: Output) -> None:
        """Remove the record of a file that is no longer there. Idempotent."""
        with self.engine.begin() as connection:
            connection.execute(
                delete(outputs).where(
                    outputs.c.portfolio == self.portfolio,
                    outputs.c.day == output.day,
                    outputs.c.kind == output.kind,
                    outputs.c.name == output.name,
                )
            )

    def outputs(self, day: date, kind: str | None = None) -> list[Output]:
        """The day's files for people, ordered by kind and name."""
        query = select(outputs).where(outputs.c.portfolio == self.portfolio, outputs.c.day == day)
        if kind is not None:
            query = query.where(outputs.c.kind == kind)
        with self.engine.connect() as connection:
            found = connection.execute(query.order_by(outputs.c.kind, outputs.c.name))
            return [Output(**_values(row)) for row in found]


def _release(connection: Connection, portfolio: str, day: date, guard: str, fingerprint: str) -> int | None:
    return connection.execute(
        select(decisions.c.id)
        .where(
            decisions.c.portfolio == portfolio,
            decisions.c.day == day,
            decisions.c.what == f"release-{guard}",
            decisions.c.reference == fingerprint,
        )
        .order_by(decisions.c.id)
        .limit(1)
    ).scalar_one_or_none()


def _held(connection: Connection, portfolio: str, day: date, guard: str) -> str:
    """The fingerprint of the guard's newest verdict, which must be a held one. Raises LedgerError."""
    row = connection.execute(
        select(verdicts.c.fingerprint, verdicts.c.held)
        .where(verdicts.c.portfolio == portfolio, verdicts.c.day == day, verdicts.c.guard == guard)
        .order_by(verdicts.c.at.desc())
        .limit(1)
    ).one_or_none()
    if row is None or not row.held:
        raise LedgerError(f"{guard} of {day:%Y-%m-%d} is not held: there is nothing to release")
    return str(row.fingerprint)


def _values(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != "portfolio"}
