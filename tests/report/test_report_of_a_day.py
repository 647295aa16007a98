"""The report of days that Dagster made: it comes with the day, when a step is held too, and is the same again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import pytest
from agency import ANA, BIA, Agency, agency, client
from databases import Ledgers

from assets.common import asset_key
from resources.report import attached_reports, report_path, write_report
from resources.report_facts import report_facts

MON, TUE = date(2026, 11, 9), date(2026, 11, 10)
ALL = [client(f"00000001{number:02}", ANA if number % 2 else BIA) for number in range(30)]


@dataclass
class Made:
    house: Agency
    first: str
    said: Mapping[str, dg.MetadataValue[Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, ledgers: Ledgers) -> Iterator[Made]:
    """A usual Monday, then a Tuesday with a batimento that is held and a refused file."""
    url = ledgers.lend()
    with agency(tmp_path_factory.mktemp("report"), url, reports=True) as house:
        put(house, MON, kept=30)
        house.make(MON)
        first = report_path(house.runtime, MON).read_text(encoding="utf-8")
        put(house, TUE, kept=5)
        house.put_bytes("20261109_190500_parc_528_out.528", b"x" * 300)
        house.runtime.ledger.decide(TUE, "send-now", why="falei com 529.982.247-25", author="marcia")
        house.collect()
        result = house.run(TUE)
        events = [one.step_materialization_data.materialization for one in result.get_asset_materialization_events()]
        key = asset_key(house.runtime.name, "relatorio")
        yield Made(house, first, next(one.metadata for one in events if one.asset_key == key))
    ledgers.give_back(url)


def put(house: Agency, day: date, *, kept: int) -> None:
    evening = f"{date.fromordinal(day.toordinal() - 1):%Y%m%d}_190000"
    house.put("remessa_assessoria", f"{evening}_remessa_528_out.528", ALL, day=day)
    house.put("acordos_baixados", f"AcordosBaixados_{day:%d%m%Y}_528.csv", [], day=day)
    rows = [{"contrato": one["contrato"], "carteira": "VEICULOS", "cod_assessoria": "528"} for one in ALL[:kept]]
    house.put("batimento", f"bat_carteira_veic_{day:%d%m%Y}_528.csv", rows, day=day)


def test_a_first_day_has_its_report(made: Made) -> None:
    assert "Relatório do dia 09/11/2026" in made.first
    assert "Primeiro dia com base" in made.first
    assert "30 telefones no mailing" in made.first


def test_a_held_day_has_one_too_and_says_what_to_do(made: Made) -> None:
    runtime = made.house.runtime
    page = report_path(runtime, TUE).read_text(encoding="utf-8")
    assert "Etapa batimento retida" in page and "release-batimento" in page
    assert "Arquivo recusado: remessa_parcelas" in page
    said = made.said
    assert str(said["página"].value) == report_path(runtime, TUE).as_uri()
    assert "Etapa batimento retida" in str(said["resumo"].value)


def test_numbers_are_those_of_the_tables(made: Made) -> None:
    facts = report_facts(made.house.runtime, TUE)
    situacoes = list(made.house.situacoes(TUE).values())
    assert facts.totals is not None and facts.previous is not None
    assert facts.totals.active == situacoes.count("ATIVO") == 30
    assert facts.totals.mailing == made.house.table("manager_mailing", TUE).height
    assert sum(facts.mailing.phones.values()) == sum(mailed for _, _, mailed in facts.mailing.by_faixa) == 30
    assert facts.previous.day == MON


def test_words_of_people_are_masked_and_their_author_is_told(made: Made) -> None:
    page = report_path(made.house.runtime, TUE).read_text(encoding="utf-8")
    assert "marcia" in page and "falei com" in page
    assert "529.982.247-25" not in page and ANA not in page


def test_a_day_that_is_reported_again_gives_the_same_bytes(made: Made) -> None:
    runtime = made.house.runtime
    before = report_path(runtime, TUE).read_bytes()
    assert write_report(runtime, TUE).path.read_bytes() == before
    assert write_report(runtime, MON).path.read_text(encoding="utf-8") == made.first
    assert [path.name for path in report_path(runtime, MON).parent.iterdir() if path.name.startswith(".")] == []


def test_the_newest_day_that_has_a_report_goes_with_alarms(made: Made) -> None:
    runtime = made.house.runtime
    ((name, content),) = attached_reports(runtime, [MON, TUE, date(2026, 11, 11)])
    assert name == "relatorio_banco_pan_veiculos_2026-11-10.html"
    assert content == report_path(runtime, TUE).read_bytes()
    assert attached_reports(runtime, [date(2026, 11, 11)]) == ()
