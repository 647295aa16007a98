"""`atom prune` over a real ledger, lake, archive and drop: what goes, what stays, and that no day notices."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from agency import ANA, BIA, CAIO, ZONE, Agency, agency, client, failures
from databases import Ledgers, drop_database
from sqlalchemy import make_url

from assets import errors
from assets.common import asset_key
from atom_pipeline.cli.prune import prune_runs
from atom_pipeline.errors import AtomError
from atom_pipeline.portfolio import Retention
from atom_pipeline.retention import Part
from resources.explain import explain_contrato
from resources.lake import Lake, TableMissing
from resources.ledger_waves import Busy
from resources.panel import day_panel
from resources.postgres import create_database
from resources.retention import ERRORS, PRUNING, no_pruning, prune, refuse_if_pruned, survey, why_missing
from resources.runtime import PortfolioRuntime

D1, D2, D3, D4 = (date(2026, 11, number) for number in (9, 10, 11, 12))
PRUNED_ON = datetime(2026, 11, 18, 12, tzinfo=ZONE)  # ten days are kept that begin with D3
TERMS = Retention(steps=7, archive=7, base=7, waves=7, errors=7, runs=7)
C1, C2, C3 = "0000000101", "0000000102", "0000000103"
STRANGER = "0000000999"
CLIENTS = {D1: (C1, C2), D2: (C1, C2), D3: (C1, C2, C3), D4: (C2, C3)}
PEOPLE = {C1: ANA, C2: BIA, C3: CAIO}


@dataclass
class Pruned:
    """A house of three days, pruned of the first, and the same house that never was."""

    house: Agency
    whole: Agency
    before: dict[str, bytes]

    @property
    def runtime(self) -> PortfolioRuntime:
        return self.house.runtime


def with_terms(house: Agency) -> PortfolioRuntime:
    portfolio = house.runtime.portfolio.model_copy(update={"retention": TERMS})
    return replace(house.runtime, catalogue=replace(house.runtime.catalogue, portfolio=portfolio))


def put_day(house: Agency, day: date) -> None:
    rows = [client(contrato, PEOPLE[contrato], dias_atraso=40 + day.day) for contrato in CLIENTS[day]]
    house.put("remessa_assessoria", f"202611{day.day - 1:02d}_190000_remessa_528_out.528", rows, day=day)
    acordo = {"contrato": STRANGER, "numero_acordo": "1", "parcela": "1", "motivo": "ACORDO", "data_movimento": day}
    house.put("acordos_baixados", f"AcordosBaixados_{day:%d%m%Y}_528.csv", [acordo], day=day)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def pruned(ledgers: Ledgers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pruned]:
    first, second = tmp_path_factory.mktemp("casa"), tmp_path_factory.mktemp("gemea")
    url = ledgers.lend()
    with agency(first, url) as house:
        for day in (D1, D2, D3):
            put_day(house, day)
            house.make(day)
        house.runtime.engine.dispose()
        twin = create_database(ledgers.maintenance_url, f"gemea_{uuid4().hex}", template=make_url(url).database)
        shutil.copytree(first, second, dirs_exist_ok=True)
        with agency(second, twin) as whole:
            house.runtime = with_terms(house)
            house.clock[0] = PRUNED_ON
            found = Pruned(house, whole, contents(first))
            _prune_killed_halfway(house.runtime)
            prune(house.runtime)
            yield found
    drop_database(ledgers.maintenance_url, twin)
    ledgers.give_back(url)


def _prune_killed_halfway(runtime: PortfolioRuntime) -> None:
    """The record is there, a few files are gone, the others are not."""
    removed: list[str] = []

    def remove(lake: Lake, path: str) -> None:
        if len(removed) == 40:
            raise KeyboardInterrupt
        removed.append(path)
        original(lake, path)

    original = Lake.remove
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lake, "remove", remove)
        with pytest.raises(KeyboardInterrupt):
            prune(runtime)
    assert runtime.stale() == []


def test_what_is_older_goes_and_what_a_day_needs_stays(pruned: Pruned) -> None:
    home = pruned.runtime.settings.home
    gone = pruned.before.keys() - contents(home).keys()
    assert {path.split("/")[0] for path in gone} == {"lake", "arquivo", "drop"}
    lake = pruned.runtime.lake
    base = pruned.runtime.ledger.base(D2)
    assert base is not None
    assert all(lake.sha256(table, D2) == sha256 for table, sha256 in base.tables.items())  # D3 starts from it
    assert not any(lake.exists(table, D1) for table in (*base.tables, "manager_mailing", "abertura"))
    for table in ("abertura", "manager_atual", "recebido/remessa_assessoria", "etapas/remessa_contratos"):
        assert [lake.exists(table, day) for day in (D1, D2, D3)] == [False, False, True]
    assert sorted(path.name for path in (home / "arquivo").iterdir() if path.name[0] == "2") == [f"{D3}"]
    assert sorted(path.name[:10] for path in (home / "lake" / "ondas").iterdir()) == [f"{D2}"] * 2 + [f"{D3}"] * 2
    assert [path.name for path in (home / "drop" / ERRORS).iterdir()] == [
        f"AcordosBaixados_{D3:%d%m%Y}_528.csv.erros.csv"
    ]


def test_pruned_again_nothing_more_goes_and_all_is_on_the_record(pruned: Pruned) -> None:
    assert survey(pruned.runtime).prunings() == []
    said = pruned.runtime.ledger.prunings()
    assert {one.part: one.before for one in said} == dict.fromkeys(
        (Part.STEPS, Part.ARCHIVE, Part.BASE, Part.WAVES, Part.ERRORS), D3
    )
    archived = [path for path in pruned.before if path.startswith((f"arquivo/{D1}", f"arquivo/{D2}"))]
    first = next(one for one in said if one.part is Part.ARCHIVE)
    assert (first.items, first.bytes) == (2, sum(len(pruned.before[path]) for path in archived))
    assert pruned.runtime.ledger.outputs(D1) == []


def test_a_day_that_can_no_longer_be_made_says_so_and_is_not_stale(pruned: Pruned) -> None:
    assert pruned.runtime.stale() == []
    with pytest.raises(
        AtomError, match="2026-11-10 cannot be made again: the files of the days before 2026-11-11 were"
    ):
        refuse_if_pruned(pruned.runtime, D2)
    refuse_if_pruned(pruned.runtime, D3)
    result = pruned.house.run(D1, only=[asset_key(pruned.runtime.name, "abertura")])
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_run_failure]
    error = failed.job_failure_data.error
    while error.cause is not None:
        error = error.cause
    assert "its base stands" in error.message
    pruned.house.clock[0] = PRUNED_ON


def test_explain_panel_and_show_tell_what_is_kept_and_what_is_not(pruned: Pruned) -> None:
    story = explain_contrato(pruned.runtime, C1)
    assert story is not None
    assert {event.dia for event in story.events} == {D2, D3}  # D2 is kept, since D3 starts from it
    assert story.forgotten == [
        "what happened to a contract before 2026-11-11 is no longer kept",
        "what was sent before 2026-11-11 is no longer kept",
    ]
    assert explain_contrato(pruned.runtime, STRANGER) is not None  # an acordo set aside on D3
    assert explain_contrato(pruned.runtime, "0000000888") is None
    panels = [day_panel(pruned.runtime, day) for day in (D1, D2, D3)]
    assert [(panel.made, panel.kept, panel.open_base) for panel in panels] == [
        (True, False, 0), (True, True, 2), (True, True, 3),
    ]  # fmt: skip
    assert why_missing(pruned.runtime, "contratos", D1)
    assert why_missing(pruned.runtime, "etapas/remessa_contratos", D2)
    assert why_missing(pruned.runtime, "nenhuma", D3) is None


def test_a_table_that_is_lost_and_was_not_pruned_is_still_an_error(pruned: Pruned) -> None:
    table = Path(pruned.runtime.lake.path("movimentos", D3))
    content = table.read_bytes()
    table.unlink()
    try:
        with pytest.raises(TableMissing):
            explain_contrato(pruned.runtime, C1)
    finally:
        table.write_bytes(content)


def test_a_file_for_a_day_that_can_no_longer_be_made_is_told_and_changes_no_day(pruned: Pruned) -> None:
    ledger = pruned.runtime.ledger
    assert ledger.behind_retention() == []
    name = "20261108_203000_remessa_528_out.528"
    late = pruned.house.put("remessa_assessoria", name, [client(C3, CAIO)], day=D1)
    pruned.house.collect()
    late.unlink()
    assert pruned.runtime.stale() == []
    assert ledger.behind_retention() == [(D1, name)]
    prune(pruned.runtime)
    assert not (pruned.runtime.archive / f"{D1}").exists()
    assert ledger.behind_retention() == []


def test_nothing_is_removed_while_a_day_is_made_and_no_day_is_made_meanwhile(pruned: Pruned) -> None:
    with no_pruning(pruned.runtime), no_pruning(pruned.runtime), pytest.raises(Busy, match="a day is being made"):
        prune(pruned.runtime)
    with pruned.runtime.ledger.exclusive("coleta"), pytest.raises(Busy, match="the drop is being collected"):
        prune(pruned.runtime)
    with pytest.MonkeyPatch.context() as patch, pruned.runtime.ledger.exclusive(PRUNING):
        patch.setattr("resources.retention._WAIT_FOR_PRUNING", 0.1)
        with pytest.raises(Busy, match="run the day again when it has ended"), no_pruning(pruned.runtime):
            raise AssertionError("a day is made while prune is at work")
    prune(pruned.runtime)


def test_an_error_file_that_a_person_is_changing_stays(pruned: Pruned) -> None:
    house = pruned.whole
    runtime = with_terms(house)
    (mine,) = runtime.ledger.outputs(D1, ERRORS)
    changed = house.drop / ERRORS / mine.name
    content = changed.read_bytes()
    changed.write_bytes(content + b"\n")
    house.clock[0] = PRUNED_ON
    assert mine.name not in {output.name for output in survey(runtime).errors}
    changed.write_bytes(content)
    assert mine.name in {output.name for output in survey(runtime).errors}


def test_dagster_s_old_runs_of_the_portfolio_go(pruned: Pruned) -> None:
    instance = pruned.house.instance
    count = instance.get_runs_count()
    assert count >= 3
    assert prune_runs(instance, replace(pruned.runtime), date(2000, 1, 1), dry_run=False) == 0
    assert prune_runs(instance, pruned.runtime, date(2100, 1, 1), dry_run=True) == count
    assert instance.get_runs_count() == count
    assert prune_runs(instance, pruned.runtime, date(2100, 1, 1), dry_run=False) == count
    assert instance.get_runs_count() == 0


def test_the_days_after_a_pruning_are_as_without_it(pruned: Pruned) -> None:
    """The next day; and, made again, the first day that is kept. Last: it moves both houses on."""
    for house in (pruned.house, pruned.whole):
        put_day(house, D4)
        house.make(D4)
    bases = [house.runtime.ledger.base(D4) for house in (pruned.house, pruned.whole)]
    assert bases[0] is not None
    assert bases[1] is not None
    assert (bases[0].hash, bases[0].tables) == (bases[1].hash, bases[1].tables)
    sent = [contents(house.manager) for house in (pruned.house, pruned.whole)]
    assert sent[0] == sent[1]
    assert pruned.house.table("manager_atual", D4).equals(pruned.whole.table("manager_atual", D4))
    again = pruned.house.run(D3)
    assert again.success, failures(again)
    assert pruned.runtime.ledger.base(D3) == replace(
        pruned.whole.runtime.ledger.base(D3), built_at=pruned.runtime.ledger.base(D3).built_at
    )
    assert pruned.runtime.lake.sha256("manager_atual", D3) == pruned.whole.runtime.lake.sha256("manager_atual", D3)


def test_the_error_files_lie_where_the_day_leaves_them() -> None:
    assert (errors.KIND, errors.FOLDER) == (ERRORS, ERRORS)
