"""A second creditor is a folder of YAML: beside the first, in keys, folders and rows of its own, without any code."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from agency import ANA, BIA, CAIO, DORA, Agency, agency, client

from assets.build import build_defs, job_name
from resources.explain import explain_contrato
from resources.settings import PROJECT_ROOT, Settings, file_url

FIRST, SECOND = "banco_pan_veiculos", "aurora_motos"
FRI, SAT, MON = date(2026, 11, 13), date(2026, 11, 14), date(2026, 11, 16)
HOLIDAY = date(2026, 11, 20)
A1, A2, B1, C1, D1 = "00000011", "00000012", "00000021", "00000031", "00000041"


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both portfolios in one folder."""
    root = tmp_path_factory.mktemp("layouts")
    shutil.copytree(PROJECT_ROOT / "layouts" / FIRST, root / FIRST)
    shutil.copytree(Path(__file__).parents[1] / "portfolios" / SECOND, root / SECOND)
    return root


@pytest.fixture
def house(tmp_path: Path, ledger_url: str, layouts: Path) -> Iterator[Agency]:
    """The second portfolio at work."""
    with agency(tmp_path, ledger_url, layouts=layouts, portfolio=SECOND) as one:
        yield one


@pytest.fixture
def neighbour(tmp_path: Path, ledger_url: str, layouts: Path) -> Iterator[Agency]:
    """The first portfolio, in the same home, database, drop and Manager."""
    with agency(tmp_path, ledger_url, layouts=layouts, portfolio=FIRST) as one:
        yield one


def row(contrato: str, cpf: str, **values: Any) -> dict[str, Any]:
    return {
        "contrato": contrato,
        "cpf_cnpj": cpf,
        "nome": "CLIENTE DE TESTE",
        "carteira": "MOTOS",
        "dias_atraso": 20,
        "telefone_1_ddd": "11",
        "telefone_1_numero": "9" + contrato,
        "telefone_1_tipo": "C",
    } | values


def remessa(house: Agency, stamp: str, *rows: Mapping[str, Any], day: date) -> None:
    house.put("remessa", f"aurora.71.contratos.{stamp}.txt", rows, day=day)


def acordos(house: Agency, day: date) -> None:
    """The list that stands from Friday on: an acordo of the client with two contracts."""
    acordo = {"numero_acordo": "900", "contrato": A1, "parcela": 1, "motivo": "PAGO", "data_movimento": FRI}
    house.put("acordos", f"aurora.71.acordos.{day:%d%m%Y}.csv", [acordo], day=day)


def batimento(house: Agency, day: date, *contratos: str) -> None:
    rows = [{"contrato": one, "carteira": "MOTOS", "cod_assessoria": "71"} for one in contratos]
    house.put("batimento", f"aurora.71.posicao.{day:%d%m%y}.csv", rows, day=day)


EVERYONE = (row(A1, ANA), row(A2, ANA), row(B1, BIA), row(C1, CAIO))


def friday(house: Agency) -> None:
    remessa(house, "20261112-210000", *EVERYONE, day=FRI)
    remessa(house, "20261113-193000", row(D1, DORA), day=FRI)  # before this portfolio's cutover of 20:00
    acordos(house, FRI)
    batimento(house, FRI, A1, A2, B1, C1, D1)
    found = {"cpf_cnpj": CAIO, "contrato": C1, "telefone_1_numero": "1131234567", "telefone_1_score": 80}
    house.put("telefones", "aurora.71.telefones.20261113.csv", [found], day=FRI)
    house.make(FRI)


def saturday(house: Agency) -> None:
    remessa(house, "20261113-203000", *EVERYONE, day=SAT)
    acordos(house, SAT)
    house.put("exclusao", "aurora.71.retirados.20261113-204500.txt", [{"contrato": B1}], day=SAT)
    batimento(house, SAT, A1, A2, C1)
    house.make(SAT)


def monday(house: Agency) -> None:
    remessa(house, "20261114-210000", *EVERYONE, day=MON)
    acordos(house, MON)
    house.make(MON)


def at_manager(house: Agency, name: str) -> pl.DataFrame:
    return pl.read_csv(house.manager / name, separator="|", infer_schema=False)


def test_both_portfolios_are_defined_apart(tmp_path: Path, layouts: Path) -> None:
    settings = Settings(tmp_path, file_url(tmp_path / "drop"), file_url(tmp_path / "manager"), layouts)
    definitions = build_defs(settings)
    dg.Definitions.validate_loadable(definitions)
    keys = {
        name: set(definitions.resolve_job_def(job_name(name)).asset_layer.executable_asset_keys)
        for name in (FIRST, SECOND)
    }
    assert keys[FIRST] and keys[SECOND]
    for name, mine in keys.items():
        assert {key.path[0] for key in mine} == {name}
    received = {key.path[2] for key in keys[SECOND] if key.path[1] == "recebido"}
    assert received == {"remessa", "acordos", "exclusao", "batimento", "telefones"}


@pytest.mark.parametrize(("day", "mine", "theirs"), [(FRI, True, True), (SAT, True, False), (HOLIDAY, True, False)])
def test_each_has_the_days_of_its_own(tmp_path: Path, layouts: Path, day: date, mine: bool, theirs: bool) -> None:
    settings = Settings(tmp_path, file_url(tmp_path / "drop"), file_url(tmp_path / "manager"), layouts)
    definitions = build_defs(settings)
    for name, expected in ((SECOND, mine), (FIRST, theirs)):
        partitions = definitions.resolve_job_def(job_name(name)).partitions_def
        assert partitions is not None
        assert partitions.has_partition_key(f"{day:%Y-%m-%d}") is expected


