"""Fault 18: bytes that are not of the declared encoding. The row or the file is refused; nothing is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from agency import ANA, BIA, client
from aurora import NewDatabase
from desk import Desk, desk

REPLACEMENT = "\ufffd"
ROWS = [client("0000000101", ANA, nome="JOAO DA SILVA"), client("0000000102", BIA, nome="MARIA DE SOUZA")]


@pytest.fixture(scope="module")
def reception(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("bytes") / "home", new_database()) as one:
        yield one


@pytest.mark.parametrize("byte", [b"\x00", b"\x1a", b"\x07"])
def test_a_control_byte_in_a_record_refuses_its_row_and_says_where(reception: Desk, byte: bytes) -> None:
    day = next(reception.days)
    content = reception.written("remessa_assessoria", ROWS, day)
    place = content.index(b"JOAO") + 4
    column = place - content.rindex(b"\n", 0, place)
    found = reception.receive("remessa_assessoria", content[:place] + byte + content[place + 1 :], day)
    assert found.load.outcome == "loaded"
    assert found.rows["contrato"].to_list() == ["0000000102"]
    (row,) = found.refused.iter_rows(named=True)
    assert (row["linha"], row["motivo"]) == (2, "CARACTERE")
    assert f"posição {column} da linha (byte {place + 1} do arquivo)" in row["detalhe"]
    assert "JOAO" not in row["detalhe"]


def test_a_byte_order_mark_refuses_the_file(reception: Desk) -> None:
    day = next(reception.days)
    content = b"\xef\xbb\xbf" + reception.written("acordos_baixados", [], day)
    found = reception.receive("acordos_baixados", content, day)
    assert (found.load.outcome, found.load.code) == ("refused", "CODIFICACAO")
    assert "BOM" in found.load.message


def test_utf_8_where_latin_1_is_declared_refuses_the_file(reception: Desk) -> None:
    day = next(reception.days)
    rows = [{"contrato": "0000000101", "collection": "ATENÇÃO", "faixa_atraso": "JÁ VENCIDO"}]
    latin = reception.written("refin", rows, day)
    found = reception.receive("refin", latin.decode("latin-1").encode("utf-8"), day)
    assert (found.load.outcome, found.load.code) == ("refused", "CODIFICACAO")
    assert found.rows.is_empty()
    again = reception.receive("refin", latin)
    assert again.load.outcome == "loaded"
    assert again.rows["collection"].to_list() == ["ATENÇÃO"]


def test_no_replacement_character_is_in_what_was_received(reception: Desk) -> None:
    written = list(Path(reception.house.runtime.lake.base).rglob("*.parquet"))
    assert len(written) > 5
    for path in written:
        assert not [row for row in pl.read_parquet(path).iter_rows() if REPLACEMENT in "".join(map(str, row))], path
