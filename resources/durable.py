"""Bytes on a local disk: their hash, and renames that survive a power cut."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

BLOCK = 1 << 20


def hash_stream(stream: Any) -> str:
    """SHA-256 (hex) of what is left of a binary stream."""
    digest = hashlib.sha256()
    while block := stream.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 (hex) of a local file."""
    with path.open("rb") as stream:
        return hash_stream(stream)


def sync_file(path: Path) -> None:
    """Make a file's content survive a power cut."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
