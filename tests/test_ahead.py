"""What threads make ahead: the order, how much of it, and what fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from atom_pipeline.ahead import made_ahead


def test_all_is_given_in_order_and_no_more_than_the_workers_is_made_at_once() -> None:
    lock, going, most = threading.Lock(), 0, 0
    both = threading.Barrier(2, timeout=10)

    def make(item: int) -> int:
        nonlocal going, most
        with lock:
            going += 1
            most = max(most, going)
        both.wait()  # one alone does not go on
        with lock:
            going -= 1
        return item * item

    assert list(made_ahead(make, range(6), workers=2)) == [0, 1, 4, 9, 16, 25]
    assert most == 2


def test_an_item_is_taken_when_there_is_room_for_it() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(6):
            taken.append(item)
            yield item

    made = made_ahead(str, items(), workers=2)
    assert [next(made), next(made)] == ["0", "1"]
    assert taken == [0, 1, 2]
    made.close()


def test_what_comes_before_a_failure_is_given_first() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("gone")

    given: list[int] = []
    with pytest.raises(OSError, match="gone"):
        given.extend(made_ahead(lambda item: item, items(), workers=4))
    assert given == [0, 1, 2]

    def make(item: int) -> int:
        if item == 1:
            raise ValueError(item)
        return item

    given = []
    with pytest.raises(ValueError, match="1"):
        for one in made_ahead(make, range(9), workers=2):
            given.append(one)
    assert given == [0]
