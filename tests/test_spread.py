"""Long tests, one to begin with on each worker."""

from __future__ import annotations

import pytest
from spread import spread


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_every_item_is_there_once_and_each_workers_run_begins_with_its_share_of_the_long_ones(
    workers: int, count: int
) -> None:
    items = [*(f"short {n}" for n in range(20)), *(f"long {n}" for n in range(count)), "short 20"]
    ordered = spread(items, lambda item: item.startswith("long"), workers)
    assert sorted(ordered) == sorted(items)
    left, begun = list(ordered), []
    for worker in range(workers):  # as pytest-xdist deals them out
        size = len(left) // (workers - worker)
        run, left = left[:size], left[size:]
        long = [item for item in run if item.startswith("long")]
        assert run[: len(long)] == long
        begun.append(len(long))
    assert max(begun) - min(begun) <= 1


def test_without_long_ones_the_order_stays() -> None:
    assert spread([1, 2, 3, 4], lambda _: False, 3) == [1, 2, 3, 4]
