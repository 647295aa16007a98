"""The loop of an error file: a row refused, corrected by a person, dropped again, and in the base by the next run."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from agency import ANA, BIA, CAIO, Agency, agency, client

DAY = date(2026, 11, 9)
REMESSA = "20261108_190000_remessa_528_out.528"
NEXT_REMESSA = "20261109_190000_remessa_528_out.528"
ACORDOS = "AcordosBaixados_09112026_528.csv"
ERRORS = f"{REMESSA}.erros.csv"
C1, C2, C3 = "0000000101", "0000000102", "0000000103"
BAD = "52998224724"  # of ANA, but for its last digit


@pytest.fixture
def house(tmp_path: Path, ledger_url: str) -> Iterator[Agency]:
    with agency(tmp_path, ledger_url) as one:
        yield one


def correct(source: Path, target: Path, old: str, new: str) -> None:
    """What a person does in an editor: one text for another, in the column ``original`` alone."""
    with source.open(encoding="utf-8", newline="") as stream:
        titles, *rows = csv.reader(stream, delimiter=";")
    column = titles.index("original")
    for row in rows:
        row[column] = row[column].replace(old, new)
    with target.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=";", lineterminator="\r\n").writerows([titles, *rows])


def morning(house: Agency, *rows: dict[str, object]) -> None:
    house.put("remessa_assessoria", REMESSA, rows, day=DAY)
    house.put("acordos_baixados", ACORDOS, [], day=DAY)
    house.make(DAY)


def test_a_corrected_row_is_in_the_base_after_the_next_run_and_nothing_else_changed(house: Agency) -> None:
    morning(house, client(C1, ANA), client(C2, BAD, telefone_1_ddd="11"), client(C3, CAIO))
    before = house.table("contratos", DAY)
    assert sorted(before["contrato"]) == [C1, C3]
    as_it_came = (house.drop / REMESSA).read_bytes()

    correct(house.drop / "erros" / ERRORS, house.drop / ERRORS, BAD, BIA)
    report = house.collect()
    assert report.errors == ()
    assert [file.name for file in report.corrected] == [REMESSA]
    assert house.runtime.stale() == [DAY]
    result = house.run(DAY)
    assert result.success
    after = house.table("contratos", DAY)
    assert sorted(after["contrato"]) == [C1, C2, C3]
    assert after.filter(after["contrato"] != C2).equals(before)
    assert after.filter(after["contrato"] == C2)["cpf_cnpj"].to_list() == [BIA]
    assert house.table("recusadas", DAY).height == 0

    [file] = house.runtime.ledger.files(DAY, "remessa_assessoria")
    corrected = house.runtime.archived(file).read_bytes()
    assert corrected == as_it_came.replace(BAD.encode(), BIA.encode())
    [load] = house.runtime.ledger.loads(DAY, "remessa_assessoria")
    assert (load.load.outcome, load.load.rows_read, load.load.rows_refused) == ("loaded", 3, 0)  # the trailer agrees
    assert (house.drop / REMESSA).read_bytes() == as_it_came


def test_the_corrected_row_goes_to_manager_once(house: Agency) -> None:
    morning(house, client(C1, ANA), client(C2, BAD))
    correct(house.drop / "erros" / ERRORS, house.drop / ERRORS, BAD, BIA)
    house.make(DAY)
    sent = house.sent()
    lines = [(house.manager / name).read_text(encoding="utf-8") for name in sent]
    assert sum(C2 in line for line in lines) == 1
    house.make(DAY)  # the file as it came and the error file are still in the drop
    assert house.sent() == sent
    assert house.runtime.stale() == []
    assert sorted(house.situacoes(DAY)) == [C1, C2]


def test_what_is_still_wrong_comes_back_about_the_new_version(house: Agency) -> None:
    morning(house, client(C1, ANA), client(C2, BAD), client(C3, "39053344704"))
    folder = house.drop / "erros"
    first = (folder / ERRORS).read_bytes()
    correct(folder / ERRORS, folder / ERRORS, BAD, BIA)  # in its place, and then copied
    (house.drop / ERRORS).write_bytes((folder / ERRORS).read_bytes())
    house.make(DAY)
    assert house.table("recusadas", DAY)["linha"].to_list() == [4]
    assert (folder / ERRORS).read_bytes() != first
    correct(folder / ERRORS, house.drop / ERRORS, "39053344704", CAIO)
    house.make(DAY)
    assert sorted(house.situacoes(DAY)) == [C1, C2, C3]
    [file] = house.runtime.ledger.files(DAY, "remessa_assessoria")
    assert file.version == 3

    (house.drop / ERRORS).write_bytes(first.replace(BAD.encode(), b"11144477736"))  # an old one, corrected otherwise
    [error] = house.collect().errors
    assert "versão 1" in error.message
    assert house.runtime.stale() == []


def test_lines_of_a_file_with_a_short_one_are_given_back_without_counting_through_it(
    house: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.put("remessa_assessoria", REMESSA, [client(C1, ANA), client(C2, BIA), client(C3, CAIO)], day=DAY)
    house.put("acordos_baixados", ACORDOS, [{"contrato": C3, "cpf_cnpj": CAIO, "numero_acordo": "7"}], day=DAY)
    house.make(DAY)
    lines = (house.drop / REMESSA).read_bytes().split(b"\r\n")
    lines[1] = lines[1][:-9]
    next_day = date(2026, 11, 10)
    (house.drop / NEXT_REMESSA).write_bytes(b"\r\n".join(lines))
    house.put("acordos_baixados", "AcordosBaixados_10112026_528.csv", [], day=next_day)
    monkeypatch.delattr("atom_pipeline.layout.lines._lines")
    house.make(next_day)
    with (house.drop / "erros" / f"{NEXT_REMESSA}.erros.csv").open(encoding="utf-8", newline="") as stream:
        given = {int(row["linha"]): (row["motivo"], row["original"]) for row in csv.DictReader(stream, delimiter=";")}
    assert given == {
        2: ("TAMANHO", lines[1].decode("latin-1")),
        4: ("IGNORADO_BLOQUEIO", lines[3].decode("latin-1")),
    }
