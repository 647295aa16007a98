"""Fault 35: a value that starts a formula, or holds the delimiter, a quote or a newline: it goes out harmless."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest
from agency import ANA, BIA, CAIO, DORA, agency, client
from desk import MONDAY, NAMES

from atom_pipeline.errors import RecordError
from atom_pipeline.layout.catalogue import load_catalogue
from atom_pipeline.layout.writing import write_file
from resources.settings import PROJECT_ROOT

CLIENTS = {
    "0000000101": (ANA, {"nome": "=HYPERLINK(1)", "marca": "COMUM"}),
    "0000000102": (BIA, {"nome": "+CMD", "marca": "COM;DELIMITADOR"}),
    "0000000103": (CAIO, {"nome": "-CMD", "marca": 'COM "ASPAS"'}),
    "0000000104": (DORA, {"nome": "@SUM(A1)", "marca": "=1+1"}),
}


def test_no_value_of_the_remessa_is_a_formula_or_breaks_a_line_in_what_manager_gets(
    tmp_path: Path, ledger_url: str
) -> None:
    with agency(tmp_path / "home", ledger_url) as house:
        rows = [client(contrato, cpf, **values) for contrato, (cpf, values) in CLIENTS.items()]
        house.put("remessa_assessoria", NAMES["remessa_assessoria"].format(day=MONDAY), rows, day=MONDAY)
        house.put("acordos_baixados", NAMES["acordos_baixados"].format(day=MONDAY), [], day=MONDAY)
        house.make(MONDAY)
        (carga,) = [name for name in house.sent() if "carga" in name]
        with (house.manager / carga).open(encoding="utf-8", newline="") as stream:
            sent = {row["contrato"]: row for row in csv.DictReader(stream, delimiter=";")}
        assert sent.keys() == CLIENTS.keys()
        for contrato, (_, values) in CLIENTS.items():
            for column, value in values.items():
                assert sent[contrato][column] == (f"'{value}" if value[0] in "=+-@" else value)
        cells = [cell for row in sent.values() for cell in row.values()]
        assert not [cell for cell in cells if cell.startswith(("=", "@", "+C", "-C"))]


def test_a_phone_with_its_country_code_keeps_its_plus_and_a_line_break_is_refused(tmp_path: Path) -> None:
    layout = load_catalogue(PROJECT_ROOT / "layouts" / "banco_pan_veiculos").layouts["manager_mailing"]
    row = {"id_crm": "x", "id_campanha": 528, "contrato": "0000000101", "cpf_cnpj": ANA}
    phone = pl.DataFrame([row | {"nome": "+5531988887777"}])
    write_file(layout, phone, tmp_path / "phone.csv", day=MONDAY)
    assert ";+5531988887777;" in (tmp_path / "phone.csv").read_text(encoding="utf-8")
    with pytest.raises(RecordError, match="row 1, field nome"):
        write_file(layout, pl.DataFrame([row | {"nome": "DUAS\nLINHAS"}]), tmp_path / "lines.csv", day=MONDAY)
