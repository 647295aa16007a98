"""Three days at once: fifty files of twelve layouts in a shuffled order, two pollers and a person (R002, R012, R014).

`atom up` runs over OpenSSH's server, `atom run` runs again and again beside it, and a person materializes days and
assets in the UI while files arrive. Then: every file once, every wave once, nothing left behind, and the base is the
one made by running the days in order.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from datetime import time as hour
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from uuid import uuid4
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from agency import agency
from databases import drop_database
from polars.testing import assert_frame_equal
from servers import openssh_server
from station import ROOT, UNDER_WAY, Run, Station, command, station, wait_for

from atom_pipeline.calendar import WorkingCalendar
from atom_pipeline.layout.catalogue import Catalogue, load_catalogue
from atom_pipeline.layout.names import build_name
from atom_pipeline.layout.reading import read_file
from atom_pipeline.layout.writing import Records, write_file
from atom_pipeline.sample import SampleReport, generate
from resources.durable import hash_file
from resources.ledger_records import FileRecord, Wave, WaveKind, WaveStatus
from resources.postgres import create_database
from resources.runtime import open_portfolios
from resources.settings import Settings, file_url

PORTFOLIO = "banco_pan_veiculos"
POLL = 5  # seconds
CONTRACTS = 120
ARRIVE_IN = 15  # seconds, all of them
# What does not depend on which of two files came first; a phone's place after the remessa's own does (R025).
BASE = (
    "acordos",
    "cadastro",
    "contratos",
    "enderecos",
    "fichas",
    "garantias",
    "marcacoes",
    "movimentos",
    "parcelas_abertas",
    "refin_vigente",
)
RECEIVING = ("recebido/telefones", "recebido/remessa_assessoria", "cadastro", "etapa_remessa")
SENDING = ("manager_mailing", "publicado/manager_baixa", "publicado/manager_mailing")
PROVENANCE = ("arquivo", "linha")


@dataclass(frozen=True)
class Bank:
    """The files of three working days. ``copies`` are names with the bytes of another, and that other."""

    files: Path
    report: SampleReport
    day_of: Mapping[str, date]  # of every name that a layout knows
    copies: Mapping[str, str]

    @property
    def days(self) -> tuple[date, ...]:
        return self.report.days

    def of(self, day: date) -> list[str]:
        return [name for name, its in self.day_of.items() if its == day]


@dataclass
class Storm:
    """What was left after it: ``before`` and ``after`` are the tables' bytes, made again in order in between."""

    station: Station
    manager: Path
    reference: Path
    runs: list[Run] = field(default_factory=list)
    pressed: list[str] = field(default_factory=list)  # ids of the person's runs
    polled: list[subprocess.CompletedProcess[str]] = field(default_factory=list)
    files: list[FileRecord] = field(default_factory=list)
    waves: list[Wave] = field(default_factory=list)  # in the order they were sent
    stale: list[date] = field(default_factory=list)
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    code: int = -1  # of the `atom run` that made them
    said: str = ""

    def press(self, day: date, *assets: str) -> None:
        self.pressed.append(self.station.launch(day, *assets))

    def table(self, name: str, day: date) -> pl.DataFrame:
        return pl.read_parquet(self.station.home / "lake" / name / f"{day}.parquet")


# The bank's side.


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    catalogue = load_catalogue(ROOT / "layouts" / PORTFOLIO)
    operation = catalogue.portfolio.operation
    calendar = WorkingCalendar(operation)
    last = calendar.next(datetime.now(ZoneInfo(operation.timezone)).date())
    first = calendar.previous(calendar.previous(last))
    with TemporaryDirectory(prefix="atom-bank-") as name:
        folder = Path(name)
        report = generate(catalogue, contracts=CONTRACTS, days=3, seed=7, target=folder, first_day=first)
        day_of = {file.name: one.day for one in report.reports for file in one.files if file.layout is not None}
        for one in report.reports:
            names = {file.layout: file.name for file in reversed(one.files)}
            day_of |= dict.fromkeys(write_more(catalogue, folder, names, one.day), one.day)
        copies = {file.name: file.copy_of for file in report.files if file.copy_of is not None}
        yield Bank(folder, report, day_of, copies)


