"""Two creditors whose files are CNAB 240 and CNAB 400, as YAML alone, each through two whole days.

A row of the remessa is several lines (segments P, Q and Y; records 1 and 2), the retorno comes in lots or in numbered
lines, the batimento has no line breaks or says its agency in the header only, and what Manager is sent has their shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from agency import ANA, BIA, CAIO, Agency, agency, checks

from atom_pipeline.layout.reading import read_file
from atom_pipeline.layout.writing import write_file

PORTFOLIOS = Path(__file__).parents[1] / "portfolios"
MON, TUE = date(2026, 11, 16), date(2026, 11, 17)
A, B, C = "0000000011", "0000000021", "0000000031"


@dataclass(frozen=True)
class Creditor:
    """A portfolio of tests: how its files are named, and what its rows say beyond what all creditors' do."""

    portfolio: str
    carteira: str
    remessa: str
    acordos: str
    batimento: str
    title: dict[str, Any]  # of a row of the remessa
    settled: dict[str, Any]  # of a row of the retorno
    header: dict[str, Any]
    retorno_of: date  # a day whose version of the retorno the files follow


BOREAL = Creditor(
    "boreal_consorcio",
    "117",
    "boreal.240.cobranca.{stamp}.rem",
    "boreal.240.cobranca.{day:%Y%m%d}.ret",
    "boreal.240.posicao.{day:%Y%m%d}.dat",
    {"movimento": "01", "tipo_cobranca": "1", "tipo_pessoa": "1"},
    {"movimento": "06", "tipo_cobranca": "1"},
    {},
    MON,
)
CRUZEIRO = Creditor(
    "cruzeiro_credito",
    "112",
    "cruzeiro.400.cb.{stamp}.rem",
    "cruzeiro.400.cb.{day:%Y%m%d}.ret",
    "cruzeiro.400.posicao.{day:%Y%m%d}.txt",
    {"ocorrencia": "01", "tipo_pessoa": "01"},
    {},
    {"cod_assessoria": "400"},
    date(2026, 11, 13),  # the one before the migration, accepted until the 18th
)
BOTH = pytest.mark.parametrize("creditor", [BOREAL, CRUZEIRO], ids=lambda one: one.portfolio)


@pytest.fixture
def house(tmp_path: Path, ledger_url: str, creditor: Creditor) -> Iterator[Agency]:
    layouts = tmp_path / "layouts"
    layouts.mkdir()
    (layouts / creditor.portfolio).symlink_to(PORTFOLIOS / creditor.portfolio)
    with agency(tmp_path, ledger_url, layouts=layouts) as one:
        yield one


def put(house: Agency, layout: str, name: str, rows: list[dict[str, Any]], day: date, **ends: Any) -> bytes:
    spec = house.runtime.catalogue.layouts[layout]
    write_file(spec, pl.DataFrame(rows, infer_schema_length=None), house.drop / name, day=day, **ends)
    return (house.drop / name).read_bytes()


def title(creditor: Creditor, contrato: str, cpf: str, **values: Any) -> dict[str, Any]:
    carried = {"carteira": creditor.carteira, "contrato": contrato, "cpf_cnpj": cpf, "nome": "CLIENTE DE TESTE"}
    phone = {"telefone_1_ddd": "11", "telefone_1_numero": "9" + contrato[-8:], "telefone_1_tipo": "C"}
    return carried | phone | {"valor_total": Decimal("1500.25"), "dias_atraso": 40} | creditor.title | values


def monday(house: Agency, creditor: Creditor) -> None:
    rows = [title(creditor, A, ANA), title(creditor, B, BIA), title(creditor, C, CAIO, telefone_1_ddd=None)]
    put(house, "remessa", creditor.remessa.format(stamp="20261115-210000"), rows, MON, header=creditor.header)
    put(house, "acordos", creditor.acordos.format(day=MON), [], creditor.retorno_of, header=creditor.header)
    position = {"carteira": creditor.carteira, "cod_assessoria": house.runtime.portfolio.ascob, "saldo": Decimal(9)}
    rows = [position | {"contrato": one} for one in (A, B, C)]
    put(house, "batimento", creditor.batimento.format(day=MON), rows, MON)


def settled(creditor: Creditor, contrato: str, paid: str = "1500.25", **values: Any) -> dict[str, Any]:
    return (
        {"carteira": creditor.carteira, "contrato": contrato, "numero_acordo": "900", "parcela": 1, "motivo": "06"}
        | {"data_movimento": MON, "valor_titulo": Decimal("1500.25"), "valor_pago": Decimal(paid)}
        | creditor.settled
        | values
    )


