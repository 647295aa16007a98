"""The interpreter's search for garbage, which goes through all there is: not while a process only builds up."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

# At the end of a process everything is taken apart, as ever: libraries tell of what they find left.
atexit.register(gc.unfreeze)


@contextmanager
def nothing_is_garbage() -> Iterator[None]:
    """While modules and definitions are loaded, half a million objects, none is searched for: a sixth of the time.

    What is there at the end lives as long as the process, and is left out of later searches.
    """
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if searched:
            gc.enable()
