"""A folder on a file server, by URL: list, download and publish, each verified (FAULTS 1 to 15, 31 to 34).

What is collected and what is sent are decided elsewhere (``collect``, ``publish``); the promises about bytes are made
here and hold for every protocol: a listing that fails is an error and never "no files", a download has the size that
was listed, a published file appears under its name whole or not at all, and never replaces other content.

Only ``file://`` is served for now.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from atom_pipeline.errors import AtomError
from resources.durable import BLOCK, hash_file, hash_stream, sync_folder
from resources.settings import without_secrets

PROTOCOLS = ("file",)
_UNFINISHED = ".parcial"
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class FileServerError(AtomError):
    """The server did not do what was asked; the same may succeed later."""

    retry_helps = True


class IncompleteDownload(FileServerError):
    """The bytes received are not those that were listed: the file changed, or the transfer ended short."""


class ConflictError(AtomError):
    """A file of that name with other content is there already. It is not overwritten; a person decides."""


class UnsafeName(AtomError):
    """A name that is not a plain file name, and could lead outside a folder or forge a line of a log."""


@dataclass(frozen=True)
class RemoteFile:
    """A file as listed. ``mtime`` is empty where the server does not say."""

    name: str
    size: int
    mtime: datetime | None


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


def is_plain_name(name: str) -> bool:
    """Whether a name is a file's name and nothing else: no folder, no control character, not too long to store."""
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:  # bytes that are not UTF-8, as the operating system passes them on
        return False
    return (
        0 < len(encoded) <= 200
        and name.isprintable()
        and not any(mark in name for mark in "/\\")
        and name not in {".", ".."}
        and name == name.strip()
    )


def printable(name: str) -> str:
    """A name fit for a log, a message and the ledger, whatever it holds."""
    return name.encode("unicode_escape").decode("ascii") if not is_plain_name(name) else name


