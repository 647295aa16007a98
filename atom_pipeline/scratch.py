"""Names of files and folders that are being written, and which of them nobody finishes any more.

A name says which process writes it, so that what a killed one left can be told from what somebody is writing right
now, on this machine or on another one that shares the disk. What is written there belongs to its writers.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psutil

UNFINISHED = ".parcial"
# What another machine writes is left alone for this long: nothing takes a day to write.
LONGEST_WRITING_SECONDS = 24 * 3600.0
_FOLDER = "atom."
_WRITER = re.compile(r"(?P<host>[0-9A-Za-z-]+)~(?P<pid>[0-9]+)~[0-9a-f]{32}")


def unfinished_name() -> str:
    """A hidden name for a file that this process writes, and renames when it is whole."""
    return f".{_writer()}{UNFINISHED}"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder of this process in the system's temporary one, for its owner only, gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{_writer()}-") as folder:
        yield Path(folder)


def scratch_folders() -> list[Path]:
    """The scratch folders there are, of this user's processes."""
    found = Path(tempfile.gettempdir()).glob(f"{_FOLDER}*~*~*")
    return [path for path in found if _WRITER.search(path.name) and path.lstat().st_uid == os.geteuid()]


def is_abandoned(path: Path) -> bool:
    """Whether nobody finishes what has this name: its process is gone, or it is too old to be of a living one."""
    writer = _WRITER.search(path.name)
    if writer and writer["host"] == _host() and not psutil.pid_exists(int(writer["pid"])):
        return True
    try:
        return time.time() - path.lstat().st_mtime > LONGEST_WRITING_SECONDS
    except FileNotFoundError:
        return False  # finished meanwhile


def remove_abandoned(paths: Iterable[Path]) -> int:
    """Remove those of the files and folders that nobody finishes; returns how many."""
    abandoned = [path for path in paths if is_abandoned(path)]
    for path in abandoned:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return len(abandoned)


def _writer() -> str:
    return f"{_host()}~{os.getpid()}~{uuid4().hex}"


def _host() -> str:
    return re.sub("[^0-9A-Za-z]", "-", socket.gethostname())
