"""Fault 19: a wrong record length, a ragged line, a quoted newline, any end of line. accepted + refused = read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from agency import ANA, BIA, CAIO, client
from aurora import NewDatabase
from desk import Desk, desk

CONTRATOS = [f"00000001{number:02d}" for number in range(1, 61)]


@pytest.fixture(scope="module")
def reception(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("lines") / "home", new_database()) as one:
        yield one


def test_records_of_a_wrong_length_are_refused_each_with_its_line(reception: Desk) -> None:
    day = next(reception.days)
    rows = [client(one, (ANA, BIA, CAIO)[number % 3]) for number, one in enumerate(CONTRATOS)]
    lines = reception.written("remessa_assessoria", rows, day).split(b"\r\n")
    lines[2], lines[4] = lines[2][:-1], lines[4] + b" "  # the header is the first line
    found = reception.receive("remessa_assessoria", b"\r\n".join(lines), day)
    assert found.reasons == {3: "TAMANHO", 5: "TAMANHO"}
    assert (found.load.rows_read, found.load.rows_accepted) == (60, 58)
    assert all("4800" in detail for detail in found.refused["detalhe"])


def test_a_file_in_which_no_record_has_its_length_is_refused_whole(reception: Desk) -> None:
    day = next(reception.days)
    header, record, trailer = reception.written("remessa_assessoria", [client("0000000101")], day).splitlines()
    found = reception.receive("remessa_assessoria", b"\r\n".join([header, *[record[:-1]] * 3, trailer]), day)
    assert (found.load.outcome, found.load.code) == ("refused", "FORA_DO_LAYOUT")
    assert "4800" in found.load.message and "4799" in found.load.message


def batimento(contratos: list[str]) -> list[dict[str, str]]:
    return [{"contrato": one, "carteira": "VEICULOS", "cod_assessoria": "528"} for one in contratos]


def test_ragged_lines_are_refused_each_with_its_line(reception: Desk) -> None:
    day = next(reception.days)
    rows = [{"contrato": one, "collection": "01, Melhor"} for one in CONTRATOS]
    lines = reception.written("refin", rows, day).split(b"\r\n")
    lines[1] = lines[1].rpartition(b";")[0]
    lines[7] += b";a mais"
    found = reception.receive("refin", b"\r\n".join(lines), day)
    assert found.reasons == {2: "COLUNAS", 8: "COLUNAS"}
    assert (found.load.rows_read, found.load.rows_accepted) == (60, 58)


def test_a_quoted_newline_keeps_the_rows_after_it_and_the_numbers_of_their_lines(reception: Desk) -> None:
    day = next(reception.days)
    rows = [{"contrato": one, "collection": "MEIO"} for one in CONTRATOS]
    lines = reception.written("refin", rows, day).split(b"\r\n")
    lines[1] = lines[1].replace(b"MEIO", b'"ME\r\nIO"')
    lines[3] = lines[3].replace(CONTRATOS[2].encode(), b"SEM NUMERO")
    found = reception.receive("refin", b"\r\n".join(lines), day)
    assert found.load.rows_read == 60
    assert found.reasons[5] == "TIPO"  # the fourth line of the file as it was written, moved by one
    assert set(CONTRATOS[3:]) <= set(found.rows["contrato"])


@pytest.mark.parametrize(("newline", "last"), [(b"\n", True), (b"\n", False), (b"\r\n", False)])
@pytest.mark.parametrize("layout", ["batimento", "remessa_assessoria"])
def test_any_end_of_line_gives_the_same_rows(reception: Desk, layout: str, newline: bytes, last: bool) -> None:
    day = next(reception.days)
    rows = batimento(CONTRATOS[:3]) if layout == "batimento" else [client(one) for one in CONTRATOS[:3]]
    content = reception.written(layout, rows, day)
    assert content.endswith(b"\r\n")
    changed = content.replace(b"\r\n", newline) if last else content.replace(b"\r\n", newline).removesuffix(newline)
    found = reception.receive(layout, changed, day)
    assert (found.load.outcome, found.load.rows_refused) == ("loaded", 0)
    assert found.rows["contrato"].to_list() == CONTRATOS[:3]
