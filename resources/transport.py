"""What every protocol of a file server has in common: the primitive operations, the address, names and errors.

``file_server`` makes its promises out of these operations; a module per protocol (``transport_local``,
``transport_sftp``, ``transport_ftp``) provides them on one open connection. A path of the server that is refused is an
``OSError`` there (``FileNotFoundError`` when it is missing); what concerns the connection is an error of this module.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from urllib.parse import unquote, urlsplit

from atom_pipeline.errors import AtomError
from resources.access import Access
from resources.patience import Watch
from resources.settings import without_secrets


class FileServerError(AtomError):
    """The server did not do what was asked; the same may succeed later."""

    retry_helps = True


class Unavailable(FileServerError):
    """The server cannot be reached, broke off, or says that it is busy: a fresh connection may do."""


class DeadlinePassed(FileServerError):
    """The server accepted and then said nothing for too long. Not tried again within the call: its time is over."""


class AccessRefused(FileServerError):
    """Host key, certificate, user or password: nothing changes until a person acts, so nothing is tried again."""

    retry_helps = False


class WrongAddress(FileServerError):
    """The URL of a server cannot be used as it is written."""

    retry_helps = False


class UnsafeName(AtomError):
    """A name that is not a plain file name, and could lead outside a folder or forge a line of a log."""


def is_plain_name(name: str) -> bool:
    """Whether a name is a file's name and nothing else: no folder, no control character, not too long to store."""
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:  # bytes that are not UTF-8, as the operating system passes them on
        return False
    return (
        0 < len(encoded) <= 200
        and name.isprintable()
        and "/" not in name
        and "\\" not in name
        and name not in {".", ".."}
        and name == name.strip()
    )


def printable(name: str) -> str:
    """A name fit for a log, a message and the ledger, whatever it holds."""
    return name.encode("unicode_escape").decode("ascii") if not is_plain_name(name) else name


@dataclass(frozen=True)
class RemoteFile:
    """A file as listed. ``mtime`` is empty where the server does not say."""

    name: str
    size: int
    mtime: datetime | None


@dataclass(frozen=True)
class Address:
    """A server's URL, taken apart. ``root`` is absolute, or relative to the folder that the login leads to."""

    label: str  # the URL without secrets
    host: str
    port: int | None
    user: str
    root: str
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """``<protocol>://user[:password]@host[:port]/folder``; ``/~/folder`` starts where the login leads.

        What is special in a URL is percent-encoded. Raises WrongAddress, without the URL's secret.
        """
        label = without_secrets(url)
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise WrongAddress(
                f"{label}: the URL cannot be read: percent-encode what is special in its user and password "
                "(/ is %2F, # is %23, @ is %40), and check its port"
            ) from None
        if not host or not parts.username:
            raise WrongAddress(
                f"{label}: the URL names no {'user' if host else 'host'}: {parts.scheme}://user@host/folder"
            )
        if parts.query or parts.fragment or "?" in url or "#" in url:
            raise WrongAddress(f"{label}: write ? and # in the folder's name as %3F and %23")
        user, path = unquote(parts.username), unquote(parts.path)
        password = None if parts.password is None else unquote(parts.password)
        if any(not text.isprintable() for text in (user, path, password or "")):
            raise WrongAddress(f"{label}: the URL holds control characters")
        relative = path in {"", "/~"} or path.startswith("/~/")
        root = path.removeprefix("/~").strip("/") or "." if relative else path.rstrip("/")
        return cls(label, host, port, user, root, password)

    def hide(self, text: str, access: Access) -> str:
        """What a server said, fit for a message: one line, not long, without the password should it repeat it."""
        for secret in self._secrets(access):
            text = text.replace(secret, "***")
        line = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
        return line[:200]

    def cause(self, error: Exception, access: Access) -> Exception | None:
        """The error itself as the cause of another, unless a secret stands in it."""
        return None if any(secret in str(error) for secret in self._secrets(access)) else error

    def _secrets(self, access: Access) -> list[str]:
        return [secret for secret in (access.password, access.key_passphrase, self.password) if secret]


class Reader(Protocol):
    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end of the file, and only there."""


class Writer(Protocol):
    def write(self, block: bytes, /) -> object: ...

    def sync(self) -> None:
        """Make what was written durable, where the server can."""


class Transport(Protocol):
    """One open connection. Paths are absolute or relative to the login's folder, with ``/``."""

    root: str

    def list(self, folder: str) -> list[RemoteFile]:
        """The folder's files, without folders and links, in any order. FileNotFoundError when it is not there."""

    def stat(self, path: str) -> RemoteFile | None:
        """The file as ``list`` would show it, or None when it is not there; an error when that cannot be known."""

    def read(self, path: str) -> AbstractContextManager[Reader]: ...

    def write(self, path: str) -> AbstractContextManager[Writer]:
        """Write a file anew. It is whole only when the context ends without an error."""

    def rename_new(self, source: str, target: str) -> bool:
        """Give a file a name, in one step where the server can. False when the name is taken."""

    def rename_over(self, source: str, target: str) -> None:
        """Give a file a name that another has, in one step. FileExistsError when the server cannot."""

    def remove(self, path: str) -> None:
        """Remove a file. FileNotFoundError when it is not there."""

    def makedir(self, folder: str) -> None:
        """Make a folder unless it is there; not those above it."""


class Connect(Protocol):
    """How a protocol opens a connection; it is closed, with all that belongs to it, when the context ends."""

    def __call__(self, url: str, access: Access, watch: Watch) -> AbstractContextManager[Transport]: ...
