"""From the drop to the archive and the ledger, once (DESIGN section 6, FAULTS 1 to 16).

Which names mean what is in ``drop_names``, when a file is stable or handled in ``atom_pipeline.plan.poll``; what a file
holds is not looked at here beyond the few bytes that tell two layouts apart. An error file that came back corrected
makes a new version of the file it is about: how is in ``corrections``. The order of steps loses nothing and repeats
nothing: download beside the archive, verify, rename into the archive, record in the ledger. A file that was archived
and not recorded is recognised by its bytes. The source is left as it is.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from atom_pipeline.calendar import WorkingCalendar
from atom_pipeline.errors import AtomError
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.names import NameMatch
from atom_pipeline.layout.reading import sniff
from atom_pipeline.plan.poll import DONE_SUFFIXES, Seen, has_done_file, is_done_file, is_handled
from atom_pipeline.plan.poll import Known as KnownName
from resources.corrections import DroppedErrors, apply_correction
from resources.drop_names import DropNames
from resources.durable import hash_file, sync_folder
from resources.file_server import FileServer, RemoteFile, printable
from resources.ledger import Ledger
from resources.ledger_files import Listed
from resources.ledger_records import Arrival, FileRecord, NewFile, Recorded, Sighting
from resources.retries import retry_may_help

LastSeen = tuple[int, datetime | None]  # size and time of a file at an earlier listing

_HEAD_BYTES = 64 * 1024
_UNFINISHED = ".parcial"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

logger = logging.getLogger(__name__)


class UndecidedLayout(AtomError):
    """Several layouts know the name, and the content does not say which one it is."""


@dataclass(frozen=True)
class Collected:
    """A file that is in the ledger now and was not before."""

    name: str
    layout: str
    day: date
    arrival: Arrival
    file_id: int
    size: int
    sha256: str


@dataclass(frozen=True)
class CollectError:
    """A file that could not be collected; the others were. It is tried again at the next poll."""

    name: str
    error: str  # the class of the error
    message: str
    retry_helps: bool = False  # whether it may go away without a person


@dataclass(frozen=True)
class CollectReport:
    """What a collection did. ``days`` are those whose input files are now others, oldest first."""

    collected: tuple[Collected, ...] = ()
    replaced: tuple[Collected, ...] = ()  # new versions of names that were known
    corrected: tuple[Collected, ...] = ()  # new versions made by error files that came back
    duplicates: tuple[Collected, ...] = ()
    same: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unstable: tuple[str, ...] = ()
    errors: tuple[CollectError, ...] = ()
    days: tuple[date, ...] = ()
    skipped: bool = False  # another process was collecting for the portfolio

    @property
    def ok(self) -> bool:
        return not self.errors


@dataclass(frozen=True)
class _Candidate:
    listed: RemoteFile
    matches: list[NameMatch]
    corrects: str | None = None  # the name of the file that it, an error file, is about


def collect(
    server: FileServer,
    catalogue: Catalogue,
    ledger: Ledger,
    archive_root: Path,
    calendar: WorkingCalendar,
    *,
    polls: int = 2,
    pause: float = 1.0,
    done_suffixes: Sequence[str] = DONE_SUFFIXES,
    others: Sequence[Catalogue] = (),
    only: Collection[str] | None = None,
    seen: Mapping[str, LastSeen] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> CollectReport:
    """Collect what is new and stable in the drop for one portfolio.

    A file is stable when two listings at least ``pause`` seconds apart show the same size and time, listings of
    earlier calls included, or when a done-file stands beside it. ``seen`` is an earlier listing made elsewhere, by
    name: what still is as it says is stable. ``others`` are the other portfolios of the drop: a file that only they
    know is theirs, and no stranger. ``only`` names the files to collect, and the report is about these. One process
    collects for a portfolio at a time; another gets a report that says ``skipped``. Raises FileServerError when the
    drop cannot be listed: that is never "no files".
    """
    with ledger.exclusive("coleta") as alone:
        if not alone:
            return CollectReport(skipped=True)
        names = DropNames(catalogue, calendar, others)
        run = _Collection(server, names, ledger, archive_root, tuple(done_suffixes), pause, seen or {})
        return run.collect(polls, sleep, only)


@dataclass
class _Collection:
    server: FileServer
    names: DropNames
    ledger: Ledger
    archive_root: Path
    done_suffixes: tuple[str, ...]
    pause: float
    seen: Mapping[str, LastSeen]
    looked_at: datetime = field(init=False)

    def collect(self, polls: int, sleep: Callable[[float], None], only: Collection[str] | None) -> CollectReport:
        self._make_archive()
        listing, sightings = self._look()
        for _ in range(polls - 1):
            asked = listing.keys() if only is None else listing.keys() & set(only)
            if all(self._is_stable(listing[name], sightings, listing) for name in asked):
                break
            sleep(self.pause)
            listing, sightings = self._look()
        candidates, unknown, unstable = self._sort(listing, sightings)
        if only is not None:
            candidates = [candidate for candidate in candidates if printable(candidate.listed.name) in only]
            unknown, unstable = [[name for name in names if name in only] for names in (unknown, unstable)]
        known = self.ledger.known_files(candidate.listed.name for candidate in candidates)
        same, found, errors, days = list[str](), list[Collected](), list[CollectError](), set[date]()
        corrected: list[Collected] = []
        for candidate in candidates:
            name = candidate.listed.name
            try:
                if self._is_settled(sightings[name], known.get(name), candidate):
                    same.append(name)
                    continue
                outcome, touched = self._correct(candidate) if candidate.corrects else self._collect(candidate)
            except SQLAlchemyError:
                raise  # without the ledger nothing can go on
            except Exception as error:  # one bad file must not keep the others from the day
                logger.warning("%s was not collected: %s", name, error, exc_info=not isinstance(error, AtomError))
                errors.append(CollectError(name, type(error).__name__, str(error), retry_may_help(error)))
                continue
            days |= touched
            if outcome.arrival is Arrival.SAME:
                same.append(name)
            else:
                (corrected if candidate.corrects else found).append(outcome)
        return CollectReport(
            collected=tuple(file for file in found if file.arrival is Arrival.NEW),
            replaced=tuple(file for file in found if file.arrival is Arrival.VERSION),
            corrected=tuple(corrected),
            duplicates=tuple(file for file in found if file.arrival is Arrival.DUPLICATE),
            same=tuple(same),
            unknown=tuple(unknown),
            unstable=tuple(unstable),
            errors=tuple(errors),
            days=tuple(sorted(days)),
        )

    def _look(self) -> tuple[dict[str, RemoteFile], dict[str, Sighting]]:
        """List the drop and remember it. A name that is not plain stands there in a printable form."""
        self.looked_at = self.ledger.now()
        listing = {printable(file.name): file for file in self.server.list()}
        return listing, self.ledger.record_listing([_listed(name, file) for name, file in listing.items()])

    def _sort(
        self, listing: dict[str, RemoteFile], sightings: dict[str, Sighting]
    ) -> tuple[list[_Candidate], list[str], list[str]]:
        """Which files can be collected now, in order of arrival, which no layout knows, which are not stable yet.

        Corrections come last: the file that one is about may be among the others, in a newer version.
        """
        candidates: list[_Candidate] = []
        corrections: list[_Candidate] = []
        unknown: list[str] = []
        unstable: list[str] = []
        for name, file in sorted(listing.items(), key=lambda item: (item[1].mtime or _LONG_AGO, item[0])):
            if is_done_file(name, listing, self.done_suffixes) or self.names.are_of_others(file.name):
                continue
            if not self._is_stable(file, sightings, listing):
                unstable.append(name)
                continue
            matches = self.names.matches(file.name)
            if matches:
                candidates.append(_Candidate(file, matches))
            elif about := self.names.corrects(file.name):
                corrections.append(_Candidate(file, [], corrects=about))
            else:
                unknown.append(name)
        self.ledger.record_unknown([_listed(name, listing[name]) for name in unknown])
        return candidates + corrections, unknown, unstable

    def _is_stable(self, file: RemoteFile, sightings: dict[str, Sighting], listing: dict[str, RemoteFile]) -> bool:
        name = printable(file.name)
        if has_done_file(name, listing, self.done_suffixes):
            return True
        if name in self.seen and self.seen[name] == (file.size, file.mtime):
            return True
        # A little less than the pause will do: clocks are set back a little now and then.
        return self.looked_at - sightings[name].first_seen_at >= timedelta(seconds=max(0.9 * self.pause, 1e-6))

    def _is_settled(self, sighting: Sighting, known: FileRecord | None, candidate: _Candidate) -> bool:
        """Whether what is in the drop is, without looking at its bytes, what was collected or applied before."""
        file, place = candidate.listed, (known.layout, known.day) if known else None
        seen = Seen(sighting.name, file.size, file.mtime)
        record = KnownName(sighting.size, sighting.mtime, sighting.first_seen_at, sighting.verified_at, place)
        return is_handled(seen, record, self.names.meaning(file.name))

    def _collect(self, candidate: _Candidate) -> tuple[Collected, frozenset[date]]:
        """Download, archive and record one file."""
        name = candidate.listed.name
        temporary = self._unfinished() / uuid.uuid4().hex
        try:
            downloaded = self.server.download(candidate.listed, temporary)
            match = self._decide(candidate, temporary)
            new = NewFile(
                name=name,
                layout=match.layout.layout,
                day=self.names.day(match),
                sha256=downloaded.sha256,
                size=downloaded.size,
                archived_path="",
                stamp=match.stamp,
                excel=match.excel,
            )
            recorded = self._recorded_as_corrected(new)
            if recorded is None:
                twin = self.ledger.same_bytes(new)
                new = replace(new, archived_path=self._archive(temporary, new, twin))
        finally:
            temporary.unlink(missing_ok=True)
        return self._outcome(name, recorded or self.ledger.record_file(new))

    def _recorded_as_corrected(self, new: NewFile) -> Recorded | None:
        """Nothing new, when the version in force is a correction of these bytes: the drop still has them."""
        known = self.ledger.corrected_version(new.name, new.sha256)
        if known is None or (known.layout, known.day) != (new.layout, new.day):
            return None
        return Recorded(Arrival.SAME, known, frozenset())

    def _correct(self, candidate: _Candidate) -> tuple[Collected, frozenset[date]]:
        """Download an error file that came back, and apply it to the file it is about."""
        name, about = candidate.listed.name, candidate.corrects or ""
        temporary, made = (self._unfinished() / uuid.uuid4().hex for _ in range(2))
        try:
            self.server.download(candidate.listed, temporary)
            recorded = apply_correction(
                DroppedErrors(name, about, temporary),
                made,
                catalogue=self.names.catalogue,
                ledger=self.ledger,
                archive_root=self.archive_root,
                archive=lambda local, new: self._archive(local, new, None),
            )
        finally:
            temporary.unlink(missing_ok=True)
            made.unlink(missing_ok=True)
        return self._outcome(name, recorded)

    def _outcome(self, name: str, recorded: Recorded) -> tuple[Collected, frozenset[date]]:
        """What was made of the drop's file ``name``, the bytes of which are known now."""
        self.ledger.record_verified(name)
        file = recorded.file
        if recorded.days:
            logger.info("%s: %s, %s, day %s", name, recorded.arrival, file.layout, file.day)
        outcome = Collected(file.name, file.layout, file.day, recorded.arrival, file.id, file.size, file.sha256)
        return outcome, recorded.days

    def _decide(self, candidate: _Candidate, local: Path) -> NameMatch:
        """The layout of a file: by its name, and by its first bytes when several layouts know the name."""
        if len(candidate.matches) == 1:
            return candidate.matches[0]
        with local.open("rb") as stream:
            layout = sniff([match.layout for match in candidate.matches], stream.read(_HEAD_BYTES))
        for match in candidate.matches:
            if layout is not None and match.layout.layout == layout.layout:
                return match
        names = ", ".join(match.layout.layout for match in candidate.matches)
        raise UndecidedLayout(
            f"{candidate.listed.name}: its name is of {names}, and its content does not say which; "
            "ask the sender for the file again, or correct the layout"
        )

    # The archive.

    def _make_archive(self) -> None:
        """The archive's folder, for its owner only, without what a killed collection left."""
        self.archive_root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._unfinished().mkdir(exist_ok=True)
        for leftover in self._unfinished().iterdir():
            leftover.unlink()

    def _unfinished(self) -> Path:
        return self.archive_root / _UNFINISHED

    def _archive(self, temporary: Path, new: NewFile, twin: FileRecord | None) -> str:
        """Put the bytes into the archive unless they are there, and return where, relative to it.

        A version never takes another's place: ``<name>``, then ``<name>.v2`` and so on.
        """
        if twin is not None and (self.archive_root / twin.archived_path).exists():
            return twin.archived_path
        folder = self.archive_root / new.day.isoformat() / new.layout
        folder.mkdir(parents=True, exist_ok=True)
        place, version = folder / new.name, 1
        while place.exists() and hash_file(place) != new.sha256:
            version += 1
            place = folder / f"{new.name}.v{version}"
        if not place.resolve().is_relative_to(self.archive_root.resolve()):
            raise AtomError(f"{printable(new.name)} would be outside the archive")
        if not place.exists():
            temporary.rename(place)
            for changed in (folder, folder.parent, self.archive_root):
                sync_folder(changed)
        return place.relative_to(self.archive_root).as_posix()


def _listed(name: str, file: RemoteFile) -> Listed:
    return Listed(name, file.size, file.mtime)
