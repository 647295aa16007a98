"""``file://``: a folder of this machine, or one that is mounted on it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec

from resources.access import Access
from resources.durable import sync_folder
from resources.patience import Watch
from resources.transport import Reader, RemoteFile, Transport, Writer

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@contextmanager
def connect(url: str, access: Access, watch: Watch) -> Iterator[Transport]:
    """Nothing to open: what follows the scheme is the folder, not percent-encoded."""
    del access, watch  # for servers on a network
    fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    yield LocalFolder(fs, str(root).rstrip("/"))


class _Writer:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, block: bytes) -> object:
        return self._stream.write(block)

    def sync(self) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())


class LocalFolder:
    def __init__(self, fs: Any, root: str) -> None:
        self._fs = fs
        self.root = root

    def list(self, folder: str) -> list[RemoteFile]:
        if not self._fs.isdir(folder):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        infos = self._fs.ls(folder, detail=True)
        return [_file(info) for info in infos if info["type"] == "file" and not info.get("islink")]

    def stat(self, path: str) -> RemoteFile | None:
        try:
            return _file(self._fs.info(path))
        except FileNotFoundError:
            return None

    @contextmanager
    def read(self, path: str) -> Iterator[Reader]:
        with self._fs.open(path, "rb") as stream:
            yield stream

    @contextmanager
    def write(self, path: str) -> Iterator[Writer]:
        with self._fs.open(path, "wb") as stream:
            yield _Writer(stream)

    def rename_new(self, source: str, target: str) -> bool:
        try:
            os.link(source, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A mount without hard links has no such step: the name is looked at first, and then given.
            if self._fs.exists(target):
                return False
            Path(source).rename(target)
        else:
            self._fs.rm_file(source)
        sync_folder(Path(target).parent)
        return True

    def rename_over(self, source: str, target: str) -> None:
        Path(source).replace(target)
        sync_folder(Path(target).parent)

    def remove(self, path: str) -> None:
        self._fs.rm_file(path)
        sync_folder(Path(path).parent)

    def makedir(self, folder: str) -> None:
        Path(folder).mkdir(exist_ok=True)


def _file(info: dict[str, Any]) -> RemoteFile:
    mtime = info.get("mtime")
    return RemoteFile(
        name=str(info["name"]).rsplit("/", 1)[-1],
        size=int(info["size"]),
        mtime=None if mtime is None else datetime.fromtimestamp(float(mtime), UTC),
    )
