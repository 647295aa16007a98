from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from resources.ledger import Ledger, migrate
from resources.ledger_files import Listed
from resources.ledger_records import (
    DECISIONS,
    Arrival,
    Base,
    FileStatus,
    Load,
    NewFile,
    Output,
    Recorded,
    WaveFile,
    WaveKind,
    WaveStatus,
)
from resources.ledger_section import LedgerError
from resources.ledger_tables import SCHEMA, metadata
from resources.ledger_waves import Busy, WaveRefused
from resources.postgres import engine

BEFORE, DAY, AFTER = date(2026, 11, 19), date(2026, 11, 23), date(2026, 11, 24)


def new(name: str = "a.csv", sha256: str = "1", *, layout: str = "acordos", day: date = DAY) -> NewFile:
    return NewFile(name, layout, day, sha256, 10, f"{day}/{layout}/{name}", stamp=datetime(2026, 11, 23, 2, 0))


def base(day: date, previous: Base | None = None, *, hash: str = "h") -> Base:
    return Base(
        day=day,
        hash=hash,
        tables={"contratos": "c"},
        inputs="i",
        previous_day=previous.day if previous else None,
        previous_hash=previous.hash if previous else None,
        complete=True,
        waiting={},
    )


# Migrations.


def test_the_migrations_make_the_tables_that_the_code_declares(ledger_url: str) -> None:
    connections = create_engine(ledger_url)
    with connections.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "version_table_schema": SCHEMA,
                "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
            },
        )
        assert compare_metadata(context, metadata) == []
        declared = {
            (table.name, constraint.name)
            for table in metadata.tables.values()
            for constraint in table.constraints
            if constraint.name and str(constraint.name).startswith("ck_")
        }
        made = {
            (table, constraint["name"])
            for table in inspect(connection).get_table_names(SCHEMA)
            for constraint in inspect(connection).get_check_constraints(table, SCHEMA)
        }
        assert made == {(table, str(name)) for table, name in declared}
        assert made
    connections.dispose()


def test_migrating_leaves_the_default_schema_alone(ledger_url: str) -> None:
    connections = create_engine(ledger_url)
    assert inspect(connections).get_table_names("public") == []
    assert "alembic_version" in inspect(connections).get_table_names(SCHEMA)
    connections.dispose()


