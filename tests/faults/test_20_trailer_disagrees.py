"""Fault 20: a header or a trailer that disagrees with the content. The file is refused, both numbers shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aurora import NewDatabase
from desk import Desk, desk

ROWS = [{"contrato": f"000000010{number}"} for number in range(5)]


@pytest.fixture(scope="module")
def reception(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("totals") / "home", new_database()) as one:
        yield one


def test_a_count_that_is_not_the_number_of_records_refuses_the_file_and_shows_both(reception: Desk) -> None:
    day = next(reception.days)
    content = reception.written("exclusao_retirada", ROWS, day)
    assert content.count(b"9000000005") == 1
    found = reception.receive("exclusao_retirada", content.replace(b"9000000005", b"9000000007"), day)
    assert (found.load.outcome, found.load.code) == ("refused", "TRAILER_DIVERGE")
    assert "7" in found.load.message and "5" in found.load.message
    assert found.rows.is_empty()


@pytest.mark.parametrize("lines", [3, 5])
def test_a_file_cut_before_its_trailer_is_refused(reception: Desk, lines: int) -> None:
    """An upload that stopped at the end of a record looks whole but for the trailer that is not there (FAULTS 4)."""
    day = next(reception.days)
    content = reception.written("exclusao_retirada", ROWS, day)
    found = reception.receive("exclusao_retirada", b"\r\n".join(content.split(b"\r\n")[:lines]) + b"\r\n", day)
    assert (found.load.outcome, found.load.code) == ("refused", "TRAILER_DIVERGE")
    assert found.rows.is_empty()


def test_a_header_of_another_agency_refuses_the_file(reception: Desk) -> None:
    day = next(reception.days)
    content = reception.written("exclusao_retirada", ROWS, day)
    header = content.index(b"528")
    changed = content[:header] + b"527" + content[header + 3 :]
    found = reception.receive("exclusao_retirada", changed, day)
    assert (found.load.outcome, found.load.code) == ("refused", "CABECALHO_DIVERGE")
    assert found.rows.is_empty()


def test_the_same_file_with_the_right_numbers_is_read_afterwards(reception: Desk) -> None:
    day = next(reception.days)
    content = reception.written("exclusao_retirada", ROWS, day)
    assert reception.receive("exclusao_retirada", content.replace(b"9000000005", b"9000000004"), day).rows.is_empty()
    found = reception.receive("exclusao_retirada", content, day)
    assert (found.file.version, found.load.outcome) == (2, "loaded")
    assert found.rows.height == len(ROWS)
