"""A day with massive actions, whole: files read, base made, messages sent by their own job, marks, models, stories."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from agency import ANA, BIA, CAIO, DORA, QUIET, ZONE, Agency, agency, client, failures
from massiva.massiva_house import layouts_for_tests
from massiva.omne_server import ACCEPT, REFUSE, TOKEN, OmneServer, omne_server
from typer.testing import CliRunner

from assets.build import job_name
from assets.common import asset_key
from assets.massiva import SENDING, marks_job_name, massiva_job_name
from atom_pipeline.cli import app
from resources.explain import explain_contrato
from resources.massiva_marks import marks_behind
from resources.omne_settings import OmneAccess

DAY = date(2026, 11, 24)
MORNING = datetime(2026, 11, 24, 10, 0, tzinfo=ZONE)
OPEN = {"0000000001": ANA, "0000000002": BIA, "0000000003": CAIO, "0000000004": ANA, "0000000006": DORA}
LEFT = "0000000005"
WHATSAPP, EMAIL, SMS = (f"20261124_0{hour}0000_massiva_{what}.csv" for hour, what in
                        ((8, "whatsapp"), (7, "email"), (6, "sms")))  # fmt: skip


def message(contrato: str, number: str, jornada: str = "jornada1") -> dict[str, str]:
    return {"contrato": contrato, "numero": number, "nome": "CLIENTE DE TESTE", "jornada": jornada}


@pytest.fixture(scope="module")
def omne() -> Iterator[OmneServer]:
    with omne_server() as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, ledger_url: str, omne: OmneServer) -> Iterator[Agency]:
    layouts = layouts_for_tests(tmp_path / "layouts", {"concurrency": 1})
    access = OmneAccess(omne.url, TOKEN)
    with agency(tmp_path / "home", ledger_url, layouts=layouts, now=MORNING, omne=access) as one:
        yield one


def run(house: Agency, name: str) -> dg.ExecuteInProcessResult:
    job = house.definitions.resolve_job_def(name)
    result = job.execute_in_process(
        partition_key=f"{DAY:%Y-%m-%d}", instance=house.instance, raise_on_error=False, run_config=QUIET
    )
    assert result.success, failures(result)
    return result


def rows(house: Agency, table: str, *columns: str) -> list[tuple[Any, ...]]:
    return house.table(table, DAY).select(columns).rows()


def test_a_day_of_massive_actions(house: Agency, omne: OmneServer, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = {"telefone_1_ddd": "31", "telefone_1_numero": "987650000"}
    placed = [client(contrato, cpf, **(shared if contrato in {"0000000001", "0000000002"} else {}))
              for contrato, cpf in OPEN.items()] + [client(LEFT, CAIO)]  # fmt: skip
    house.put("remessa_assessoria", "20261123_200000_remessa_528_out.528", placed, day=DAY)
    house.put("exclusao_retirada", "20261123_210000_baixa_528_out.528", [{"contrato": LEFT}], day=DAY)
    house.put(
        "massiva_whatsapp",
        WHATSAPP,
        [
            message("0000000001", "31987650000"),
            message("0000000002", "11912345678", "jornada2"),
            message(LEFT, "31911110000"),
            message("0000000009", "31911110001"),
            message("0000000003", "31987650000"),
            message("0000000003", "3133334444"),
            message("0000000003", "31922220000", "jornada3"),
        ],
        day=DAY,
    )
    house.put(
        "historico_email", EMAIL, [{"cpf_cnpj": ANA, "protocolo": "P1", "data_envio": date(2026, 11, 23)}], day=DAY
    )
    house.put("historico_sms", SMS, [{"telefone": "31987650000", "mensagem": "oi"}], day=DAY)
    house.make(DAY)

    # Each row that is no message goes back with its reason, file and line; nothing was sent by the day's run.
    assert omne.requests == 0
    refused = pl.concat(
        [house.table(name, DAY).filter(pl.col("arquivo") == WHATSAPP).select("linha", "motivo")
         for name in ("recusadas", "ignoradas")]
    ).sort("linha")  # fmt: skip
    assert refused.rows() == [
        (4, "CONTRATO_NAO_ATIVO"),
        (5, "CONTRATO_FORA_DA_BASE"),
        (6, "MENSAGEM_REPETIDA"),
        (7, "TELEFONE"),
        (8, "DOMINIO"),
    ]
    assert (house.drop / "erros" / f"{WHATSAPP}.erros.csv").is_file()
    assert rows(house, "marcacoes", "contrato", "marcacao") == [
        ("0000000001", "Ação Massiva – Email"),
        ("0000000001", "Ação Massiva – SMS"),
        ("0000000002", "Ação Massiva – SMS"),
        ("0000000004", "Ação Massiva – Email"),
    ]
    hash_before = house.runtime.ledger.base(DAY)

    # The messages go by their own job; the second is refused.
    omne.behaves(ACCEPT, REFUSE)
    sent = run(house, massiva_job_name(house.runtime.name))
    assert dict(omne.accepted) == {("31987650000", 1): 1} and omne.requests == 2
    (shown,) = sent.asset_materializations_for_node(f"{house.runtime.name}__{SENDING.replace('/', '__')}")
    assert [shown.metadata[name].value for name in ("aceitas", "recusadas", "restam")] == [1, 1, 0]
    key = asset_key(house.runtime.name, *SENDING.split("/"))
    of_observations = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_OBSERVATION)
    observed = [one.asset_observation for one in house.instance.event_log_storage.get_event_records(of_observations)]
    assert [(one.asset_key, one.partition, one.metadata["aceitas"].value) for one in observed if one] == [
        (key, f"{DAY:%Y-%m-%d}", 1)
    ]

    # The marks are behind, and are made again without making the day again.
    assert marks_behind(house.runtime) == [DAY]
    run(house, marks_job_name(house.runtime.name))
    assert marks_behind(house.runtime) == [] and house.runtime.stale() == []
    assert house.runtime.ledger.base(DAY) == hash_before
    whatsapp = house.table("marcacoes", DAY).filter(pl.col("canal") == "WHATSAPP")
    assert whatsapp.select("dia", "contrato", "marcacao", "detalhe", "arquivo", "linha").rows() == [
        (DAY, "0000000001", "Massiva WhatsApp enviada com sucesso", "200 enfileirado", WHATSAPP, 2),
        (DAY, "0000000002", "Massiva WhatsApp enviada sem sucesso", "400 número não tem WhatsApp", WHATSAPP, 3),
    ]
    assert rows(
        house, "acoes_massivas", "enviada_em", "canal", "acoes", "contratos", "com_sucesso", "taxa_sucesso"
    ) == [
        (date(2026, 11, 23), "EMAIL", 1, 2, 1, 1.0),
        (DAY, "SMS", 1, 2, 1, 1.0),
        (DAY, "WHATSAPP", 2, 2, 1, 0.5),
    ]
    assert rows(house, "massivas_cobertura", "canal", "contratos", "base_ativa") == [
        ("EMAIL", 2, 5), ("NENHUM", 2, 5), ("QUALQUER", 3, 5), ("SMS", 2, 5), ("WHATSAPP", 1, 5),
    ]  # fmt: skip
    assert rows(house, "sem_acao_massiva", "contrato") == [("0000000003",), ("0000000006",)]

    # The day again: the same bytes, zero messages.
    first = house.table("marcacoes", DAY)
    run(house, job_name(house.runtime.name))
    run(house, massiva_job_name(house.runtime.name))
    assert house.table("marcacoes", DAY).equals(first) and omne.requests == 2

    # The contract's story tells of them.
    story = explain_contrato(house.runtime, "1")
    assert story is not None
    told = [(event.movimento, event.arquivo, event.linha) for event in story.events]
    assert ("Massiva WhatsApp enviada com sucesso", WHATSAPP, 2) in told
    assert ("Ação Massiva – Email", EMAIL, 2) in told and ("Ação Massiva – SMS", SMS, 2) in told

    # The command line shows what would go; its own clock says that the day has passed or not come.
    settings = house.runtime.settings
    for name, value in {
        "ATOM_HOME": str(settings.home), "ATOM_LAYOUTS": str(settings.layouts), "ATOM_DROP_URL": settings.drop_url,
        "ATOM_MANAGER_URL": settings.manager_url, "ATOM_POSTGRES_URL": str(settings.postgres_url), "COLUMNS": "200",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("resources.runtime.PortfolioRuntime.refuse_if_no_partition", lambda *_: None)
    seen = CliRunner().invoke(app, ["massiva", "enviar", f"{DAY:%Y-%m-%d}", "--dry-run"])
    assert seen.exit_code == 0, seen.output
    assert "aceito" in seen.output and "MENSAGEM_REPETIDA" in seen.output and "ATOM_OMNE_URL" in seen.output
    assert "31987650000" not in seen.output
