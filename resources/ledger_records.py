"""What the ledger takes and gives: frozen values, no connection, no SQL.

A record's fields are named as the columns of its table in ``ledger_tables``. Instants are timezone-aware, in UTC; a
file's ``stamp`` is the wall clock time written in its name, and has no zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal

from atom_pipeline.day import Decision as DayDecision
from atom_pipeline.rules.guards import Guard


class FileStatus(StrEnum):
    CURRENT = "current"
    REPLACED = "replaced"  # a newer version of the same name came
    DUPLICATE = "duplicate"  # the bytes of another current file of the same layout and day


class Arrival(StrEnum):
    """What a collected file is to those known already (FAULTS 6 to 8)."""

    NEW = "new"
    VERSION = "version"
    DUPLICATE = "duplicate"
    SAME = "same"


class WaveStatus(StrEnum):
    PLANNED = "planned"
    SENT = "sent"
    CANCELLED = "cancelled"


class WaveKind(StrEnum):
    """``carga`` says anew all that Manager has; ``importacao`` does so at go-live, and sends no file."""

    CARGA = "carga"
    INCREMENTAL = "incremental"
    BAIXA = "baixa"
    IMPORTACAO = "importacao"


RESETS = frozenset({WaveKind.CARGA, WaveKind.IMPORTACAO})

GUARDS = tuple(guard.value for guard in Guard)
RELEASES = {guard.released_by: guard.value for guard in Guard}
IMPORT_BASE = "import-base"  # taken by the command that starts the base, not about a day that is made
DECISIONS = (*(decision.value for decision in DayDecision), IMPORT_BASE)


@dataclass(frozen=True)
class NewFile:
    """A collected file to record. ``archived_path`` is relative to the archive's folder, with ``/``."""

    name: str
    layout: str
    day: date
    sha256: str
    size: int
    archived_path: str
    stamp: datetime | None = None
    excel: bool = False


@dataclass(frozen=True)
class FileRecord:
    """One version of a collected file. ``arrival`` is the order of arrival, from 1, within the portfolio."""

    id: int
    name: str
    layout: str
    day: date
    stamp: datetime | None
    sha256: str
    size: int
    version: int
    status: FileStatus
    duplicate_of: int | None
    arrival: int
    archived_path: str
    excel: bool
    collected_at: datetime


@dataclass(frozen=True)
class Recorded:
    """What recording did. ``days`` are the working days whose input files are now others."""

    arrival: Arrival
    file: FileRecord
    days: frozenset[date]


@dataclass(frozen=True)
class Correction:
    """Bytes of a name (``sha256``) that are those of ``corrects`` with some lines changed by an error file.

    ``error_file`` is where that file lies, relative to the archive's folder.
    """

    name: str
    sha256: str
    corrects: str
    lines: int
    error_file: str
    at: datetime | None = None  # set by the ledger


@dataclass(frozen=True)
class Sighting:
    """A name as the last listing showed it; ``verified_at`` is when its bytes were last hashed and recorded."""

    name: str
    size: int
    mtime: datetime | None
    first_seen_at: datetime  # with this size and mtime
    verified_at: datetime | None = None


@dataclass(frozen=True)
class UnknownFile:
    """A name that no layout knows; ``gone_at`` is when a listing no longer had it."""

    name: str
    size: int
    mtime: datetime | None
    first_seen_at: datetime
    gone_at: datetime | None


@dataclass(frozen=True)
class Load:
    """What reading a file gave. accepted + refused = read; ``code`` and ``message`` say why it was refused whole."""

    file_id: int
    outcome: Literal["loaded", "refused"]
    code: str | None = None
    message: str | None = None
    rows_read: int = 0
    rows_accepted: int = 0
    rows_refused: int = 0
    rows_superseded: int = 0  # taken out by the layout's merge policy
    refused_by_reason: Mapping[str, int] = field(default_factory=dict)
    flags: Mapping[str, int] = field(default_factory=dict)
    version_since: date | None = None  # of the layout, that the file follows; None when no version could read it
    seconds: float = 0.0
    loaded_at: datetime | None = None  # set by the ledger


@dataclass(frozen=True)
class LoadedFile:
    file: FileRecord
    load: Load


@dataclass(frozen=True)
class VerdictRecord:
    """A guard's verdict on a step whose inputs have this fingerprint."""

    day: date
    guard: str
    fingerprint: str
    held: bool
    numbers: Mapping[str, Any]
    message: str
    released_by: int | None
    at: datetime

    @property
    def stands_in_the_way(self) -> bool:
        return self.held and self.released_by is None


@dataclass(frozen=True)
class Decision:
    """An operator's decision. ``reference`` is the fingerprint it releases; empty where it is about the day."""

    id: int
    day: date
    what: str
    why: str
    author: str
    reference: str | None
    at: datetime


@dataclass(frozen=True)
class Base:
    """The base of a day: hashes of its tables and of all it was made from. ``waiting`` is for people, by step.

    An ``imported`` one was not made from files: it is what the agency had at go-live.
    """

    day: date
    hash: str
    tables: Mapping[str, str]
    inputs: str
    previous_day: date | None
    previous_hash: str | None
    complete: bool
    waiting: Mapping[str, Any]
    imported: bool = False
    built_at: datetime | None = None  # set by the ledger


@dataclass(frozen=True)
class WaveFile:
    """A file of a wave. ``path`` is its copy in the lake, which is what is sent."""

    name: str
    layout: str
    rows: int
    size: int
    sha256: str
    path: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Wave:
    """What was, or will be, sent to Manager at once; ``number`` counts from 1 within the day."""

    id: int
    day: date
    number: int
    kind: WaveKind
    files: tuple[WaveFile, ...]
    rows_path: str
    rows_sha256: str
    status: WaveStatus
    planned_at: datetime
    sent_at: datetime | None
    note: str

    @property
    def label(self) -> str:
        return f"{self.day:%Y-%m-%d}/{self.number:02d}"


@dataclass(frozen=True)
class Output:
    """A file written for people, e.g. an error file."""

    day: date
    kind: str
    name: str
    url: str
    sha256: str
    rows: int
    at: datetime | None = None  # set by the ledger