def write_more(catalogue: Catalogue, folder: Path, names: Mapping[str | None, str], day: date) -> list[str]:
    """A second file of seven layouts, some minutes after the first one. No event of the sample becomes another."""
    written: list[str] = []

    def first_of(layout: str) -> dict[str, pl.DataFrame]:
        name = names[layout]
        return read_file(catalogue.layouts[layout], folder / name, name=name, day=day).frames

    def write(layout: str, at: hour, records: Records, pattern: int = 0) -> None:
        spec = catalogue.layouts[layout]
        stamp = datetime.combine(day, at)
        name = build_name(spec, stamp=stamp, pattern=spec.names[pattern], ascob=catalogue.portfolio.ascob)
        write_file(spec, records, folder / name, day=day)
        written.append(name)

    (remessa,) = first_of("remessa_assessoria").values()
    (parcelas,) = first_of("remessa_parcelas").values()
    (exclusao,) = first_of("exclusao_retirada").values()
    (acordos,) = first_of("acordos_baixados").values()
    garantias = first_of("remessa_garantias")
    some = parcelas["contrato"].unique(maintain_order=True).head(2).to_list()
    mine = pl.col("contrato").is_in(some)
    write("remessa_assessoria", hour(0, 50), remessa.head(3).with_columns(pl.col("dias_atraso") + 1))
    write("remessa_parcelas", hour(0, 51), parcelas.filter(mine, pl.col("linha") != parcelas["linha"].min()))
    write("remessa_garantias", hour(0, 52), {record: frame.filter(mine) for record, frame in garantias.items()})
    write("exclusao_retirada", hour(0, 53), exclusao.head(1).with_columns(motivo=pl.lit("OUTRO")))
    write("acordos_baixados", hour(2, 20), acordos.tail(2), pattern=1)
    numbers = [f"319{day:%m%d}{at:04}" for at in range(3)]
    phones = remessa.tail(3).select("contrato", "cpf_cnpj", telefone_1_numero=pl.Series(numbers))
    write("telefones", hour(5, 40), phones)
    write("refin", hour(6, 15), remessa.slice(10, 4).select("contrato", plano_refin=pl.lit(48, pl.Int64)))
    return written


# Those who are at work meanwhile.


def arrive(bank: Bank, drop: Path) -> Iterator[int]:
    """Put every file into the drop, whole, in an order of nobody's; gives how many are there."""
    names = sorted(path.name for path in bank.files.iterdir())
    random.Random(8).shuffle(names)
    made = time.time() - 3600
    for count, name in enumerate(names, start=1):
        coming = drop.parent / "coming"
        shutil.copyfile(bank.files / name, coming)
        os.utime(coming, (made + count, made + count))
        coming.rename(drop / name)
        yield count
        time.sleep(ARRIVE_IN / len(names))


def rest(station: Station, handled: int) -> list[Run]:
    """The runs, once both sensors have looked after the last one's end and had nothing to ask for."""
    since: float | None = None

    def at_rest() -> list[Run] | None:
        nonlocal since
        runs = station.runs()
        if any(run.status in UNDER_WAY for run in runs):
            since = None
            return None
        since = since or time.time()
        looks = [[tick for tick in station.sensor(name) or [] if tick.at > since] for name in ("drop", "dias")]
        done = all(ticks and ticks[-1].status == "SKIPPED" for ticks in looks)
        return runs if done and f"{handled} já tratado(s)" in looks[0][-1].said else None

    return wait_for(at_rest, "rest", every=1)


@pytest.fixture(scope="module")
def storm(bank: Bank, postgres_server: str) -> Iterator[Storm]:
    first, second, last = bank.days
    with TemporaryDirectory(prefix="atom-many-", ignore_cleanup_errors=True) as name, ExitStack() as held:
        folder = Path(name)
        databases = [create_database(postgres_server, f"many_{uuid4().hex}") for _ in range(2)]
        for database in databases:
            held.callback(drop_database, postgres_server, database)
        for name in ("drop", "manager"):
            (folder / name).mkdir()
        evo = held.enter_context(openssh_server(folder / "evo", folder / "drop"))
        servers = {"ATOM_DROP_URL": evo.url, "ATOM_MANAGER_URL": file_url(folder / "manager")}
        servers |= evo.access.environment("ATOM_DROP_")
        with station(folder / "home", ATOM_POLL_SECONDS=POLL, ATOM_POSTGRES_URL=databases[0], **servers) as one:
            storm = Storm(one, folder / "manager", folder / "reference")
            with second_poller(storm, last):
                for count in arrive(bank, folder / "drop"):
                    if count == 15:
                        storm.press(second)
                    if count == 30:
                        storm.press(last, *RECEIVING)
                    if count == 40:  # what follows is late for a day that is made
                        wait_for(lambda: any((one.home / "lake").glob("contratos/*.parquet")), "the base of a day")
            storm.press(first)
            wait_for((one.home / "lake" / "manager_mailing" / f"{last}.parquet").exists, "the last day's mailing")
            storm.press(last, *SENDING)
            storm.runs = rest(one, len(bank.day_of) + 1)
        look_back(storm, bank, databases[1])
        yield storm


