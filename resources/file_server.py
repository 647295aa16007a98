"""A folder on a file server, by URL: list, download and publish, each verified (FAULTS 1 to 15, 31 to 34).

What is collected and what is sent are decided elsewhere (``collect``, ``publish``); the promises about bytes are made
here and hold for every protocol: a listing that fails is an error and never "no files", a download has the size that
was listed, a published file appears under its name whole or not at all, and never replaces other content. Every call
opens connections of its own, closes them, and is over in time (``transport.Patience``). How a protocol does what is
asked is in its own module.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from atom_pipeline.errors import AtomError
from resources import transport_ftp, transport_local
from resources.access import Access
from resources.durable import BLOCK, hash_file
from resources.patience import Patience, Watch
from resources.settings import without_secrets
from resources.transport import (
    AccessRefused,
    Address,
    Connect,
    DeadlinePassed,
    FileServerError,
    Reader,
    RemoteFile,
    Transport,
    Unavailable,
    UnsafeName,
    Writer,
    WrongAddress,
    is_plain_name,
    printable,
)

__all__ = [
    "AccessRefused",
    "ConflictError",
    "DeadlinePassed",
    "Downloaded",
    "FileServer",
    "FileServerError",
    "IncompleteDownload",
    "Patience",
    "Published",
    "RemoteFile",
    "Unavailable",
    "UnsafeName",
    "WrongAddress",
    "is_plain_name",
    "printable",
]


def _sftp(url: str, access: Access, watch: Watch) -> AbstractContextManager[Transport]:
    from resources import transport_sftp  # asyncssh takes half a second to import, and most processes never speak it

    return transport_sftp.connect(url, access, watch)


PROTOCOLS: Mapping[str, Connect] = {
    "file": transport_local.connect,
    "sftp": _sftp,
    "ftp": transport_ftp.connect,
    "ftps": transport_ftp.connect_tls,
}
_UNFINISHED = ".parcial"
_ASIDE = ".anterior"
_CLEARING = 5.0  # seconds, for removing what a failed publication left
_Result = TypeVar("_Result")

logger = logging.getLogger(__name__)


class IncompleteDownload(FileServerError):
    """The bytes received are not those that were listed: the file changed, or the transfer ended short."""


class ConflictError(AtomError):
    """A file of that name with other content is there already. It is not overwritten; a person decides."""


@dataclass(frozen=True)
class Downloaded:
    size: int
    sha256: str


@dataclass(frozen=True)
class Published:
    """``already_there`` when the very same content stood under the name before."""

    url: str
    size: int
    sha256: str
    already_there: bool


class FileServer:
    """One folder of a server, without the folders below it. Nothing is kept between calls.

    Raises WrongAddress when the URL cannot be used. Every method raises AccessRefused when the server is not the one
    that is known or lets us not in, DeadlinePassed and Unavailable: FileServerErrors, like all that a server does.
    """

    def __init__(self, url: str, access: Access | None = None, patience: Patience | None = None) -> None:
        self.label = without_secrets(url)
        protocol = url.partition("://")[0].lower() if "://" in url else "file"
        if protocol not in PROTOCOLS:
            raise WrongAddress(f"{self.label}: {protocol} is not served, only {', '.join(PROTOCOLS)}")
        if protocol != "file":
            Address.parse(url)
        self._url = url
        self._connect = PROTOCOLS[protocol]
        self._access = access or Access()
        self._patience = patience or Patience()

    def __repr__(self) -> str:
        return f"FileServer({self.label!r})"

    def list(self) -> list[RemoteFile]:
        """The folder's files, by name; no folders, no links. Raises FileServerError, also when it is missing."""

        def run(server: Transport, _: Watch) -> list[RemoteFile]:
            return server.list(server.root or "/")

        try:
            files = self._call(run)
        except FileNotFoundError as error:
            raise FileServerError(f"{self.label}: the folder is not there: {_reason(error)}") from error
        except OSError as error:
            raise FileServerError(f"{self.label}: cannot be listed: {_reason(error)}") from error
        return sorted(files, key=lambda file: file.name)

    def download(self, listed: RemoteFile, target: Path) -> Downloaded:
        """Fetch a listed file to a local path that does not exist yet, hashing on the way, and make it durable.

        Raises IncompleteDownload when the bytes or the file are not those that were listed, FileServerError when it
        cannot be read. Nothing is left at ``target`` then.
        """
        shown = printable(listed.name)

        def run(server: Transport, watch: Watch) -> Downloaded:
            path = _path(server, listed.name)
            watch.transfer(listed.size)
            try:
                with target.open("xb") as local:
                    try:
                        with server.read(path) as remote:
                            size, sha256 = _copy(remote, local, limit=listed.size)
                        now = server.stat(path) if size == listed.size else None
                    except OSError as error:
                        raise FileServerError(f"{shown}: cannot be read: {_reason(error)}") from error
                    local.flush()
                    os.fsync(local.fileno())
                if now is None or (now.size, now.mtime) != (listed.size, listed.mtime):
                    raise IncompleteDownload(
                        f"{shown}: {size} bytes received of {listed.size} listed, or the file changed "
                        "meanwhile; it is tried again at the next poll"
                    )
            except BaseException:
                target.unlink(missing_ok=True)
                raise
            return Downloaded(size, sha256)

        return self._call(run)

    def exists(self, name: str, folder: str = "") -> bool:
        def run(server: Transport, _: Watch) -> bool:
            return server.stat(_path(server, name, folder)) is not None

        with self._told(name, folder, "cannot be looked at"):
            return self._call(run)

    def sha256(self, name: str, folder: str = "") -> str | None:
        """Hash of a file of the server, or None when it is not there."""
        with self._told(name, folder, "cannot be read"):
            return self._call(lambda server, watch: self._hash(server, _path(server, name, folder), watch))

    def url(self, name: str, folder: str = "") -> str:
        """Where a file is or would be, without secrets."""
        return "/".join(part for part in (self.label.rstrip("/"), folder, name) if part)

    def publish(self, local: Path, name: str, folder: str = "", replaces: str | None = None) -> Published:
        """Put a local file under a name. See ``publish_stream``."""
        size, sha256 = local.stat().st_size, hash_file(local)
        return self.publish_stream(
            lambda: local.open("rb"), name, size=size, sha256=sha256, folder=folder, replaces=replaces
        )

    def publish_stream(
        self,
        source: Callable[[], BinaryIO],
        name: str,
        *,
        size: int,
        sha256: str,
        folder: str = "",
        replaces: str | None = None,
    ) -> Published:
        """Put bytes under a name: temporary, verify, rename. May be repeated after a crash at any point.

        The same content under the name is done already. Content whose hash is ``replaces`` is our own earlier file,
        and gives way. Raises ConflictError when other content is there, and FileServerError when the server fails;
        what the name held is as before and the temporary removed then, by a connection of its own if need be.
        """
        done = Published(self.url(name, folder), size, sha256, already_there=True)
        begun = renaming = False

        def run(server: Transport, watch: Watch) -> Published:
            nonlocal begun, renaming
            final, begun = _path(server, name, folder), True
            temporary, aside = _leftovers(server, name, folder, sha256)
            there = self._found(server, final, watch, sha256, replaces)
            if there == sha256:
                _discard(server, temporary)
                return replace(done, already_there=not renaming)  # else an attempt's answer was lost
            if folder:
                server.makedir(_path(server, folder))
            watch.transfer(size)
            with source() as stream, server.write(temporary) as remote:
                _copy(stream, remote)
                _sync(remote)
            if self._hash(server, temporary, watch) != sha256:
                raise FileServerError(f"{done.url}: what arrived is not what was sent; try again")
            renaming = True
            if there is not None:
                _replace(server, temporary, final, aside)
            else:
                _discard(server, aside)  # of a replacement that was killed between its steps
                if not self._rename_to_new(server, temporary, final):
                    if self._found(server, final, watch, sha256, None) != sha256:
                        raise FileServerError(f"{done.url}: the server refuses the rename; try again")
                    _discard(server, temporary)
                    return done
            now = server.stat(final)
            if now is None or now.size != size:
                raise FileServerError(
                    f"{done.url}: the server says that it was renamed, and it is not there; try again"
                )
            return replace(done, already_there=False)

        try:
            with self._told(name, folder, "cannot be written"):
                return self._call(run)
        except BaseException:
            if begun:
                self._clear(name, folder, sha256)
            raise

    def withdraw(self, name: str, folder: str, sha256: str) -> bool:
        """Remove a file that we published. False when it is not there, or is no longer what we published.

        Raises FileServerError when the server fails.
        """
        asked = False

        def run(server: Transport, watch: Watch) -> bool:
            nonlocal asked
            path = _path(server, name, folder)
            found = self._hash(server, path, watch)
            if found != sha256:
                return asked and found is None  # an earlier attempt removed it, and its answer was lost
            asked = True
            server.remove(path)
            return True

        with self._told(name, folder, "cannot be removed"):
            return self._call(run)

    # Connections.

    def _call(self, run: Callable[[Transport, Watch], _Result]) -> _Result:
        """Do something on a fresh connection, and again on another where that can help, all of it in time."""
        patience = self._patience
        retrying = Retrying(
            retry=retry_if_exception_type(Unavailable),
            stop=stop_after_attempt(patience.attempts) | stop_before_delay(patience.call),
            wait=wait_random_exponential(multiplier=patience.pause, max=patience.call / 4),
            before_sleep=_log_retry,
            reraise=True,
        )
        watch = Watch(patience)
        for attempt in retrying:
            with attempt:
                return self._once(run, watch)
        raise AssertionError("tenacity re-raises the last error")

    def _once(self, run: Callable[[Transport, Watch], _Result], watch: Watch) -> _Result:
        with self._connect(self._url, self._access, watch) as server:
            return run(server, watch)

    def _clear(self, name: str, folder: str, sha256: str) -> None:
        """Remove what a failed publication left, though its connection may be dead. The next try would do it too."""
        patience = replace(self._patience, call=min(_CLEARING, self._patience.call))

        def run(server: Transport, _: Watch) -> None:
            temporary, aside = _leftovers(server, name, folder, sha256)
            _discard(server, temporary)
            final = _path(server, name, folder)
            if server.stat(aside) is not None and (
                server.stat(final) is not None or not server.rename_new(aside, final)
            ):
                _discard(server, aside)

        try:
            self._once(run, Watch(patience))
        except (AtomError, OSError) as error:
            logger.warning("%s: a temporary may stay there until the next try: %s", self.url(name, folder), error)

    @contextmanager
    def _told(self, name: str, folder: str, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileServerError(f"{self.url(printable(name), folder)}: {what}: {_reason(error)}") from error

    def _hash(self, server: Transport, path: str, watch: Watch) -> str | None:
        found = server.stat(path)
        if found is None:
            return None
        watch.transfer(found.size)
        digest = hashlib.sha256()
        with server.read(path) as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def _found(self, server: Transport, path: str, watch: Watch, ours: str, replaces: str | None) -> str | None:
        """Hash of what is under the name: ours, what it replaces, or None. Raises ConflictError when it is another."""
        found = self._hash(server, path, watch)
        if found is not None and found not in {ours, replaces}:
            raise ConflictError(
                f"{self.label}: {path.rsplit('/', 1)[-1]} is there with other content (sha256 {found[:12]}, ours "
                f"{ours[:12]}); it was not overwritten: find out who wrote it, move it away, and send again"
            )
        return found

    def _rename_to_new(self, server: Transport, source: str, target: str) -> bool:
        """Give a file its name unless the name is taken. False when it is taken."""
        return server.rename_new(source, target)


def _log_retry(state: RetryCallState) -> None:
    if state.outcome is not None and state.next_action is not None:
        logger.warning("%s; trying again in %.1f s", state.outcome.exception(), state.next_action.sleep)


def _path(server: Transport, name: str, folder: str = "") -> str:
    for part in (name, folder):
        if part and not is_plain_name(part):
            raise UnsafeName(f"{printable(part)} is not a plain name")
    return "/".join([server.root, *(part for part in (folder, name) if part)])


def _leftovers(server: Transport, name: str, folder: str, sha256: str) -> tuple[str, str]:
    """Where a file is written, and where the one it replaces waits where a server cannot replace in one step.

    The same each time, so that what a killed attempt left goes; the dot hides them from Manager.
    """
    return (
        _path(server, f".{name}.{sha256[:12]}{_UNFINISHED}", folder),
        _path(server, f".{name}{_ASIDE}", folder),
    )


def _replace(server: Transport, source: str, target: str, aside: str) -> None:
    """Give a file a name that our own earlier one has; that one comes back when it does not work."""
    try:
        server.rename_over(source, target)
    except FileExistsError:
        _discard(server, aside)
        if not (server.rename_new(target, aside) and server.rename_new(source, target)):
            raise
        server.remove(aside)


def _discard(server: Transport, path: str) -> None:
    with suppress(FileNotFoundError):
        server.remove(path)


def _copy(source: Reader, target: Writer | BinaryIO, limit: int | None = None) -> tuple[int, str]:
    """Copy a stream; returns bytes and SHA-256. Stops one block after ``limit`` bytes."""
    digest, size = hashlib.sha256(), 0
    with ThreadPoolExecutor(1) as beside:  # a block is hashed while it is written
        while block := source.read(BLOCK):
            hashed = beside.submit(digest.update, block)
            size += len(block)
            target.write(block)
            hashed.result()
            if limit is not None and size > limit:
                break
    return size, digest.hexdigest()


def _sync(remote: Writer) -> None:
    remote.sync()


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