def test_a_schema_that_is_up_to_date_is_left_and_any_other_is_migrated(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgraded: list[str] = []
    monkeypatch.setattr("alembic.command.upgrade", lambda _config, revision: upgraded.append(revision))
    connections = engine(ledger_url)
    migrate(connections)
    assert upgraded == []
    with connections.begin() as connection:
        applied = connection.execute(text(f"select version_num from {SCHEMA}.alembic_version")).scalar_one()
        connection.execute(text(f"update {SCHEMA}.alembic_version set version_num = '0001'"))
    migrate(connections)
    assert upgraded == ["head"]
    with connections.begin() as connection:
        connection.execute(text(f"update {SCHEMA}.alembic_version set version_num = '{applied}'"))
    connections.dispose()


def test_many_may_migrate_at_once(database_url: str) -> None:
    engines = [engine(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, engines))
    ledgers = [Ledger(connections, "veiculos") for connections in engines]
    assert ledgers[0].record_file(new()).arrival is Arrival.NEW
    assert [file.name for file in ledgers[3].files(DAY)] == ["a.csv"]
    for connections in engines:
        connections.dispose()


# Files.


def test_a_file_is_recorded_as_it_came(ledger: Ledger) -> None:
    recorded = ledger.record_file(new())
    assert (recorded.arrival, recorded.days) == (Arrival.NEW, {DAY})
    [file] = ledger.files(DAY)
    assert file == recorded.file
    assert (file.version, file.status, file.arrival, file.excel) == (1, FileStatus.CURRENT, 1, False)
    assert file.stamp == datetime(2026, 11, 23, 2, 0)
    assert file.collected_at.tzinfo is not None
    assert abs(file.collected_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert ledger.days_with_files() == [DAY]


def test_the_same_name_and_bytes_again_change_nothing(ledger: Ledger) -> None:
    first = ledger.record_file(new())
    again = ledger.record_file(new())
    assert again == Recorded(Arrival.SAME, first.file, frozenset())
    assert len(ledger.files(DAY, every=True)) == 1


def test_the_same_name_with_other_bytes_replaces_the_earlier_version(ledger: Ledger) -> None:
    ledger.record_file(new())
    second = ledger.record_file(new(sha256="2"))
    assert (second.arrival, second.file.version, second.days) == (Arrival.VERSION, 2, {DAY})
    assert ledger.files(DAY) == [second.file]
    assert [f.status for f in ledger.files(DAY, every=True)] == [FileStatus.REPLACED, FileStatus.CURRENT]


def test_going_back_to_earlier_bytes_is_a_version_too(ledger: Ledger) -> None:
    for sha256 in ("1", "2", "1"):
        last = ledger.record_file(new(sha256=sha256))
    assert (last.arrival, last.file.version) == (Arrival.VERSION, 3)
    assert ledger.files(DAY) == [last.file]


def test_another_name_with_the_same_bytes_is_a_duplicate_within_layout_and_day(ledger: Ledger) -> None:
    first = ledger.record_file(new("a.csv"))
    twin = ledger.record_file(new("b.csv"))
    assert (twin.arrival, twin.days) == (Arrival.DUPLICATE, frozenset())
    assert (twin.file.status, twin.file.duplicate_of) == (FileStatus.DUPLICATE, first.file.id)
    assert ledger.record_file(new("b.csv")).arrival is Arrival.SAME
    assert ledger.files(DAY) == [first.file]
    assert ledger.record_file(new("c.csv", day=AFTER)).arrival is Arrival.NEW
    assert ledger.record_file(new("d.csv", layout="batimento")).arrival is Arrival.NEW


def test_a_duplicate_takes_the_place_of_a_file_that_is_replaced(ledger: Ledger) -> None:
    ledger.record_file(new("a.csv"))
    for name in ("b.csv", "c.csv"):
        ledger.record_file(new(name))
    ledger.record_file(new("a.csv", "2"))
    assert [(file.name, file.sha256) for file in ledger.files(DAY)] == [("b.csv", "1"), ("a.csv", "2")]
    by_name = {(file.name, file.version): file for file in ledger.files(DAY, every=True)}
    assert by_name["c.csv", 1].duplicate_of == by_name["b.csv", 1].id


def test_a_duplicate_that_gets_other_bytes_becomes_a_file_of_its_own(ledger: Ledger) -> None:
    ledger.record_file(new("a.csv"))
    ledger.record_file(new("b.csv"))
    assert ledger.record_file(new("b.csv", "2")).arrival is Arrival.VERSION
    assert [(file.name, file.sha256) for file in ledger.files(DAY)] == [("a.csv", "1"), ("b.csv", "2")]


def test_a_version_that_belongs_to_another_day_touches_both(ledger: Ledger) -> None:
    ledger.record_file(new(day=DAY))
    moved = ledger.record_file(new(day=AFTER))
    assert (moved.arrival, moved.days) == (Arrival.VERSION, {DAY, AFTER})
    assert ledger.days_with_files() == [AFTER]


def test_names_that_differ_in_case_are_two_files(ledger: Ledger) -> None:
    ledger.record_file(new("a.csv", "1"))
    ledger.record_file(new("A.csv", "2"))
    assert [file.name for file in ledger.files(DAY)] == ["a.csv", "A.csv"]


def test_portfolios_do_not_see_each_other(ledger: Ledger) -> None:
    other = Ledger(ledger.engine, "consignado")
    ledger.record_file(new())
    assert other.record_file(new()).arrival is Arrival.NEW
    assert other.files(DAY)[0].arrival == 1
    other.decide(DAY, "no-acordos", why="não veio", author="ana")
    assert ledger.decisions(DAY) == []


def test_many_recorders_of_one_file_record_it_once(ledger: Ledger) -> None:
    with ThreadPoolExecutor(6) as pool:
        arrivals = list(pool.map(lambda _: ledger.record_file(new()).arrival, range(12)))
    assert sorted(arrivals) == [Arrival.NEW] + [Arrival.SAME] * 11


def test_many_recorders_of_many_files_give_each_its_place(ledger: Ledger) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: ledger.record_file(new(f"{n}.csv", str(n))), range(20)))
    assert [file.arrival for file in ledger.files(DAY)] == list(range(1, 21))


