"""Where the machine code of the loops is kept, so that only the first run on a machine compiles (some ten seconds).

In ``$ATOM_HOME/cache`` (without it in the user's own cache folder), under a name that is the hash of the loops' source:
another version of the project has another place. ``NUMBA_CACHE_DIR`` comes first. Where nothing can be written, each
process compiles for itself.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from functools import lru_cache
from pathlib import Path

import numba

_log = logging.getLogger(__name__)

_COMPILED = ("cache.py", "cells.py", "codes.py", "numbers.py", "text.py")
part = numba.njit(nogil=True, error_model="numpy")  # of the loops in ``cells``, and kept with them


def use_cache() -> Path:
    """Tell numba where to keep code; to be called before anything of ``cells`` is imported. Returns the folder."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(given) if given else _folder()
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    return folder


def _folder() -> Path:
    home = os.environ.get("ATOM_HOME")
    base = Path(home) / "cache" if home else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folder = base / "atom-pipeline" / _version()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if writable:
        return folder
    _log.warning("%s cannot be written: each process compiles the loops for itself", folder)
    return Path(_private().name)


@lru_cache
def _private() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes with the process."""
    return tempfile.TemporaryDirectory(prefix="atom-pipeline-")


def _version() -> str:
    """A hash of the source that is compiled, and of what compiles it."""
    source = b"".join((Path(__file__).parent / name).read_bytes() for name in _COMPILED)
    return hashlib.sha256(source + numba.__version__.encode()).hexdigest()[:16]
