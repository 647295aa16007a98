"""What an FTP server's listing says: MLSD's facts (RFC 3659), and the lines of LIST that servers without it send.

Pure functions over bytes. A line that is not understood is an error: a file that is not seen would be a file that never
came. Names are UTF-8; other bytes are kept as surrogates, so that the name is seen and known not to be plain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from resources.transport import RemoteFile

# drwxr-xr-x 1 owner group 4096 Nov 22 12:43 name — some servers leave the group out, some groups hold blanks.
_UNIX = re.compile(
    rb"(?P<kind>[-bcdlps])[-rwxsStTlL]{9}[+.@]?\s+\d+\s+(?:\S+\s+){1,4}?(?P<size>\d+)\s+"
    rb"(?:[A-Za-z]{3}\s+\d{1,2}\s+(?:\d{4}|\d{1,2}:\d{2})|\d{4}-\d{2}-\d{2}\s+\d{2}:\d{2}) (?P<name>.+)",
    re.DOTALL,
)
# 11-22-26  12:43PM  <DIR>  name
_DOS = re.compile(rb"\d{2}-\d{2}-\d{2,4}\s+\d{1,2}:\d{2}(?:[AP]M)?\s+(?P<size><DIR>|\d+)\s(?P<name>.+)", re.DOTALL)


class UnreadableListing(ValueError):
    """A line of a listing is not understood."""


@dataclass(frozen=True)
class Entry:
    """A line of LIST: a file's name and size. Its time is asked for by MDTM: the one here has no zone nor seconds."""

    name: str
    size: int


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


def read_list(listing: bytes) -> list[Entry]:
    """The files of a LIST listing, of Unix's or of DOS's kind. Raises UnreadableListing."""
    found: list[Entry] = []
    for line in _lines(listing):
        if re.fullmatch(rb"total \d+", line.strip()):
            continue
        if unix := _UNIX.fullmatch(line):
            if unix["kind"] == b"-" and unix["name"] not in {b".", b".."}:
                found.append(Entry(decode(unix["name"]), int(unix["size"])))
        elif dos := _DOS.fullmatch(line):
            if dos["size"] != b"<DIR>":
                found.append(Entry(decode(dos["name"]), int(dos["size"])))
        else:
            raise UnreadableListing(f"line {_shown(line)}")
    return found


def _lines(listing: bytes) -> list[bytes]:
    """A line ends with CR LF, where the server keeps to the protocol: a name may hold a line feed."""
    return [line for line in listing.split(b"\r\n" if b"\r\n" in listing else b"\n") if line]


def _shown(line: bytes) -> str:
    return ascii(line[:80])[1:]
