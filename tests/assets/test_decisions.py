"""Decisions taken in the UI, and a day that two runs would make at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from agency import ANA, QUIET, Agency, agency, client, failures

from assets import receive as receive_assets
from assets.build import build_defs, job_name
from assets.common import asset_key, day_activity
from assets.decisions import MEANINGS, OP, decision_job_name
from atom_pipeline.cli.running import run_days
from atom_pipeline.day import Decision
from atom_pipeline.errors import AtomError
from resources.ledger import Ledger
from resources.settings import PROJECT_ROOT, Settings, file_url

MON, TUE = date(2026, 11, 9), date(2026, 11, 10)
PORTFOLIO = "banco_pan_veiculos"
CONTRATO = "0000000101"
RECEIVED = [asset_key(PORTFOLIO, "recebido", "remessa_assessoria")]


@pytest.fixture
def house(tmp_path: Path, ledger_url: str) -> Iterator[Agency]:
    with agency(tmp_path, ledger_url) as one:
        yield one


def with_a_remessa(house: Agency) -> Agency:
    house.put("remessa_assessoria", "20261108_190000_remessa_528_out.528", [client(CONTRATO, ANA)], day=MON)
    house.collect()
    return house


def decide(house: Agency, decision: Decision, **words: str) -> dg.ExecuteInProcessResult:
    """A decision about Monday, as the launchpad gives it."""
    job = house.definitions.resolve_job_def(decision_job_name(PORTFOLIO, decision))
    return job.execute_in_process(
        partition_key=f"{MON}",
        instance=house.instance,
        raise_on_error=False,
        run_config={"ops": {OP: {"config": words}}, **QUIET},
    )


def told(house: Agency, result: dg.ExecuteInProcessResult) -> str:
    """What a person reads in the run: its log, and what its step shows."""
    lines = [record.user_message for record in house.instance.all_logs(result.run_id)]
    for event in result.filter_events(lambda event: event.is_successful_output):
        lines += [str(value.value) for value in event.step_output_data.metadata.values()]
    return "\n".join(lines)


def refusal(result: dg.ExecuteInProcessResult) -> str:
    """Why a run did not start."""
    (event,) = result.filter_events(lambda event: event.is_run_failure)
    return str(event.job_failure_data.error)


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    home = tmp_path_factory.mktemp("home")
    return build_defs(Settings(home, file_url(home / "drop"), file_url(home / "manager"), PROJECT_ROOT / "layouts"))


def test_all_jobs_load_side_by_side(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)
    names = {job.name for job in definitions.get_repository_def().get_all_jobs()}
    assert {decision_job_name(PORTFOLIO, decision) for decision in Decision} | {job_name(PORTFOLIO)} <= names


@pytest.mark.parametrize("decision", Decision)
def test_each_decision_has_a_job_of_the_day_that_says_what_it_means_and_asks_why_and_who(
    definitions: dg.Definitions, decision: Decision
) -> None:
    job = definitions.resolve_job_def(decision_job_name(PORTFOLIO, decision))
    day = definitions.resolve_job_def(job_name(PORTFOLIO))
    assert MEANINGS[decision] in (job.description or "")
    assert decision.value in (job.description or "")
    assert job.partitions_def == day.partitions_def
    fields = job.get_node_named(OP).definition.config_schema.config_type.fields  # type: ignore[attr-defined]
    assert set(fields) == {"why", "author"}
    assert all(field.description for field in fields.values())
    shown = job.partitioned_config.get_run_config_for_partition_key(f"{MON}")
    assert shown["ops"] == {OP: {"config": {"why": "", "author": ""}}}


def test_a_decision_is_on_the_record_and_the_next_run_obeys_it(house: Agency) -> None:
    with_a_remessa(house)
    house.put("batimento", "bat_carteira_veic_09112026_528.csv", [{"contrato": "0000000999"}], day=MON)
    house.collect()
    assert house.run(MON).success
    assert house.runtime.batimento_waits(MON) != []

    result = decide(house, Decision.NO_ACORDOS, why="feriado no banco", author="ana")
    assert result.success
    (taken,) = house.runtime.ledger.decisions(MON)
    assert (taken.what, taken.why, taken.author) == ("no-acordos", "feriado no banco", "ana")
    assert house.runtime.batimento_waits(MON) == []
    assert house.runtime.stale() == [MON]


def test_the_run_says_what_was_decided_what_is_next_and_what_the_day_still_waits_for(house: Agency) -> None:
    with_a_remessa(house)
    said = told(house, decide(house, Decision.NO_ACORDOS, why="feriado no banco", author="ana"))
    for words in (
        "no-acordos de 2026-11-09, por ana",
        MEANINGS[Decision.NO_ACORDOS],
        "rode-o outra vez",
        "espera remessa: coletado",
        "no-acordos (ana): feriado no banco",
        "20261108_190000_remessa_528_out.528",
    ):
        assert words in said


@pytest.mark.parametrize("words", [{}, {"why": "", "author": ""}, {"why": "  ", "author": "ana"}, {"why": "feriado"}])
def test_without_a_reason_or_an_author_the_ledger_refuses_in_its_words(house: Agency, words: dict[str, str]) -> None:
    result = decide(house, Decision.SEND_NOW, **words)
    assert not result.success
    assert failures(result) == [f"{OP}: send-now of 2026-11-09 needs a reason and an author"]
    assert house.runtime.ledger.decisions() == []


def test_a_release_of_what_is_not_held_is_refused(house: Agency) -> None:
    result = decide(house, Decision.RELEASE_BATIMENTO, why="conferido", author="ana")
    assert failures(result) == [f"{OP}: batimento of 2026-11-09 is not held: there is nothing to release"]
    assert house.runtime.ledger.decisions() == []


def test_a_release_is_about_the_files_that_were_held(house: Agency) -> None:
    ledger = house.runtime.ledger
    ledger.record_verdict(MON, "batimento", "f" * 64, held=True, numbers={}, message="retido")
    assert decide(house, Decision.RELEASE_BATIMENTO, why="conferido", author="ana").success
    (taken,), (verdict,) = ledger.decisions(MON), ledger.verdicts(MON)
    assert taken.reference == "f" * 64
    assert verdict.released_by == taken.id


def test_no_reason_puts_personal_data_before_other_eyes(house: Agency) -> None:
    result = decide(house, Decision.DO_NOT_SEND, why=f"pedido de {ANA}", author="ana")
    assert result.success
    assert "pedido de" in told(house, result)
    assert ANA not in told(house, result)


def test_a_day_that_another_run_makes_is_refused_until_that_one_ends(house: Agency) -> None:
    with_a_remessa(house)
    with house.runtime.ledger.exclusive(day_activity(f"{MON}")) as alone:
        assert alone
        for result in (house.run(MON), house.run(MON, only=RECEIVED)):
            assert not result.success
            assert "another run is making 2026-11-09 of banco_pan_veiculos: wait for it to end" in refusal(result)
            assert not result.filter_events(lambda event: event.is_step_start)
        assert house.runtime.ledger.base(MON) is None
        assert decide(house, Decision.NO_ACORDOS, why="feriado", author="ana").success  # decisions do not wait
    assert house.run(MON, only=RECEIVED).success


def test_another_day_and_another_portfolio_s_day_are_free(house: Agency) -> None:
    with_a_remessa(house)
    elsewhere = Ledger(house.runtime.engine, "consignado")
    with house.runtime.ledger.exclusive(day_activity(f"{TUE}")), elsewhere.exclusive(day_activity(f"{MON}")):
        assert house.run(MON, only=RECEIVED).success


def test_a_run_holds_its_day_to_its_end_and_lets_it_go_when_it_fails(
    house: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_remessa(house)
    seen: list[bool] = []

    def free() -> bool:
        with house.runtime.ledger.exclusive(day_activity(f"{MON}")) as alone:
            return alone

    def look_and_fail(*_: object, **__: object) -> None:
        seen.append(free())
        raise AtomError("stopped by the test")

    monkeypatch.setattr(receive_assets, "load_day", look_and_fail)
    result = house.run(MON, only=RECEIVED)
    assert [line.split(": ")[-1] for line in failures(result)] == ["stopped by the test"]
    assert seen == [False]
    assert free()


def test_assets_picked_by_hand_hold_the_day_of_their_portfolio(house: Agency) -> None:
    with_a_remessa(house)
    job = house.definitions.resolve_implicit_global_asset_job_def()

    def run() -> dg.ExecuteInProcessResult:
        return job.execute_in_process(
            partition_key=f"{MON}",
            instance=house.instance,
            raise_on_error=False,
            run_config=QUIET,
            asset_selection=RECEIVED,
        )

    with house.runtime.ledger.exclusive(day_activity(f"{MON}")):
        assert "another run is making 2026-11-09" in refusal(run())
    assert run().success


def test_the_command_line_tells_that_another_run_makes_the_day_and_stops(house: Agency) -> None:
    with_a_remessa(house)
    assert house.run(MON).success
    with house.runtime.ledger.exclusive(day_activity(f"{MON}")):
        made = list(run_days(house.runtime, house.definitions, house.instance, [MON, TUE]))
    assert [(one.day, one.success) for one in made] == [(MON, False)]
    assert made[0].failures == (
        "another run is making 2026-11-09 of banco_pan_veiculos: wait for it to end, then run the day again",
    )