def test_a_new_version_keeps_the_first_arrival_of_its_name(ledger: Ledger) -> None:
    for name, sha256 in (("a.csv", "1"), ("b.csv", "2"), ("a.csv", "3"), ("a.csv", "4")):
        ledger.record_file(new(name, sha256))
    Ledger(ledger.engine, "consignado").record_file(new("a.csv", "1"))
    assert [(file.name, file.arrival) for file in ledger.files(DAY)] == [("b.csv", 2), ("a.csv", 4)]
    assert ledger.first_arrivals(DAY) == {"a.csv": 1, "b.csv": 2}
    assert ledger.first_arrivals(AFTER) == {}


def test_a_version_that_moved_to_another_day_keeps_the_first_arrival_there(ledger: Ledger) -> None:
    ledger.record_file(new("a.csv", "1"))
    ledger.record_file(new("b.csv", "2"))
    ledger.record_file(new("a.csv", "3", day=AFTER))
    assert ledger.first_arrivals(AFTER) == {"a.csv": 1}
    assert ledger.first_arrivals(DAY) == {"b.csv": 2}


# Loads.


def test_a_later_load_of_a_file_replaces_the_earlier(ledger: Ledger) -> None:
    file = ledger.record_file(new()).file
    ledger.record_load(Load(file.id, "refused", code="TRAILER_DIVERGE", message="2 linhas, o trailer diz 3"))
    ledger.record_load(
        Load(file.id, "loaded", rows_read=3, rows_accepted=2, rows_refused=1, refused_by_reason={"CPF_CNPJ": 1})
    )
    [loaded] = ledger.loads(DAY)
    assert loaded.file == file
    assert (loaded.load.outcome, loaded.load.code, loaded.load.refused_by_reason) == ("loaded", None, {"CPF_CNPJ": 1})
    assert loaded.load.loaded_at is not None


def test_a_load_that_does_not_account_for_every_row_is_refused(ledger: Ledger) -> None:
    file = ledger.record_file(new()).file
    with pytest.raises(IntegrityError, match="every_row_is_accounted_for"):
        ledger.record_load(Load(file.id, "loaded", rows_read=3, rows_accepted=2))


def test_loads_of_replaced_files_are_not_the_days(ledger: Ledger) -> None:
    ledger.record_load(Load(ledger.record_file(new()).file.id, "loaded"))
    ledger.record_file(new(sha256="2"))
    assert ledger.loads(DAY) == []


# Listings.


def at(ledger: Ledger, moment: datetime) -> Ledger:
    return Ledger(ledger.engine, ledger.portfolio, clock=lambda: moment)


NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_a_sighting_tells_since_when_a_file_is_as_it_is(ledger: Ledger) -> None:
    listed = Listed("a.csv", 10, NOON)
    at(ledger, NOON).record_listing([listed])
    at(ledger, NOON).record_verified("a.csv")
    later = at(ledger, NOON + timedelta(minutes=1)).record_listing([listed])["a.csv"]
    assert (later.first_seen_at, later.verified_at) == (NOON, NOON)
    grown = at(ledger, NOON + timedelta(minutes=2)).record_listing([Listed("a.csv", 11, NOON)])["a.csv"]
    assert (grown.size, grown.first_seen_at, grown.verified_at) == (11, NOON + timedelta(minutes=2), None)
    touched = at(ledger, NOON + timedelta(minutes=3)).record_listing([Listed("a.csv", 11, None)])["a.csv"]
    assert (touched.mtime, touched.first_seen_at) == (None, NOON + timedelta(minutes=3))


def test_sightings_do_not_outlive_the_listing(ledger: Ledger) -> None:
    ledger.record_listing([Listed("a.csv", 1, NOON), Listed("b.csv", 1, NOON)])
    assert list(ledger.record_listing([Listed("b.csv", 1, NOON)])) == ["b.csv"]
    assert ledger.record_listing([]) == {}