class FileServer:
    """One folder of a server, without the folders below it. Nothing is kept between calls."""

    def __init__(self, url: str) -> None:
        self.label = without_secrets(url)
        protocol = url.partition("://")[0] if "://" in url else "file"
        if protocol not in PROTOCOLS:
            raise FileServerError(f"{self.label}: {protocol} is not served, only {', '.join(PROTOCOLS)}")
        self._url = url

    def __repr__(self) -> str:
        return f"FileServer({self.label!r})"

    def list(self) -> list[RemoteFile]:
        """The folder's files, by name; no folders, no links. Raises FileServerError, also when it is missing."""
        fs, root = self._open()
        try:
            if not fs.isdir(root):
                raise FileServerError(f"{self.label}: the folder is not there")
            infos = fs.ls(root, detail=True)
        except OSError as error:
            raise FileServerError(
                f"{self.label}: cannot be listed: {error.strerror or type(error).__name__}"
            ) from error
        files = [
            RemoteFile(str(info["name"]).rsplit("/", 1)[-1], int(info["size"]), _mtime(info))
            for info in infos
            if info["type"] == "file" and not info.get("islink")
        ]
        return sorted(files, key=lambda file: file.name)

    def download(self, listed: RemoteFile, target: Path) -> Downloaded:
        """Fetch a listed file to a local path that does not exist yet, hashing on the way, and make it durable.

        Raises IncompleteDownload when the bytes or the file are not those that were listed, FileServerError when it
        cannot be read. Nothing is left at ``target`` then.
        """
        fs, root = self._open()
        path = self._path(root, listed.name)
        try:
            with target.open("xb") as local:
                try:
                    with fs.open(path, "rb") as remote:
                        size, sha256 = _copy(remote, local, limit=listed.size)
                except OSError as error:
                    raise FileServerError(f"{printable(listed.name)}: cannot be read: {_reason(error)}") from error
                local.flush()
                os.fsync(local.fileno())
            now = self._stat(fs, path)
            if size != listed.size or now is None or (now.size, now.mtime) != (listed.size, listed.mtime):
                raise IncompleteDownload(
                    f"{printable(listed.name)}: {size} bytes received of {listed.size} listed, or the file changed "
                    "meanwhile; it is tried again at the next poll"
                )
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return Downloaded(size, sha256)

    def exists(self, name: str, folder: str = "") -> bool:
        fs, root = self._open()
        return bool(fs.exists(self._path(root, name, folder)))

    def sha256(self, name: str, folder: str = "") -> str | None:
        """Hash of a file of the server, or None when it is not there."""
        fs, root = self._open()
        return self._hash(fs, self._path(root, name, folder))

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
        what the name held is as before and the temporary removed then.
        """
        fs, root = self._open()
        final = self._path(root, name, folder)
        # The same name each time, so that what a killed attempt left goes; the dot hides it from Manager.
        temporary = self._path(root, f".{name}.{sha256[:12]}{_UNFINISHED}", folder)
        done = Published(self.url(name, folder), size, sha256, already_there=True)
        try:
            there = self._found(fs, final, name, sha256, replaces)
            if there == sha256:
                return done
            if folder:
                fs.makedirs(self._path(root, folder), exist_ok=True)
            with source() as stream, fs.open(temporary, "wb") as remote:
                _copy(stream, remote)
                _sync(remote)
            if self._hash(fs, temporary) != sha256:
                raise FileServerError(f"{done.url}: what arrived is not what was sent; try again")
            if there is not None:
                self._rename_over(temporary, final)
            elif not self._rename_to_new(fs, temporary, final):
                if self._found(fs, final, name, sha256, None) == sha256:
                    return done
                raise FileServerError(f"{done.url}: the server refuses the rename; try again")
            return replace(done, already_there=False)
        except OSError as error:
            raise FileServerError(f"{done.url}: cannot be written: {_reason(error)}") from error
        finally:
            if fs.exists(temporary):
                fs.rm_file(temporary)

    def withdraw(self, name: str, folder: str, sha256: str) -> bool:
        """Remove a file that we published. False when it is not there, or is no longer what we published.

        Raises FileServerError when the server fails.
        """
        fs, root = self._open()
        path = self._path(root, name, folder)
        if self._hash(fs, path) != sha256:
            return False
        try:
            fs.rm_file(path)
            sync_folder(Path(path).parent)
        except OSError as error:
            raise FileServerError(f"{self.url(name, folder)}: cannot be removed: {_reason(error)}") from error
        return True

    # What differs by protocol.

    def _open(self) -> tuple[Any, str]:
        """A fresh connection and the folder's path: fsspec's caches of instances and listings survive dead ones."""
        fs, root = fsspec.core.url_to_fs(self._url, use_listings_cache=False, skip_instance_cache=True)
        return fs, str(root).rstrip("/")

    def _rename_to_new(self, fs: Any, source: str, target: str) -> bool:
        """Give a file its name unless the name is taken, in one step. False when it is taken."""
        try:
            os.link(source, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A mount without hard links has no such step: the name is looked at first, and then given.
            if fs.exists(target):
                return False
            Path(source).rename(target)
        else:
            fs.rm_file(source)
        sync_folder(Path(target).parent)
        return True

    def _rename_over(self, source: str, target: str) -> None:
        """Give a file a name that another file has, in one step."""
        Path(source).replace(target)
        sync_folder(Path(target).parent)

    # Common.

    def _path(self, root: str, name: str, folder: str = "") -> str:
        for part in (name, folder):
            if part and not is_plain_name(part):
                raise UnsafeName(f"{printable(part)} is not a plain name")
        return "/".join(part for part in (root, folder, name) if part)

    def _stat(self, fs: Any, path: str) -> RemoteFile | None:
        try:
            info = fs.info(path)
        except FileNotFoundError:
            return None
        return RemoteFile(path.rsplit("/", 1)[-1], int(info["size"]), _mtime(info))

    def _hash(self, fs: Any, path: str) -> str | None:
        try:
            with fs.open(path, "rb") as stream:
                return hash_stream(stream)
        except FileNotFoundError:
            return None

    def _found(self, fs: Any, path: str, name: str, ours: str, replaces: str | None) -> str | None:
        """Hash of what is under the name: ours, what it replaces, or None. Raises ConflictError when it is another."""
        found = self._hash(fs, path)
        if found is not None and found not in {ours, replaces}:
            raise ConflictError(
                f"{self.label}: {name} is there with other content (sha256 {found[:12]}, ours {ours[:12]}); "
                "it was not overwritten: find out who wrote it, move it away, and send again"
            )
        return found


def _copy(source: Any, target: Any, limit: int | None = None) -> tuple[int, str]:
    """Copy a stream; returns bytes and SHA-256. Stops one block after ``limit`` bytes."""
    digest, size = hashlib.sha256(), 0
    while block := source.read(BLOCK):
        digest.update(block)
        size += len(block)
        target.write(block)
        if limit is not None and size > limit:
            break
    return size, digest.hexdigest()


def _mtime(info: dict[str, Any]) -> datetime | None:
    value = info.get("mtime")
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return None if value is None else datetime.fromtimestamp(float(value), UTC)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _sync(stream: Any) -> None:
    stream.flush()
    os.fsync(stream.fileno())