def test_its_days_follow_its_own_rules_and_its_files_are_sent(house: Agency) -> None:
    friday(house)
    # block.by cliente: the acordo of one contract stops both; the cutover brings the late file to the same day
    blocked, free = dict.fromkeys((A1, A2), "BLOQUEIO PARCIAL"), dict.fromkeys((B1, C1, D1), "ATIVO")
    assert house.situacoes(FRI) == blocked | free
    carga = at_manager(house, "aurora-20261113-01-carga.txt")
    assert carga.columns[:3] == ["contrato", "id_crm", "id_campanha"]
    assert carga["contrato"].to_list() == [B1, C1, D1]
    assert carga["faixa_atraso"].unique().to_list() == ["b) 16 a 60"]
    # three places, the last kept for enrichment
    phones = carga.filter(pl.col("contrato") == C1).select(
        "telefone_1_numero", "telefone_2_numero", "telefone_3_numero"
    )
    assert phones.row(0) == ("9" + C1, None, "31234567")
    assert carga["telefone_1_tipo"].unique().to_list() == ["CELULAR"]

    called, stands_by = explain_contrato(house.runtime, C1), explain_contrato(house.runtime, A2)
    assert called is not None and [(one.tipo, one.place) for one in called.phones] == [
        ("CELULAR", 1),
        ("Enriquecimento 1", 3),
    ]
    assert stands_by is not None and stands_by.facts.cause is not None
    assert stands_by.facts.cause.arquivo == f"aurora.71.acordos.{FRI:%d%m%Y}.csv"
    assert stands_by.facts.cause.detalhe == "acordo 900, parcela 1, em outro contrato do cliente"

    saturday(house)
    assert house.situacoes(SAT) == blocked | {B1: "RETIRADO", C1: "ATIVO", D1: "BAIXADO"}
    assert house.table("ignoradas", SAT).select("contrato", "motivo").rows() == [
        (A1, "IGNORADO_BLOQUEIO"),
        (A2, "IGNORADO_BLOQUEIO"),
    ]
    (errors,) = (house.drop / "erros").iterdir()
    assert errors.name == "aurora.71.contratos.20261113-203000.txt.erros.csv"
    assert at_manager(house, "aurora-20261114-01-saida.txt").rows() == [(B1, "RETIRADO"), (D1, "BAIXADO")]
    assert at_manager(house, "aurora-20261114-02-carga.txt")["contrato"].to_list() == [C1]

    # two calendar days after Friday is Sunday: on Monday the block is over, where bank days would still count one
    monday(house)
    assert house.situacoes(MON) == {A1: "ATIVO", A2: "ATIVO", B1: "ATIVO", C1: "ATIVO", D1: "BAIXADO"}


def test_the_two_share_a_home_a_database_and_a_drop_and_do_not_touch_each_other(
    house: Agency, neighbour: Agency
) -> None:
    remessa_of_first = "20261112_190000_remessa_528_out.528"
    neighbour.put("remessa_assessoria", remessa_of_first, [client("0000000101", BIA)], day=FRI)
    friday(house)
    home = house.runtime.settings.home
    assert {path.name for path in (home / "lake").iterdir()} == {"aurora"}
    assert {path.name for path in (home / "arquivo").iterdir()} == {"aurora"}
    ledger = neighbour.runtime.ledger
    assert not (ledger.days_with_files() or ledger.bases() or ledger.waves() or ledger.unknown_files())
    assert [one.layout for one in house.runtime.ledger.files(FRI)].count("remessa") == 2
    base, sent = house.runtime.ledger.base(FRI), house.sent()

    neighbour.make(FRI)
    assert neighbour.situacoes(FRI) == {"0000000101": "ATIVO"}
    assert [one.name for one in ledger.files(FRI)] == [remessa_of_first]
    assert house.runtime.ledger.base(FRI) == base
    assert base is not None
    assert {name: house.runtime.lake.sha256(name, FRI) for name in base.tables} == dict(base.tables)
    assert set(house.sent()) - set(sent) == {"mailing_banco_pan_veiculos_20261113_01_carga.csv"}
    # one client, one pseudonym per portfolio
    ids = [one.table("fichas", FRI).filter(pl.col("cpf_cnpj") == BIA)["id_crm"].item() for one in (house, neighbour)]
    assert ids[0] != ids[1]


def test_in_a_shared_drop_each_leaves_the_files_of_the_other_and_reports_only_strangers(
    house: Agency, neighbour: Agency
) -> None:
    mine, theirs = "aurora.71.contratos.20261112-210000.txt", "20261112_190000_remessa_528_out.528"
    house.put("remessa", mine, [*EVERYONE, row(D1, "12345678900")], day=FRI)
    neighbour.put("remessa_assessoria", theirs, [client("0000000101")], day=FRI)
    house.make(FRI)
    errors = house.drop / "erros" / f"{mine}.erros.csv"  # both portfolios name them alike
    errors.rename(house.drop / errors.name)
    house.put_bytes("leia-me.txt", b"ola")
    report = neighbour.collect()
    assert [file.name for file in report.collected] == [theirs]
    assert (report.unknown, report.unstable, report.errors) == (("leia-me.txt",), (), ())
    report = house.collect()
    assert (report.unknown, report.same, report.errors) == (("leia-me.txt",), (mine, errors.name), ())
    for one in (house, neighbour):
        assert [file.name for file in one.runtime.ledger.unknown_files()] == ["leia-me.txt"]