def test_ten_thousand_names_are_remembered_quickly(ledger: Ledger) -> None:
    listing = [Listed(f"{n}.csv", n, NOON) for n in range(10_000)]
    ledger.record_listing(listing)
    started = datetime.now(UTC)
    assert len(ledger.record_listing(listing)) == 10_000
    assert datetime.now(UTC) - started < timedelta(seconds=4)


def test_an_unknown_name_is_remembered_until_it_goes(ledger: Ledger) -> None:
    at(ledger, NOON).record_unknown([Listed("a.doc", 1, NOON), Listed("b.doc", 1, NOON)])
    at(ledger, NOON + timedelta(hours=1)).record_unknown([Listed("b.doc", 2, NOON)])
    [still] = ledger.unknown_files()
    assert (still.name, still.size, still.first_seen_at) == ("b.doc", 2, NOON)
    assert [(f.name, f.gone_at) for f in ledger.unknown_files(gone=True)] == [
        ("a.doc", NOON + timedelta(hours=1)),
        ("b.doc", None),
    ]
    ledger.record_unknown([])
    assert ledger.unknown_files() == []


# Verdicts and decisions.


def hold(
    ledger: Ledger, fingerprint: str = "f1", *, held: bool = True, day: date = DAY, guard: str = "batimento"
) -> None:
    ledger.record_verdict(day, guard, fingerprint, held=held, numbers={"fechados": 40, "share": 0.4}, message="retido")


def test_a_release_is_for_the_inputs_that_were_held_and_no_others(ledger: Ledger) -> None:
    hold(ledger, "f1")
    decision = ledger.decide(DAY, "release-batimento", why="confirmado com o banco", author="ana")
    assert decision.reference == "f1"
    hold(ledger, "f2")
    assert [(v.fingerprint, v.stands_in_the_way) for v in ledger.verdicts(DAY)] == [("f1", False), ("f2", True)]
    hold(ledger, "f1", day=AFTER)
    hold(ledger, "f1", guard="exclusao")
    assert [v.stands_in_the_way for v in ledger.verdicts(AFTER)] == [True]
    assert {v.guard: v.stands_in_the_way for v in ledger.verdicts(DAY) if v.fingerprint == "f1"} == {
        "batimento": False,
        "exclusao": True,
    }


def test_a_verdict_given_again_keeps_its_release(ledger: Ledger) -> None:
    hold(ledger)
    decision = ledger.decide(DAY, "release-batimento", why="confirmado", author="ana")
    hold(ledger)
    [verdict] = ledger.verdicts(DAY)
    assert (verdict.released_by, verdict.numbers) == (decision.id, {"fechados": 40, "share": 0.4})


def test_what_is_not_held_cannot_be_released(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="batimento of 2026-11-23 is not held"):
        ledger.decide(DAY, "release-batimento", why="x", author="ana")
    hold(ledger, held=False)
    with pytest.raises(LedgerError, match="not held"):
        ledger.decide(DAY, "release-batimento", why="x", author="ana")
    assert ledger.decisions(DAY) == []


def test_a_release_may_name_the_inputs_before_they_are_judged(ledger: Ledger) -> None:
    ledger.decide(DAY, "release-batimento", why="replay", author="ana", reference="f9")
    hold(ledger, "f9")
    assert not ledger.verdicts(DAY)[0].stands_in_the_way


@pytest.mark.parametrize("what", ["", "release", "release-nada", "NO-ACORDOS", "no-acordos ", "sql'; --"])
def test_a_word_that_is_no_decision_is_refused(ledger: Ledger, what: str) -> None:
    with pytest.raises(LedgerError, match="is no decision: one of no-acordos"):
        ledger.decide(DAY, what, why="x", author="ana")


@pytest.mark.parametrize(("why", "author"), [("", "ana"), ("  ", "ana"), ("x", ""), ("x", " \n")])
def test_a_decision_needs_a_reason_and_an_author(ledger: Ledger, why: str, author: str) -> None:
    with pytest.raises(LedgerError, match="needs a reason and an author"):
        ledger.decide(DAY, "no-acordos", why=why, author=author)


