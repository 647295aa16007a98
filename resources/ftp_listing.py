"""What an FTP server's listing says: MLSD's facts (RFC 3659), and the lines of LIST that servers without it send.

Pure functions over bytes. A line that is not understood is an error: a file that is not seen would be a file that never
came. Names are UTF-8; other bytes are kept as surrogates, so that the name is seen and known not to be plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from resources.transport import RemoteFile

# drwxr-xr-x 1 owner group 4096 Nov 22 12:43 name — some servers leave the group out, some groups hold blanks.
_UNIX = re.compile(
    rb"(?P<kind>[-bcdlps])[-rwxsStTlL]{9}[+.@]?\s+\d+\s+(?:\S+\s+){1,4}?(?P<size>\d+)\s+"
    rb"(?P<time>[A-Za-z]{3}\s+\d{1,2}\s+(?:\d{4}|\d{1,2}:\d{2})|\d{4}-\d{2}-\d{2}\s+\d{2}:\d{2}) (?P<name>.+)",
    re.DOTALL,
)
# 11-22-26  12:43PM  <DIR>  name
_DOS = re.compile(
    rb"(?P<time>\d{2}-\d{2}-\d{2,4}\s+\d{1,2}:\d{2}(?:[AP]M)?)\s+(?P<size><DIR>|\d+)\s(?P<name>.+)", re.DOTALL
)
_DAY = "%b %d %Y"
_TIMES = ("%Y-%m-%d %H:%M", "%m-%d-%y %I:%M%p", "%m-%d-%Y %I:%M%p", "%m-%d-%y %H:%M", "%m-%d-%Y %H:%M")
_QUARTER = timedelta(minutes=15)  # of which every time zone is a multiple
_FARTHEST = timedelta(hours=14)


class UnreadableListing(ValueError):
    """A line of a listing is not understood."""


@dataclass(frozen=True)
class Entry:
    """A file in a listing of LIST. ``time`` is by the server's clock on the wall, ``to_the_minute`` or only the day."""

    name: str
    size: int
    time: datetime
    to_the_minute: bool = True


def decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def read_mlsd(listing: bytes) -> list[RemoteFile]:
    """The files of an MLSD listing; folders and links are left out. Raises UnreadableListing."""
    found: list[RemoteFile] = []
    for line in _lines(listing):
        facts, blank, name = line.partition(b" ")
        if not blank or not name:
            raise UnreadableListing(f"line {_shown(line)}")
        file = read_facts(decode(name), facts)
        if file is not None:
            found.append(file)
    return found


def read_facts(name: str, facts: bytes) -> RemoteFile | None:
    """What the facts of MLSD or MLST say of a name, or None when it is no file. Raises UnreadableListing."""
    pairs = (fact.partition("=") for fact in facts.decode("ascii", "replace").split(";"))
    values: Mapping[str, str] = {key.strip().lower(): value for key, _, value in pairs}
    if "type" not in values:
        raise UnreadableListing(f"facts without a type: {_shown(facts)}")
    if values["type"].lower() != "file":
        return None
    if not values.get("size", "").isascii() or not values.get("size", "").isdigit():
        raise UnreadableListing(f"a file without a size: {_shown(facts)}")
    modify = values.get("modify")
    return RemoteFile(name, int(values["size"]), None if modify is None else read_time(modify))


def read_time(value: str) -> datetime:
    """A time of RFC 3659, ``YYYYMMDDHHMMSS[.sss]`` in UTC. Raises UnreadableListing."""
    try:
        whole, _, fraction = value.strip().partition(".")
        moment = datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return moment.replace(microsecond=int(fraction[:6].ljust(6, "0"))) if fraction else moment
    except ValueError:
        raise UnreadableListing(f"a time: {_shown(value.encode())}") from None


def read_list(listing: bytes, now: datetime) -> list[Entry]:
    """The files of a LIST listing, of Unix's or of DOS's kind, some months before ``now``. Raises UnreadableListing."""
    found: list[Entry] = []
    for line in _lines(listing):
        if re.fullmatch(rb"total \d+", line.strip()):
            continue
        match = _UNIX.fullmatch(line) or _DOS.fullmatch(line)
        if match is None:
            raise UnreadableListing(f"line {_shown(line)}")
        is_file = match["kind"] == b"-" if match.re is _UNIX else match["size"] != b"<DIR>"
        if is_file:
            found.append(Entry(decode(match["name"]), int(match["size"]), *_time_of(match["time"], now)))
    return found


def zone_of(times: Iterable[tuple[datetime, datetime]]) -> timedelta:
    """How far the server's clock on the wall is behind UTC, by pairs of the same time on both. Zero without pairs.

    A file that was written between one and the other shows too much: the middle one of several is believed.
    """
    behind = sorted(round((utc.replace(tzinfo=None) - wall) / _QUARTER) * _QUARTER for wall, utc in times)
    possible = [zone for zone in behind if abs(zone) <= _FARTHEST]
    return possible[(len(possible) - 1) // 2] if possible else timedelta(0)


def _time_of(text: bytes, now: datetime) -> tuple[datetime, bool]:
    written = " ".join(text.decode("ascii").split())
    for form in (*_TIMES, _DAY):
        with suppress(ValueError):
            return datetime.strptime(written, form), form != _DAY
    for year in (now.year + 1, now.year, now.year - 1):  # the newest that is not to come; a zone may be a day ahead
        with suppress(ValueError):
            moment = datetime.strptime(f"{year} {written}", "%Y %b %d %H:%M")
            if moment <= now.replace(tzinfo=None) + timedelta(days=1):
                return moment, True
    raise UnreadableListing(f"a time: {_shown(text)}")


def _lines(listing: bytes) -> list[bytes]:
    """A line ends with CR LF, where the server keeps to the protocol: a name may hold a line feed."""
    return [line for line in listing.split(b"\r\n" if b"\r\n" in listing else b"\n") if line]


def _shown(line: bytes) -> str:
    return ascii(line[:80])[1:]