@contextmanager
def second_poller(storm: Storm, day: date) -> Iterator[None]:
    """`atom run` again and again: it collects, and makes the days, whatever the daemon does."""
    over = Event()

    def poll() -> None:
        words, variables = command("run", f"{day}"), storm.station.environment
        while not over.wait(1):
            storm.polled.append(
                subprocess.run(words, cwd=ROOT, env=variables, text=True, capture_output=True, check=False)
            )

    poller = Thread(target=poll)
    poller.start()
    try:
        yield
    finally:
        over.set()
        poller.join()


def look_back(storm: Storm, bank: Bank, database: str) -> None:
    """Keep what the ledger and the lake say, then make the days in order: again here, and anew elsewhere."""
    home = storm.station.home
    with open_portfolios(Settings.from_env(storm.station.environment)) as portfolios:
        runtime = portfolios[PORTFOLIO]
        storm.stale = runtime.stale()
        storm.files = [file for day in bank.days for file in runtime.ledger.files(day, every=True)]
        storm.waves = sorted(runtime.ledger.waves(), key=lambda wave: wave.sent_at or wave.planned_at)
    storm.before = tables(home)
    words = command("run", f"{bank.days[-1]}", "--from", f"{bank.days[0]}")
    again = subprocess.Popen(
        words, cwd=ROOT, env=storm.station.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        run_in_order(bank, storm.reference, database)
    finally:
        storm.said = again.communicate()[0]
    storm.code = again.returncode
    storm.after = tables(home)


def run_in_order(bank: Bank, home: Path, database: str) -> None:
    """The same files, day after day, by nobody else."""
    with agency(home, database) as other:
        for report in bank.report.reports:
            for name in bank.of(report.day):
                shutil.copyfile(bank.files / name, other.drop / name)
            other.make(report.day)


def tables(home: Path) -> dict[str, str]:
    """Hashes of the lake's tables; what a wave sent is none of them."""
    lake = home / "lake"
    found = (path for path in lake.rglob("*.parquet") if path.relative_to(lake).parts[0] != "ondas")
    return {str(path.relative_to(lake)): hash_file(path) for path in sorted(found)}


# What must be so.


def every_file_is_in_the_ledger_once(storm: Storm, bank: Bank) -> None:
    assert len(bank.day_of) >= 50
    assert len({file.layout for file in storm.files}) >= 10
    assert sorted(file.name for file in storm.files) == sorted(bank.day_of)
    assert {file.version for file in storm.files} == {1}
    by_name = {file.name: file for file in storm.files}
    for copy, original in bank.copies.items():
        kept, other = sorted((by_name[copy], by_name[original]), key=lambda file: file.arrival)
        assert (kept.status, other.status) == ("current", "duplicate")
        assert other.duplicate_of == kept.id
    in_pairs = {*bank.copies, *bank.copies.values()}
    assert {file.status for file in storm.files if file.name not in in_pairs} == {"current"}
    archive = storm.station.home / "arquivo"
    for file in storm.files:
        assert hash_file(archive / file.archived_path) == hash_file(bank.files / file.name) == file.sha256


def nothing_is_left_behind(storm: Storm, bank: Bank) -> None:
    assert not [run for run in storm.runs if run.status in UNDER_WAY]
    assert storm.stale == []
    assert {wave.status for wave in storm.waves} <= {WaveStatus.SENT, WaveStatus.CANCELLED}
    for day in bank.days:
        whole = [run for run in storm.runs if run.job == f"{PORTFOLIO}__dia" and run.day == f"{day}"]
        assert whole[-1].status == "SUCCESS"
    assert {run.id for run in storm.runs} >= set(storm.pressed)
    assert [run for run in storm.runs if run.job.endswith("__dia") and "atom/conteudo" in run.tags]  # by itself
    assert [done.stderr for done in storm.polled if done.returncode not in (0, 1)] == []
    assert [done.stderr for done in storm.polled if "Traceback" in done.stderr] == []
    assert not [path.name for path in storm.manager.iterdir() if path.name.startswith(".")]


def every_wave_went_once_and_no_earlier_day_after_a_later_one(storm: Storm, bank: Bank) -> None:
    sent = [wave for wave in storm.waves if wave.status is WaveStatus.SENT]
    assert [wave.day for wave in sent] == sorted(wave.day for wave in sent)
    assert len({wave.label for wave in sent}) == len(sent)
    for day in bank.days:
        kinds = [wave.kind for wave in sent if wave.day == day and wave.kind is not WaveKind.BAIXA]
        assert kinds.count(WaveKind.CARGA) == min(1, len(kinds))
        assert WaveKind.CARGA not in kinds[1:]
    # The last day's deadline has not come, and the first day is over: their carga goes whole or not at all.
    cargas = {wave.day: wave for wave in sent if wave.kind is WaveKind.CARGA}
    assert bank.days[-1] in cargas
    assert {cargas[day].note for day in (bank.days[0], bank.days[-1]) if day in cargas} == {""}
    files = {file.name: file.sha256 for wave in sent for file in wave.files}
    assert len(files) == sum(len(wave.files) for wave in sent)
    assert {path.name: hash_file(path) for path in storm.manager.iterdir()} == files


def manager_has_the_last_days_mailing_and_was_told_nothing_twice(storm: Storm, bank: Bank, tmp_path: Path) -> None:
    layout = load_catalogue(ROOT / "layouts" / PORTFOLIO).layouts["manager_mailing"]
    last = bank.days[-1]
    columns = [one.name for one in layout.version_on(last).details[0].fields]
    write_file(layout, storm.table("manager_mailing", last).select(columns), tmp_path / "wanted.csv", day=last)
    has: dict[str, tuple[str, ...]] = {}
    for wave in storm.waves:
        if wave.status is not WaveStatus.SENT:
            continue
        told = pl.read_parquet(storm.station.home / "lake" / wave.rows_path)
        said = {key[0]: set(rows["contrato"]) for key, rows in told.group_by("operacao")}
        assert said.get("INCLUSAO", set()).isdisjoint(has)
        assert said.get("ALTERACAO", set()) | said.get("BAIXA", set()) <= has.keys()
        loaded = [rows_of(storm.manager / one.name) for one in wave.files if one.layout == "manager_mailing"]
        gone = [rows_of(storm.manager / one.name) for one in wave.files if one.layout == "manager_baixa"]
        for rows in loaded:
            has |= rows
        for rows in gone:
            has = {contrato: row for contrato, row in has.items() if contrato not in rows}
    assert has == rows_of(tmp_path / "wanted.csv")


def rows_of(path: Path) -> dict[str, tuple[str, ...]]:
    """The rows of a file for Manager by contract, which stands there once."""
    frame = pl.read_csv(path, separator=";", infer_schema=False)
    (contrato,) = (name for name in frame.columns if name.lower() == "contrato")
    assert frame[contrato].is_unique().all()
    return {str(row[contrato]): tuple(map(str, row.values())) for row in frame.iter_rows(named=True)}


def every_event_of_the_three_days_is_in_the_base_once(storm: Storm, bank: Bank) -> None:
    for report in bank.report.reports:
        moved = storm.table("movimentos", report.day)
        for movimento in ("ALTA", "REATIVACAO", "BLOQUEIO", "ACORDO_REGISTRADO", "RETIRADA", "BAIXA_BATIMENTO"):
            found = set(moved.filter(pl.col("movimento") == movimento)["contrato"])
            assert found == set(report.expected.get(movimento, ())), (report.day, movimento)
        # A contract may have several acordos, and an acordo several parcelas: what they were is in `detalhe`.
        assert moved.select("contrato", "movimento", "detalhe").is_unique().all()
        assert storm.table("contratos", report.day)["contrato"].is_unique().all()


def the_days_made_again_in_order_are_the_same_to_the_byte(storm: Storm) -> None:
    assert storm.code == 0, storm.said
    assert "collected 0 file(s)" in storm.said
    assert {name for name in storm.before if storm.before[name] != storm.after[name]} == set()
    assert storm.before.keys() == storm.after.keys()


def an_agency_that_made_the_days_in_order_has_the_same_base(storm: Storm, bank: Bank) -> None:
    for day in bank.days:
        for name in BASE:
            other = pl.read_parquet(storm.reference / "lake" / name / f"{day}.parquet")
            assert_frame_equal(facts(storm.table(name, day)), facts(other))
        phones = [
            pl.read_parquet(home / "lake" / "telefones_contato" / f"{day}.parquet").select("contrato", "ddd", "numero")
            for home in (storm.station.home, storm.reference)
        ]
        assert_frame_equal(facts(phones[0]), facts(phones[1]))


def facts(frame: pl.DataFrame) -> pl.DataFrame:
    """A table's rows without where they were read: of two files that say the same, the first to arrive is named."""
    kept = frame.drop(PROVENANCE, strict=False)
    return kept.sort(kept.columns)


def test_many_at_once(storm: Storm, bank: Bank, tmp_path: Path) -> None:
    """All that is asked of one storm: one test, so that no two processes make the storm."""
    every_file_is_in_the_ledger_once(storm, bank)
    nothing_is_left_behind(storm, bank)
    every_wave_went_once_and_no_earlier_day_after_a_later_one(storm, bank)
    manager_has_the_last_days_mailing_and_was_told_nothing_twice(storm, bank, tmp_path)
    every_event_of_the_three_days_is_in_the_base_once(storm, bank)
    the_days_made_again_in_order_are_the_same_to_the_byte(storm)
    an_agency_that_made_the_days_in_order_has_the_same_base(storm, bank)
