"""What is loaded is not searched for garbage, and garbage made later still is."""

from __future__ import annotations

import gc
import weakref

import pytest

from atom_pipeline.garbage import nothing_is_garbage


class Node:
    def __init__(self) -> None:
        self.itself = self


def test_nothing_is_searched_while_loading_and_everything_made_later_is() -> None:
    try:
        with nothing_is_garbage():
            assert not gc.isenabled()
            kept = [Node() for _ in range(10)]
            before = gc.get_freeze_count()
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(kept)
        later = weakref.ref(Node())
        gc.collect()
        assert later() is None
    finally:
        gc.unfreeze()


def test_a_failure_leaves_the_search_as_it_was() -> None:
    try:
        with pytest.raises(ValueError, match="no"), nothing_is_garbage():
            raise ValueError("no")
        assert gc.isenabled()
        gc.disable()
        with nothing_is_garbage():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
