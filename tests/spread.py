"""Which worker of pytest-xdist begins with which test, so that no worker is left with the long ones at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def spread(items: Sequence[T], is_long: Callable[[T], bool], workers: int) -> list[T]:
    """The items in an order in which every worker begins with its share of the long ones.

    ``worksteal`` deals them out in as many runs of equal length as there are workers, and lets a worker that has
    nothing left take from the end of another's run; the test after the one that runs is never taken.
    """
    long = [item for item in items if is_long(item)]
    short = [item for item in items if not is_long(item)]
    out: list[T] = []
    for worker in range(workers):
        size = (len(items) - len(out)) // (workers - worker)
        mine = long[worker::workers]
        taken = max(0, size - len(mine))
        out += [*mine, *short[:taken]]
        del short[:taken]
    return out