def test_every_word_is_accepted_and_kept_in_order(ledger: Ledger) -> None:
    for what in DECISIONS:
        reference = "f" if what.startswith("release-") else None
        ledger.decide(DAY, what, why="porque sim", author="ana", reference=reference)
    assert tuple(decision.what for decision in ledger.decisions(DAY)) == DECISIONS
    with pytest.raises(LedgerError, match="takes no reference"):
        ledger.decide(DAY, "send-now", why="x", author="ana", reference="f")


def test_the_same_decision_given_twice_stands_once_and_again_after_another_word(ledger: Ledger) -> None:
    for what in ("send-now", "send-now", "do-not-send", "send-now"):
        ledger.decide(DAY, what, why="x", author="ana")
    assert [d.what for d in ledger.decisions(DAY)] == ["send-now", "do-not-send", "send-now"]


def test_a_guard_that_does_not_exist_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no guard is called telefones"):
        ledger.record_verdict(DAY, "telefones", "f", held=False, numbers={}, message="")


def test_numbers_that_json_cannot_hold_are_refused(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="JSON compliant"):
        ledger.record_verdict(DAY, "batimento", "f", held=False, numbers={"share": float("nan")}, message="")


# Bases and outputs.


def test_the_chain_of_bases_is_found_by_day(ledger: Ledger) -> None:
    first = ledger.record_base(base(BEFORE))
    second = ledger.record_base(base(AFTER, first))
    assert ledger.newest_base() == second
    assert ledger.newest_base_before(AFTER) == first
    assert ledger.newest_base_before(DAY) == first
    assert ledger.newest_base_before(BEFORE) is None
    assert ledger.base(DAY) is None
    assert ledger.bases(first=DAY) == [second]


def test_a_base_made_again_replaces_the_one_before(ledger: Ledger) -> None:
    ledger.record_base(base(BEFORE, hash="1"))
    ledger.record_base(base(BEFORE, hash="2"))
    assert [one.hash for one in ledger.bases()] == ["2"]


def test_a_base_cannot_follow_itself_or_a_later_day(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError, match="follows_an_earlier_day"):
        ledger.record_base(base(BEFORE, base(AFTER)))


def test_outputs_are_recorded_once_by_name(ledger: Ledger) -> None:
    ledger.record_output(Output(DAY, "erros", "a.csv", "file:///drop/erros/a.csv", "1", 3))
    ledger.record_output(Output(DAY, "erros", "a.csv", "file:///drop/erros/a.csv", "2", 4))
    ledger.record_output(Output(DAY, "resumo", "r.csv", "file:///r.csv", "3", 1))
    assert [(output.name, output.rows) for output in ledger.outputs(DAY)] == [("a.csv", 4), ("r.csv", 1)]
    assert [output.sha256 for output in ledger.outputs(DAY, "erros")] == ["2"]


# Waves.


def plan(ledger: Ledger, day: date = DAY, kind: WaveKind = WaveKind.CARGA, *, send: bool = True) -> int:
    with ledger.wave_slot(day) as slot:
        files = [WaveFile("carga.txt", "manager_mailing", 2, 10, "s", "ondas/x/carga.txt")]
        wave = ledger.plan_wave(slot, kind, files=files, rows_path="ondas/x.parquet", rows_sha256="r")
    if send:
        ledger.mark_wave_sent(wave)
    return wave.number


def test_a_waves_number_counts_within_its_day(ledger: Ledger) -> None:
    assert [plan(ledger, DAY), plan(ledger, DAY, WaveKind.BAIXA), plan(ledger, AFTER)] == [1, 2, 1]
    assert [wave.label for wave in ledger.waves()] == ["2026-11-23/01", "2026-11-23/02", "2026-11-24/01"]
    assert [wave.kind for wave in ledger.waves(DAY)] == [WaveKind.CARGA, WaveKind.BAIXA]
    last = ledger.last_sent_wave()
    assert last is not None
    assert (last.label, last.status, last.files[0].name) == ("2026-11-24/01", WaveStatus.SENT, "carga.txt")


