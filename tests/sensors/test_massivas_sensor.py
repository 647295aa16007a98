"""The sensor that sends messages: one run when something may go, none when it may not, and no storm after a failure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from massiva.massiva_house import DAY, House, active, massiva_house, messages
from massiva.omne_server import TOKEN

from assets.massiva import marks_job_name, massiva_job_name
from atom_pipeline.massiva.fates import Attempts
from resources.massiva_marks import fingerprint
from sensors.massivas import marks_due, messages_due


@pytest.fixture
def house(tmp_path: Path, ledger_url: str) -> Iterator[House]:
    with massiva_house(tmp_path / "home", ledger_url, "http://127.0.0.1:9", TOKEN) as one:
        yield one


def marks_are_made(house: House) -> None:
    """Leave in the lake what says from what the day's marks were made."""
    runtime = house.runtime
    base = runtime.ledger.base(DAY)
    assert base is not None
    runtime.lake.write("abertura", DAY, pl.DataFrame(schema={"dia_anterior": pl.Date, "hash_anterior": pl.String}))
    runtime.lake.write("marcacoes", DAY, pl.DataFrame(schema={"contrato": pl.String}))
    made_from = fingerprint(runtime, DAY, base.hash)
    runtime.lake.write("etapas/marcacoes_origem", DAY, pl.DataFrame({"impressao": [made_from]}))


def test_a_run_is_asked_for_while_messages_may_go_and_none_runs(house: House) -> None:
    runtime = house.runtime
    send = massiva_job_name(runtime.name)
    with dg.DagsterInstance.ephemeral() as instance:

        def said() -> tuple[str | None, str]:
            request, words = messages_due(runtime, instance)
            return request.partition_key if request else None, words

        assert said() == (None, "nenhuma mensagem a enviar hoje")
        rows = messages(3)
        house.put("20261124_090000_massiva_whatsapp.csv", rows)
        house.read()
        house.base(active(rows))
        assert said() == ("2026-11-24", "3 mensagens a enviar")

        run = instance.create_run_for_job(_job(send), tags={"dagster/partition": "2026-11-24"})
        assert said() == (None, "3 mensagens a enviar: uma rodada está na fila ou enviando")
        instance.report_run_failed(run)
        assert "a última rodada falhou" in said()[1]

        runtime.ledger.decide(DAY, "do-not-send", why="lista errada", author="ana")
        assert said() == (None, "3 mensagens esperam: decisão do operador: não enviar")


def test_marks_are_made_again_when_their_base_is_another(house: House) -> None:
    rows = messages(2)
    house.base(active(rows))
    marks_are_made(house)
    job = marks_job_name(house.runtime.name)
    with dg.DagsterInstance.ephemeral() as instance:
        assert marks_due(house.runtime, instance) == []
        house.base(active(rows) | {rows[0]["contrato"]: "BAIXADO"})
        assert [one.partition_key for one in marks_due(house.runtime, instance)] == ["2026-11-24"]
        instance.create_run_for_job(_job(job), tags={"dagster/partition": "2026-11-24"})
        assert marks_due(house.runtime, instance) == []


def _job(name: str) -> dg.JobDefinition:
    @dg.op
    def nothing() -> None: ...

    @dg.job(name=name)
    def job() -> None:
        nothing()

    return job


def test_after_failures_the_next_attempt_is_later_each_time() -> None:
    now = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
    waits = [minutes for failed in (1, 2, 3, 4, 9) for minutes in (5, 10, 20, 30)
             if Attempts(failed, now).may_start(now + timedelta(minutes=minutes))
             and not Attempts(failed, now).may_start(now + timedelta(minutes=minutes - 1))]  # fmt: skip
    assert waits == [5, 10, 20, 30, 30]
    assert Attempts(0, None).may_start(now)
