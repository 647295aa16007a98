"""Work done ahead by threads: for calls that leave the interpreter to others, as those of Polars and of hashes do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def made_ahead(make: Callable[[Item], Made], items: Iterable[Item], *, workers: int) -> Iterator[Made]:
    """What ``make`` gives of each item, in the items' order; ``workers`` of them are made at once, at most.

    While one is used by the caller, the others are made and no further one is begun: what waits takes memory. Items
    are taken in the caller's thread. Where taking or making one fails, what comes before it is given first.
    """
    waiting: deque[Future[Made]] = deque()
    failure: Exception | None = None
    left = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        try:
            while True:
                while failure is None and len(waiting) < workers:
                    try:
                        waiting.append(pool.submit(make, next(left)))
                    except StopIteration:
                        break
                    except Exception as error:
                        failure = error
                if not waiting:
                    break
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
    if failure is not None:
        raise failure
