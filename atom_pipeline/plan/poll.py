"""What of a drop must be collected now, what is left alone and why (DESIGN section 6, FAULTS 3, 5, 10, 15 and 30).

A file is collected when it is stable: two polls in a row showed the same size and time, or a done-file stands beside
it. What was seen and is not handled yet is remembered between polls in a cursor, which is bounded and is empty when
nothing is pending. What is handled is the ledger's to say, so a cursor that is lost loses no file. A file asked for and
not handled is asked for again, more and more slowly and forever: a server may be down for days.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

# A file rewritten within the resolution of its server's clock keeps its size and time: until this has passed since the
# time it shows, the bytes are looked at again (FAULTS 10).
RESOLUTION = timedelta(minutes=2)
DONE_SUFFIXES = (".done", ".ok")
MOST_PENDING = 1000
# Pauses after an attempt that left a file as it was: the last one is kept to for good. The first lets the next poll,
# a minute later, try again.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (45, 300, 900, 1800))
# Pauses after a refusal of access, however many there were: an account must not be locked (FAULTS 13 and 14).
REFUSAL_PAUSES = tuple(timedelta(minutes=minutes) for minutes in (10, 30, 60))
_NAMES_SAID = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Place = tuple[str, object]  # a layout's name and a working day


class Kind(StrEnum):
    """What a name means to a portfolio."""

    FILE = "file"  # one of its layouts
    CORRECTION = "correction"  # an error file that comes back
    OTHERS = "others"  # of another portfolio of the drop
    UNKNOWN = "unknown"  # no layout knows it


@dataclass(frozen=True)
class Meaning:
    """``places`` are the layout and working day that a name may mean; several when the content decides."""

    kind: Kind
    places: frozenset[Place] = frozenset()


@dataclass(frozen=True)
class Seen:
    """A file as a listing showed it, under its printable name."""

    name: str
    size: int
    mtime: datetime | None


@dataclass(frozen=True)
class Known:
    """What the ledger knows of a name. ``first_seen_at`` is since when it has had this size and time.

    ``verified_at`` is when its bytes were last recorded, None when they never were as they are now; ``place`` is where
    the file in force belongs; ``reported`` says that it was told, in this size and time, that no layout knows it.
    """

    size: int
    mtime: datetime | None
    first_seen_at: datetime
    verified_at: datetime | None = None
    place: Place | None = None
    reported: bool = False


@dataclass(frozen=True)
class Pending:
    """What a poll remembers of a file that is not handled: as it was, since when, and how often it was asked for."""

    size: int
    mtime: datetime | None
    since: datetime
    attempts: int = 0
    asked: datetime | None = None


Cursor = Mapping[str, Pending]


@dataclass(frozen=True)
class PollPlan:
    """``collect`` are the files to ask for now, ``key`` names this very request; ``said`` is for people, by line.

    The same drop, ledger and cursor give the same key, so that a poll that was killed and repeated asks once.
    """

    collect: tuple[Seen, ...]
    key: str
    attempt: int
    cursor: Cursor
    said: tuple[str, ...]


def settled_at(size: int, mtime: datetime | None, known: Known | None) -> datetime | None:
    """From when on a file that was verified counts as handled; None when its bytes, as it shows now, never were.

    Until then its clock's resolution could hide a change, and it is to be verified once more.
    """
    if known is None or known.verified_at is None or (known.size, known.mtime) != (size, mtime):
        return None
    shown = known.first_seen_at if known.mtime is None else min(known.mtime, known.first_seen_at)
    return shown + RESOLUTION


def is_handled(file: Seen, known: Known | None, meaning: Meaning) -> bool:
    """Whether what is in the drop is, without a look at its bytes, what was collected, applied or reported before."""
    if meaning.kind is Kind.OTHERS:
        return True
    if meaning.kind is Kind.UNKNOWN:
        return known is not None and known.reported and (known.size, known.mtime) == (file.size, file.mtime)
    settled = settled_at(file.size, file.mtime, known)
    if known is None or known.verified_at is None or settled is None or known.verified_at < settled:
        return False
    return meaning.kind is Kind.CORRECTION or known.place in meaning.places


def is_done_file(name: str, names: Collection[str], suffixes: Sequence[str] = DONE_SUFFIXES) -> bool:
    """Whether a name only says that another file of the listing is complete."""
    if not name.endswith(tuple(suffixes)):
        return False
    return any(name.endswith(suffix) and name.removesuffix(suffix) in names for suffix in suffixes)


def has_done_file(name: str, names: Collection[str], suffixes: Sequence[str] = DONE_SUFFIXES) -> bool:
    """Whether a file of the listing says that this one is complete."""
    return bool(names) and any(f"{name}{suffix}" in names for suffix in suffixes)


def plan_poll(
    listing: Sequence[Seen],
    known: Mapping[str, Known],
    cursor: Cursor,
    meaning: Callable[[str], Meaning],
    now: datetime,
    *,
    running: str | None = None,
    suffixes: Sequence[str] = DONE_SUFFIXES,
    limit: int = MOST_PENDING,
) -> PollPlan:
    """Decide what to collect. ``running`` says which collection is under way, if one is: the next waits for it."""
    names = {file.name for file in listing}
    marks = {name for name in names if is_done_file(name, names, suffixes)}
    ready: list[tuple[Seen, Pending]] = []  # stable and due
    later: list[tuple[Seen, Pending, str]] = []  # remembered, with the reason
    handled, strangers = 0, list[str]()
    for file in listing:
        if file.name in marks:
            continue
        means, record = meaning(file.name), known.get(file.name)
        if is_handled(file, record, means):
            handled += means.kind is not Kind.OTHERS
            strangers += [file.name] if means.kind is Kind.UNKNOWN else []
            continue
        before = cursor.get(file.name)
        same = before is not None and (before.size, before.mtime) == (file.size, file.mtime)
        entry = before if before is not None and same else Pending(file.size, file.mtime, now)
        settled = settled_at(file.size, file.mtime, record)
        if not (same or settled is not None or has_done_file(file.name, marks, suffixes)):
            grew = f"era de {before.size} bytes, agora {file.size}" if before else "visto agora pela primeira vez"
            later.append((file, entry, f"ainda não está estável ({grew})"))
        elif (due := max(settled or _EPOCH, _next_attempt(entry, now))) > now:
            why = "será conferido outra vez" if settled else f"tentativa {entry.attempts + 1}"
            later.append((file, entry, f"{why} às {due.astimezone(now.tzinfo):%H:%M:%S}"))
        else:
            ready.append((file, entry))
    # Oldest first, and what was asked for before after what never was: a file that cannot be collected keeps nothing
    # else from its turn.
    ready.sort(key=lambda one: (one[1].attempts, one[1].since, one[0].mtime or _EPOCH, one[0].name))
    later.sort(key=lambda one: (one[1].attempts, one[1].since, one[0].mtime or _EPOCH, one[0].name))
    chosen = [] if running else ready[:limit]
    kept = {file.name: entry for file, entry in ready[:limit]}
    kept |= {file.name: replace(entry, attempts=entry.attempts + 1, asked=now) for file, entry in chosen}
    kept |= {file.name: entry for file, entry, _ in later[: limit - len(kept)]}
    said = [f"{file.name}: {why}" for file, _, why in later[:_NAMES_SAID]]
    said += [f"e mais {len(later) - _NAMES_SAID} arquivo(s) à espera"] if len(later) > _NAMES_SAID else []
    if running and ready:
        said.insert(0, f"{len(ready)} arquivo(s) para coletar depois da coleta em andamento ({running})")
    if strangers:
        said.append(f"nomes que nenhum layout conhece, já relatados: {_some(strangers)}")
    said.append(f"{len(listing)} arquivo(s) na entrada, {handled} já tratado(s)")
    return PollPlan(
        collect=tuple(file for file, _ in chosen),
        key=_key(chosen),
        attempt=max((entry.attempts + 1 for _, entry in chosen), default=0),
        cursor=kept,
        said=tuple(said),
    )


def wait_after_refusals(refusals: Sequence[datetime], now: datetime) -> datetime | None:
    """Until when no server is asked again after refusals of access (any order); None when it may be asked."""
    if not refusals:
        return None
    until = max(refusals) + REFUSAL_PAUSES[min(len(refusals), len(REFUSAL_PAUSES)) - 1]
    return until if until > now else None


def read_cursor(text: str | None) -> dict[str, Pending]:
    """A cursor that a poll left. One that nobody can read is as none: what is pending is then seen anew."""
    try:
        entries = json.loads(text or "{}")
        return {name: _pending(*values) for name, values in entries.items()}
    except (ValueError, TypeError, AttributeError, OverflowError):
        return {}


def write_cursor(cursor: Cursor) -> str:
    """The cursor as text: name to size, time, since, attempts, asked; instants in microseconds."""
    entries = {
        name: [one.size, _micros(one.mtime), _micros(one.since), one.attempts, _micros(one.asked)]
        for name, one in sorted(cursor.items())
    }
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":"))


def _next_attempt(entry: Pending, now: datetime) -> datetime:
    """When a stable file may be asked for; at once where it never was, or where the clock was set back since."""
    if entry.asked is None or entry.asked > now:
        return _EPOCH
    return entry.asked + PAUSES[min(max(entry.attempts, 1), len(PAUSES)) - 1]


def _key(chosen: Sequence[tuple[Seen, Pending]]) -> str:
    lines = [
        f"{file.name}\0{file.size}\0{_micros(file.mtime)}\0{_micros(entry.since)}\0{entry.attempts}"
        for file, entry in chosen
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:32] if lines else ""


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SAID
    return ", ".join(names[:_NAMES_SAID]) + (f" e mais {more}" if more > 0 else "")


def _pending(size: int, mtime: int | None, since: int, attempts: int, asked: int | None) -> Pending:
    seen = _instant(since)
    if seen is None:
        raise ValueError("an entry without its first sighting")
    return Pending(int(size), _instant(mtime), seen, int(attempts), _instant(asked))


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=int(micros))