def test_no_wave_is_planned_or_sent_for_a_day_older_than_the_last_sent(ledger: Ledger) -> None:
    plan(ledger, AFTER)
    with pytest.raises(WaveRefused, match="no wave goes for 2026-11-23: one of 2026-11-24"):
        plan(ledger, DAY)
    assert len(ledger.waves()) == 1


def test_a_wave_waits_for_the_one_before(ledger: Ledger) -> None:
    plan(ledger, send=False)
    with pytest.raises(WaveRefused, match="2026-11-23/01 is planned and not sent"):
        plan(ledger)
    [wave] = ledger.waves(status=WaveStatus.PLANNED)
    ledger.mark_wave_cancelled(wave, "arquivo errado")
    assert plan(ledger) == 2


def test_sent_and_cancelled_are_for_good(ledger: Ledger) -> None:
    plan(ledger)
    [sent] = ledger.waves()
    assert ledger.mark_wave_sent(sent) == sent
    with pytest.raises(WaveRefused, match="cannot be cancelled"):
        ledger.mark_wave_cancelled(sent, "x")
    plan(ledger, send=False)
    planned = ledger.waves()[-1]
    cancelled = ledger.mark_wave_cancelled(planned, "x")
    assert ledger.mark_wave_cancelled(planned, "y") == cancelled
    with pytest.raises(WaveRefused, match="was cancelled"):
        ledger.mark_wave_sent(planned)


def test_a_number_whose_planning_failed_is_given_again(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.wave_slot(DAY) as slot:
        assert slot.number == 1
        raise RuntimeError
    assert plan(ledger) == 1


def test_only_one_plans_at_a_time(ledger: Ledger) -> None:
    with ledger.wave_slot(DAY), pytest.raises(Busy), ledger.wave_slot(DAY):
        pass
    assert plan(ledger) == 1


def test_what_manager_has_starts_at_the_last_carga(ledger: Ledger) -> None:
    for day, kind in [
        (BEFORE, WaveKind.IMPORTACAO),
        (BEFORE, WaveKind.INCREMENTAL),
        (DAY, WaveKind.BAIXA),
        (DAY, WaveKind.CARGA),
        (DAY, WaveKind.INCREMENTAL),
    ]:
        plan(ledger, day, kind)
    plan(ledger, DAY, WaveKind.BAIXA, send=False)
    waves = ledger.waves()
    assert ledger.waves_manager_has() == waves[3:5]
    assert ledger.waves_manager_has(up_to=waves[2]) == waves[0:3]
    assert ledger.waves_manager_has(up_to=waves[3]) == [waves[3]]


# Locks.


def test_a_lock_ends_with_the_process_that_holds_it(ledger: Ledger, ledger_url: str) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from resources.ledger import Ledger\n"
            "from resources.postgres import engine\n"
            "with Ledger(engine(sys.argv[1]), 'veiculos').exclusive('coleta') as alone:\n"
            "    print(alone, flush=True)\n"
            "    time.sleep(60)\n",
            ledger_url,
        ],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with ledger.exclusive("coleta") as alone, ledger.exclusive("ondas") as other:
            assert (alone, other) == (False, True)
        with Ledger(ledger.engine, "consignado").exclusive("coleta") as elsewhere:
            assert elsewhere
    finally:
        holder.kill()
        holder.communicate()
    for _ in range(50):
        with ledger.exclusive("coleta") as alone:
            if alone:
                break
        subprocess.run(["sleep", "0.1"], check=True)
    assert alone


def test_a_lock_is_given_back_when_its_block_fails(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.exclusive("coleta"):
        raise RuntimeError
    with ledger.exclusive("coleta") as alone:
        assert alone


@pytest.fixture
def broken(ledger: Ledger, ledger_url: str) -> Iterator[Ledger]:
    """A ledger whose connections the server has just closed."""
    with ledger.engine.connect():
        pass
    admin = create_engine(ledger_url)
    with admin.begin() as connection:
        connection.execute(
            text("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
                 " and datname = current_database()")
        )  # fmt: skip
    admin.dispose()
    yield ledger


def test_the_ledger_goes_on_after_the_server_was_restarted(broken: Ledger) -> None:
    assert broken.record_file(new()).arrival is Arrival.NEW