@BOTH
def test_a_day_of_another_creditor_runs_from_its_files_to_managers(house: Agency, creditor: Creditor) -> None:
    monday(house, creditor)
    passed = checks(house.make(MON))
    assert all(passed.values()), passed
    assert house.situacoes(MON) == {A: "ATIVO", B: "ATIVO", C: "ATIVO"}
    received = house.table("recebido/remessa", MON)
    assert received["valor_total"].sum() == Decimal("4500.75")
    assert received["carteira"].unique().to_list() == [creditor.carteira]  # of the lot's header, in CNAB 240
    assert house.table("recebido/batimento", MON)["cod_assessoria"].unique().to_list() == [
        house.runtime.portfolio.ascob
    ]

    # on Tuesday one is settled, and one is no longer listed
    name = creditor.acordos.format(day=TUE)
    put(house, "acordos", name, [settled(creditor, A)], creditor.retorno_of, header=creditor.header)
    again = creditor.remessa.format(stamp="20261116-210000")
    put(house, "remessa", again, [title(creditor, one, BIA) for one in (B,)], TUE, header=creditor.header)
    position = {"carteira": creditor.carteira, "cod_assessoria": house.runtime.portfolio.ascob, "saldo": Decimal(9)}
    put(house, "batimento", creditor.batimento.format(day=TUE), [position | {"contrato": one} for one in (A, B)], TUE)
    house.make(TUE)
    (load,) = [one.load for one in house.runtime.ledger.loads(TUE, "acordos")]
    acordos = house.runtime.catalogue.layouts["acordos"]
    assert load.version_since == acordos.version_on(creditor.retorno_of).since
    assert house.situacoes(TUE) == {A: "BLOQUEIO PARCIAL", B: "ATIVO", C: "BAIXADO"}
    baixas = house.runtime.catalogue.layouts["manager_baixa"]
    names = sorted(path.name for path in house.manager.glob("*saida*"))
    rows = [
        row
        for name in names
        for row in read_file(baixas, house.manager / name, name=name, day=TUE)
        .frame()
        .select("contrato", "motivo")
        .rows()
    ]
    assert (A, "BLOQUEIO PARCIAL") in rows


@BOTH
def test_a_retorno_whose_numbers_disagree_is_refused_whole_and_the_base_stays(
    house: Agency, creditor: Creditor
) -> None:
    monday(house, creditor)
    name = creditor.acordos.format(day=MON)
    rows = [settled(creditor, A), settled(creditor, B)]
    content = put(house, "acordos", name, rows, creditor.retorno_of, header=creditor.header)
    lines = content.split(b"\r\n")
    house.put_bytes(name, b"\r\n".join([*lines[:2], *lines[3:]]))
    assert house.collect().collected
    house.run(MON)
    (load,) = [one.load for one in house.runtime.ledger.loads(MON, "acordos")]
    assert (load.outcome, load.code, load.version_since) == ("refused", "SEQUENCIA_DIVERGE", None)
    assert ("a versão desde 01/11/2026 recusa também" in load.message) == (creditor is CRUZEIRO)
    assert house.table("recebido/acordos", MON).is_empty()


@BOTH
def test_one_line_of_a_row_is_corrected_in_an_error_file(house: Agency, creditor: Creditor) -> None:
    bad = f"{BIA[:-1]}{(int(BIA[-1]) + 1) % 10}"
    remessa = creditor.remessa.format(stamp="20261115-210000")
    rows = [title(creditor, A, ANA), title(creditor, B, bad), title(creditor, C, CAIO)]
    came = put(house, "remessa", remessa, rows, MON, header=creditor.header)
    put(house, "acordos", creditor.acordos.format(day=MON), [], creditor.retorno_of, header=creditor.header)
    house.make(MON)
    assert house.situacoes(MON) == {A: "ATIVO", C: "ATIVO"}

    [errors] = (house.drop / "erros").glob(f"{remessa}*")
    text = errors.read_text(encoding="utf-8")
    assert text.count(bad) == 1  # of the row's lines the one that is wrong
    (house.drop / errors.name).write_text(text.replace(bad, BIA), encoding="utf-8")
    assert [file.name for file in house.collect().corrected] == [remessa]
    house.run(MON)
    assert house.situacoes(MON) == {A: "ATIVO", B: "ATIVO", C: "ATIVO"}
    [file] = house.runtime.ledger.files(MON, "remessa")
    assert house.runtime.archived(file).read_bytes() == came.replace(bad.encode(), BIA.encode())
