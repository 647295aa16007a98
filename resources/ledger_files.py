"""The ledger's part on files: what was seen, collected and loaded (DESIGN section 6).

Names, versions and duplicates are decided here, in one transaction per file; the bytes are the collector's concern.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import Connection

from resources.ledger_records import (
    Arrival,
    FileRecord,
    FileStatus,
    Load,
    LoadedFile,
    NewFile,
    Recorded,
    Sighting,
    UnknownFile,
)
from resources.ledger_section import Section
from resources.ledger_tables import files, loads, sightings, unknown_files


@dataclass(frozen=True)
class Listed:
    """A name of a listing, for the tables that remember listings."""

    name: str
    size: int
    mtime: datetime | None


class LedgerFiles(Section):
    """Files, loads, sightings and unknown names of one portfolio."""

    def record_file(self, new: NewFile) -> Recorded:
        """Record a collected file, deciding what it is (FAULTS 6, 7 and 8). Idempotent.

        The same name, bytes, layout and day again is ``same``. A known name otherwise is a new ``version``, and the
        earlier one is ``replaced``; a duplicate of the earlier one, if any, takes its place. The bytes of another
        current file of the layout and day are a ``duplicate``.
        """
        with self._transaction("files") as connection:
            known = _in_force(connection, self.portfolio, new.name)
            if known and (known.sha256, known.layout, known.day) == (new.sha256, new.layout, new.day):
                return Recorded(Arrival.SAME, known, frozenset())
            days = self._replace(connection, known) if known else set()
            twin = _twin(connection, self.portfolio, new)
            original = twin and twin.id
            arrival = connection.execute(
                select(func.coalesce(func.max(files.c.arrival), 0) + 1).where(files.c.portfolio == self.portfolio)
            ).scalar_one()
            version = connection.execute(
                select(func.coalesce(func.max(files.c.version), 0) + 1).where(
                    files.c.portfolio == self.portfolio, files.c.name == new.name
                )
            ).scalar_one()
            row = connection.execute(
                insert(files)
                .values(
                    **asdict(new),
                    portfolio=self.portfolio,
                    version=version,
                    status=FileStatus.CURRENT if original is None else FileStatus.DUPLICATE,
                    duplicate_of=original,
                    arrival=arrival,
                    collected_at=self._clock(),
                )
                .returning(files)
            ).one()
            if original is None:
                days.add(new.day)
            outcome = Arrival.DUPLICATE if original is not None else Arrival.VERSION if known else Arrival.NEW
            return Recorded(outcome, _file(row), frozenset(days))

    def _replace(self, connection: Connection, known: FileRecord) -> set[date]:
        """Take a version out of force; returns the day it no longer feeds, if it did."""
        connection.execute(
            update(files).where(files.c.id == known.id).values(status=FileStatus.REPLACED, duplicate_of=None)
        )
        if known.status is not FileStatus.CURRENT:
            return set()
        twins = (
            connection.execute(select(files.c.id).where(files.c.duplicate_of == known.id).order_by(files.c.arrival))
            .scalars()
            .all()
        )
        if twins:
            heir, *others = twins
            connection.execute(
                update(files).where(files.c.id == heir).values(status=FileStatus.CURRENT, duplicate_of=None)
            )
            connection.execute(update(files).where(files.c.id.in_(others)).values(duplicate_of=heir))
        return {known.day}

    def same_bytes(self, new: NewFile) -> FileRecord | None:
        """The current file of the layout and day that has these very bytes, under whatever name."""
        with self.engine.connect() as connection:
            return _twin(connection, self.portfolio, new)

    def known_files(self, names: Iterable[str]) -> dict[str, FileRecord]:
        """The version in force (current or duplicate) of each of these names that was ever collected."""
        wanted = list(names)
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(files).where(
                    files.c.portfolio == self.portfolio,
                    files.c.status != FileStatus.REPLACED,
                    files.c.name == func.any(wanted),
                )
            )
            return {row.name: _file(row) for row in rows}

    def versions(self, name: str) -> list[FileRecord]:
        """Every version of a name that was ever collected, newest first."""
        query = select(files).where(files.c.portfolio == self.portfolio, files.c.name == name)
        with self.engine.connect() as connection:
            return [_file(row) for row in connection.execute(query.order_by(files.c.version.desc()))]

    def files(self, day: date, layout: str | None = None, *, every: bool = False) -> list[FileRecord]:
        """The day's current files in order of arrival; with ``every``, replaced ones and duplicates as well."""
        query = select(files).where(files.c.portfolio == self.portfolio, files.c.day == day)
        if layout is not None:
            query = query.where(files.c.layout == layout)
        if not every:
            query = query.where(files.c.status == FileStatus.CURRENT)
        with self.engine.connect() as connection:
            return [_file(row) for row in connection.execute(query.order_by(files.c.arrival))]

    def first_arrivals(self, day: date) -> dict[str, int]:
        """Of each name with a current file on the day, the arrival of its first version.

        A new version takes the place of the file it corrects, so that what follows the order of arrival
        (`Enriquecimento n`) does not change because of it.
        """
        current = select(files.c.name).where(
            files.c.portfolio == self.portfolio, files.c.day == day, files.c.status == FileStatus.CURRENT
        )
        query = (
            select(files.c.name, func.min(files.c.arrival).label("arrival"))
            .where(files.c.portfolio == self.portfolio, files.c.name.in_(current))
            .group_by(files.c.name)
        )
        with self.engine.connect() as connection:
            return {row.name: row.arrival for row in connection.execute(query)}

    def identities(self) -> dict[date, list[tuple[str, str, str]]]:
        """(layout, name, sha256) of every current file by day, oldest day first."""
        query = select(files.c.day, files.c.layout, files.c.name, files.c.sha256).where(
            files.c.portfolio == self.portfolio, files.c.status == FileStatus.CURRENT
        )
        found: dict[date, list[tuple[str, str, str]]] = {}
        with self.engine.connect() as connection:
            for day, layout, name, sha256 in connection.execute(query.order_by(files.c.day, files.c.arrival)):
                found.setdefault(day, []).append((layout, name, sha256))
        return found

    def days_with_files(self) -> list[date]:
        """The days that have a current file, oldest first."""
        query = select(files.c.day).where(files.c.portfolio == self.portfolio, files.c.status == FileStatus.CURRENT)
        with self.engine.connect() as connection:
            return list(connection.execute(query.distinct().order_by(files.c.day)).scalars())

    def record_load(self, load: Load) -> Load:
        """Record what reading a file gave; a later reading of the same file replaces it."""
        values = asdict(load) | {"loaded_at": self._clock()}
        statement = upsert(loads).values(values)
        statement = statement.on_conflict_do_update(
            index_elements=[loads.c.file_id],
            set_={name: statement.excluded[name] for name in values if name != "file_id"},
        )
        with self.engine.begin() as connection:
            return _load(connection.execute(statement.returning(loads)).one())

    def loads(self, day: date, layout: str | None = None) -> list[LoadedFile]:
        """What reading the day's current files gave, in order of arrival; files not read yet are absent."""
        current = self.files(day, layout)
        found = self.loads_of(current)
        return [LoadedFile(file, found[file.id]) for file in current if file.id in found]

    def loads_of(self, read: Iterable[FileRecord]) -> dict[int, Load]:
        """What reading these files gave, by the file's id; files not read yet are absent."""
        wanted = [file.id for file in read]
        if not wanted:
            return {}
        with self.engine.connect() as connection:
            rows = connection.execute(select(loads).where(loads.c.file_id == func.any(wanted)))
            return {row.file_id: _load(row) for row in rows}

    # Listings.

    def record_listing(self, listed: Sequence[Listed]) -> dict[str, Sighting]:
        """Remember a listing; returns, by name, since when each file is as it is. Names no longer listed go.

        Only what changed is written, so that a poll of a full and quiet drop costs one query.
        """
        now = self._clock()
        with self._transaction("sightings") as connection:
            rows = connection.execute(select(sightings).where(sightings.c.portfolio == self.portfolio))
            before = {row.name: Sighting(**_values(row)) for row in rows}
            after: dict[str, Sighting] = {}
            for file in listed:
                known = before.get(file.name)
                unchanged = known is not None and (known.size, known.mtime) == (file.size, file.mtime)
                after[file.name] = known if known and unchanged else Sighting(file.name, file.size, file.mtime, now)
            gone = list(before.keys() - after.keys())
            if gone:
                connection.execute(
                    delete(sightings).where(sightings.c.portfolio == self.portfolio, sightings.c.name == func.any(gone))
                )
            changed = [asdict(one) for name, one in after.items() if one is not before.get(name)]
            if changed:
                statement = upsert(sightings)
                columns = ("size", "mtime", "first_seen_at", "verified_at")
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=list(sightings.primary_key),
                        set_={name: statement.excluded[name] for name in columns},
                    ),
                    [{"portfolio": self.portfolio, **one} for one in changed],
                )
        return after

    def record_verified(self, name: str) -> None:
        """The bytes behind the name's last sighting were hashed and are in the ledger."""
        with self.engine.begin() as connection:
            connection.execute(
                update(sightings)
                .where(sightings.c.portfolio == self.portfolio, sightings.c.name == name)
                .values(verified_at=self._clock())
            )

    def record_unknown(self, listed: Sequence[Listed]) -> None:
        """Remember the names of the last listing that no layout knows, all of them; others are marked as gone."""
        now = self._clock()
        with self._transaction("unknown_files") as connection:
            rows = connection.execute(
                select(unknown_files).where(
                    unknown_files.c.portfolio == self.portfolio, unknown_files.c.gone_at.is_(None)
                )
            )
            before = {row.name: (row.size, row.mtime) for row in rows}
            gone = list(before.keys() - {file.name for file in listed})
            if gone:
                connection.execute(
                    update(unknown_files)
                    .where(unknown_files.c.portfolio == self.portfolio, unknown_files.c.name == func.any(gone))
                    .values(gone_at=now)
                )
            changed = [file for file in listed if before.get(file.name) != (file.size, file.mtime)]
            if changed:
                statement = upsert(unknown_files)
                new = statement.excluded
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=list(unknown_files.primary_key),
                        set_={"size": new.size, "mtime": new.mtime, "gone_at": None},
                    ),
                    [{"portfolio": self.portfolio, "first_seen_at": now, **asdict(file)} for file in changed],
                )

    def unknown_files(self, *, gone: bool = False) -> list[UnknownFile]:
        """Names that no layout knows, still there by the last listing; with ``gone``, all that were ever seen."""
        query = select(unknown_files).where(unknown_files.c.portfolio == self.portfolio)
        if not gone:
            query = query.where(unknown_files.c.gone_at.is_(None))
        with self.engine.connect() as connection:
            found = connection.execute(query.order_by(unknown_files.c.name))
            return [UnknownFile(**_values(row)) for row in found]


def _in_force(connection: Connection, portfolio: str, name: str) -> FileRecord | None:
    row = connection.execute(
        select(files).where(files.c.portfolio == portfolio, files.c.name == name, files.c.status != FileStatus.REPLACED)
    ).one_or_none()
    return _file(row) if row else None


def _twin(connection: Connection, portfolio: str, new: NewFile) -> FileRecord | None:
    row = connection.execute(
        select(files).where(
            files.c.portfolio == portfolio,
            files.c.layout == new.layout,
            files.c.day == new.day,
            files.c.sha256 == new.sha256,
            files.c.status == FileStatus.CURRENT,
        )
    ).one_or_none()
    return _file(row) if row else None


def _values(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != "portfolio"}


def _file(row: Row[Any]) -> FileRecord:
    return FileRecord(**_values(row) | {"status": FileStatus(row.status)})


def _load(row: Row[Any]) -> Load:
    return Load(**_values(row))
