from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from atom_pipeline.calendar import WorkingCalendar
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import Layout
from atom_pipeline.portfolio import Portfolio
from resources import collect as collecting
from resources.collect import CollectReport, collect
from resources.file_server import FileServer, FileServerError, RemoteFile
from resources.ledger import Ledger
from resources.ledger_records import Arrival, FileStatus
from resources.postgres import engine

FRIDAY, MONDAY = date(2026, 11, 27), date(2026, 11, 30)
ACORDOS = "acordos_27112026_528.csv"
REMESSA = "20261126_200000_remessa_528_out.528"  # Thursday evening, after the cutover: Friday's
LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC).timestamp()


def delimited(name: str, pattern: str, titles: list[str], *, cutover: bool = False, stage: str = "acordos") -> Layout:
    return Layout.model_validate(
        {
            "layout": name,
            "title": name,
            "description": name,
            "stage": stage,
            "names": [pattern],
            "cutover": cutover,
            "versions": [
                {
                    "format": {"kind": "delimited"},
                    "records": [{"name": "linha", "fields": [{"name": title} for title in titles]}],
                }
            ],
        }
    )


def catalogue(folder: Path) -> Catalogue:
    portfolio = Portfolio.model_validate(
        {
            "portfolio": "veiculos",
            "title": "Veículos",
            "description": "Teste",
            "creditor": "Banco",
            "ascob": "528",
            "campaign": {"id": 1, "name": "Teste"},
            "operation": {"start": "2026-01-01"},
        }
    )
    layouts = [
        delimited("acordos", "acordos_<DDMMAAAA>_<ASCOB>.csv", ["contrato", "motivo"]),
        delimited("remessa", "<AAAAMMDD>_<HHMMSS>_remessa_<ASCOB>_out.<ASCOB>", ["contrato"], cutover=True),
        delimited("dupla_a", "dupla_<DDMMAAAA>.csv", ["contrato", "valor"]),
        delimited("dupla_b", "dupla_<DDMMAAAA>.csv", ["contrato", "parcela", "data"]),
    ]
    return Catalogue(portfolio, {layout.layout: layout for layout in layouts}, folder)


@dataclass
class Site:
    """A drop, an archive, a ledger with a clock that is turned by hand, and a collector over them."""

    root: Path
    base: Ledger
    moment: datetime = datetime(2026, 11, 27, 5, 0, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.drop.mkdir(exist_ok=True)
        self.ledger = Ledger(self.base.engine, self.base.portfolio, clock=lambda: self.moment)
        self.catalogue = catalogue(self.root)
        self.calendar = WorkingCalendar(self.catalogue.portfolio.operation)

    @property
    def drop(self) -> Path:
        return self.root / "drop"

    @property
    def archive(self) -> Path:
        return self.root / "arquivo"

    def put(self, name: str, content: str = "contrato;motivo\n1;ACORDO\n", *, mtime: float = LONG_AGO) -> None:
        (self.drop / name).write_text(content)
        os.utime(self.drop / name, (mtime, mtime))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)
        self.meanwhile()

    def collect(self, *, polls: int = 2, pause: float = 1.0, only: tuple[str, ...] | None = None) -> CollectReport:
        return collect(
            FileServer(f"file://{self.drop}"),
            self.catalogue,
            self.ledger,
            self.archive,
            self.calendar,
            polls=polls,
            pause=pause,
            only=only,
            sleep=self.sleep,
        )

    def archived(self) -> dict[str, str]:
        return {
            path.relative_to(self.archive).as_posix(): path.read_text()
            for path in self.archive.rglob("*")
            if path.is_file()
        }

    def in_ledger(self, day: date = FRIDAY) -> list[tuple[str, int, str]]:
        return [(file.name, file.version, str(file.status)) for file in self.ledger.files(day, every=True)]


@pytest.fixture
def site(tmp_path: Path, ledger: Ledger) -> Site:
    return Site(tmp_path, ledger)


def test_a_file_goes_to_the_archive_of_its_day_and_layout_and_stays_in_the_drop(site: Site) -> None:
    site.put(ACORDOS)
    site.put(REMESSA, "contrato\n1\n")
    report = site.collect()
    assert {(file.name, file.layout, file.day, file.arrival) for file in report.collected} == {
        (ACORDOS, "acordos", FRIDAY, Arrival.NEW),
        (REMESSA, "remessa", FRIDAY, Arrival.NEW),
    }
    assert (report.days, report.ok, report.skipped) == ((FRIDAY,), True, False)
    assert site.archived() == {
        f"2026-11-27/acordos/{ACORDOS}": "contrato;motivo\n1;ACORDO\n",
        f"2026-11-27/remessa/{REMESSA}": "contrato\n1\n",
    }
    for file in site.ledger.files(FRIDAY):
        assert (site.archive / file.archived_path).stat().st_size == file.size
    assert sorted(path.name for path in site.drop.iterdir()) == sorted([ACORDOS, REMESSA])


def test_files_are_recorded_in_the_order_they_were_written(site: Site) -> None:
    site.put(REMESSA, "contrato\n1\n", mtime=LONG_AGO + 60)
    site.put(ACORDOS, mtime=LONG_AGO)
    site.collect()
    assert [file.name for file in site.ledger.files(FRIDAY)] == [ACORDOS, REMESSA]


def test_what_was_collected_is_not_fetched_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put(ACORDOS)
    site.collect()
    monkeypatch.setattr(FileServer, "download", lambda *_: pytest.fail("fetched again"))
    report = site.collect()
    assert (report.same, report.collected, report.days, report.errors) == ((ACORDOS,), (), (), ())
    assert len(site.slept) == 1  # the second time one look was enough


# Stability (FAULTS 3 and 10).


def test_a_file_that_grows_is_left_until_it_stops(site: Site) -> None:
    site.put(ACORDOS, "contrato;motivo\n")
    site.meanwhile = lambda: site.put(ACORDOS, (site.drop / ACORDOS).read_text() + "1;ACORDO\n")
    report = site.collect()
    assert (report.unstable, report.collected) == ((ACORDOS,), ())
    assert site.archived() == {}
    site.meanwhile = lambda: None
    assert [file.name for file in site.collect().collected] == [ACORDOS]


def test_a_file_touched_without_growing_is_left_too(site: Site) -> None:
    site.put(ACORDOS)
    site.meanwhile = lambda: site.put(ACORDOS, mtime=LONG_AGO + 1)
    assert site.collect().unstable == (ACORDOS,)


def test_the_two_looks_may_be_in_two_calls(site: Site) -> None:
    site.put(ACORDOS)
    assert site.collect(polls=1, pause=30).unstable == (ACORDOS,)
    site.moment += timedelta(seconds=5)
    assert site.collect(polls=1, pause=30).unstable == (ACORDOS,)
    site.moment += timedelta(seconds=30)
    assert [file.name for file in site.collect(polls=1, pause=30).collected] == [ACORDOS]
    assert site.slept == []


@pytest.mark.parametrize("suffix", [".done", ".ok"])
def test_a_done_file_says_that_a_file_is_whole(site: Site, suffix: str) -> None:
    site.put(ACORDOS)
    site.put(ACORDOS + suffix, "")
    report = site.collect(polls=1)
    assert ([file.name for file in report.collected], report.unknown, report.unstable) == ([ACORDOS], (), ())


def test_a_rewrite_within_the_clocks_resolution_is_seen(site: Site) -> None:
    written = site.moment.timestamp() - 5
    site.put(ACORDOS, "contrato;motivo\n1;ACORDO\n", mtime=written)
    site.collect()
    site.put(ACORDOS, "contrato;motivo\n2;ACORDO\n", mtime=written)
    assert [file.name for file in site.collect().replaced] == [ACORDOS]
    site.moment += timedelta(minutes=5)
    assert site.collect().same == (ACORDOS,)


def test_a_file_from_the_future_is_collected_and_settles(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put(ACORDOS, mtime=site.moment.timestamp() + 86_400)
    assert [file.name for file in site.collect().collected] == [ACORDOS]
    site.moment += timedelta(minutes=5)
    assert site.collect().same == (ACORDOS,)
    monkeypatch.setattr(FileServer, "download", lambda *_: pytest.fail("fetched again"))
    assert site.collect().same == (ACORDOS,)


# Versions and duplicates (FAULTS 6 to 9).


def test_other_bytes_under_the_name_are_a_new_version_beside_the_old_one(site: Site) -> None:
    site.put(ACORDOS, "contrato;motivo\n1;ACORDO\n")
    site.collect()
    site.put(ACORDOS, "contrato;motivo\n1;ACORDO\n2;ACORDO\n", mtime=LONG_AGO + 60)
    report = site.collect()
    assert [(file.name, file.arrival) for file in report.replaced] == [(ACORDOS, Arrival.VERSION)]
    assert report.days == (FRIDAY,)
    assert site.in_ledger() == [(ACORDOS, 1, FileStatus.REPLACED), (ACORDOS, 2, FileStatus.CURRENT)]
    assert sorted(site.archived()) == [f"2026-11-27/acordos/{ACORDOS}", f"2026-11-27/acordos/{ACORDOS}.v2"]
    [current] = site.ledger.files(FRIDAY)
    assert "2;ACORDO" in (site.archive / current.archived_path).read_text()


def test_the_same_bytes_uploaded_again_are_nothing_new(site: Site) -> None:
    site.put(ACORDOS)
    site.collect()
    site.put(ACORDOS, mtime=LONG_AGO + 60)
    report = site.collect()
    assert (report.same, report.days) == ((ACORDOS,), ())
    assert site.in_ledger() == [(ACORDOS, 1, FileStatus.CURRENT)]


def test_the_same_bytes_under_another_name_are_a_duplicate_and_not_archived_twice(site: Site) -> None:
    later = REMESSA.replace("_20", "_21")
    site.put(REMESSA, "contrato\n1\n")
    site.collect()
    site.put(later, "contrato\n1\n", mtime=LONG_AGO + 60)
    report = site.collect()
    assert [file.name for file in report.duplicates] == [later]
    assert report.days == ()
    assert len(site.archived()) == 1
    assert site.collect().same == tuple(
        sorted(["20261126_200000_remessa_528_out.528", "20261126_210000_remessa_528_out.528"])
    )


def test_a_late_file_is_for_its_own_day(site: Site) -> None:
    site.put("20261127_200000_remessa_528_out.528", "contrato\n2\n")
    assert site.collect().days == (MONDAY,)
    site.put(REMESSA, "contrato\n1\n", mtime=LONG_AGO + 60)
    assert site.collect().days == (FRIDAY,)


def test_names_that_differ_only_in_case_are_both_kept(site: Site) -> None:
    site.put(ACORDOS, "contrato;motivo\n1;ACORDO\n")
    site.put(ACORDOS.upper(), "contrato;motivo\n2;ACORDO\n")
    assert len(site.collect().collected) == 2
    assert sorted(site.archived().values()) == ["contrato;motivo\n1;ACORDO\n", "contrato;motivo\n2;ACORDO\n"]


# Names (FAULTS 15) and layouts.


def test_a_name_that_no_layout_knows_is_reported_and_left(site: Site) -> None:
    site.put("leia-me.txt", "oi")
    report = site.collect()
    assert (report.unknown, report.ok) == (("leia-me.txt",), True)
    assert [unknown.name for unknown in site.ledger.unknown_files()] == ["leia-me.txt"]
    assert site.archived() == {}
    (site.drop / "leia-me.txt").unlink()
    site.collect()
    assert site.ledger.unknown_files() == []


@pytest.mark.parametrize(
    "name",
    [
        "../" + ACORDOS,
        "/" + ACORDOS,
        "../../../../tmp/" + ACORDOS,
        ACORDOS + "\n",
        "a\n" + ACORDOS,
        ACORDOS + "\x00",
        "..",
        "..\\" + ACORDOS,
        "a\udcf3" + ACORDOS,
    ],
)
def test_a_name_made_to_escape_writes_nothing_anywhere(site: Site, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    site.put(ACORDOS)
    hostile = RemoteFile(name, 5, datetime.fromtimestamp(LONG_AGO, UTC))
    honest = FileServer.list
    monkeypatch.setattr(FileServer, "list", lambda self: [*honest(self), hostile])
    before = {path for path in site.root.rglob("*") if not path.is_relative_to(site.archive)}
    report = site.collect()
    assert [file.name for file in report.collected] == [ACORDOS]
    [shown] = report.unknown
    assert shown.isprintable()
    assert list(site.archived()) == [f"2026-11-27/acordos/{ACORDOS}"]
    assert {path for path in site.root.rglob("*") if not path.is_relative_to(site.archive)} == before


def test_a_real_file_with_a_newline_in_its_name_is_reported_and_left(site: Site) -> None:
    (site.drop / f"{ACORDOS}\n").write_text("contrato;motivo\n1;ACORDO\n")
    report = site.collect()
    assert (report.unknown, report.collected) == ((f"{ACORDOS}\\n",), ())
    assert site.archived() == {}


@pytest.mark.parametrize(
    ("content", "layout"), [("contrato;valor\n", "dupla_a"), ("contrato;parcela;data\n", "dupla_b")]
)
def test_a_name_of_two_layouts_is_decided_by_the_content(site: Site, content: str, layout: str) -> None:
    site.put("dupla_27112026.csv", content)
    assert [file.layout for file in site.collect().collected] == [layout]


def test_content_of_neither_layout_is_an_error_that_does_not_stop_the_others(site: Site) -> None:
    site.put("dupla_27112026.csv", "nada|disso\n")
    site.put(ACORDOS)
    report = site.collect()
    assert [file.name for file in report.collected] == [ACORDOS]
    [error] = report.errors
    assert (error.name, error.error) == ("dupla_27112026.csv", "UndecidedLayout")
    assert "dupla_a, dupla_b" in error.message
    assert not report.ok
    assert list(site.archived()) == [f"2026-11-27/acordos/{ACORDOS}"]


# Failures (FAULTS 1, 2, 5, 11).


def test_a_drop_that_cannot_be_listed_is_an_error_and_forgets_nothing(site: Site) -> None:
    site.put(ACORDOS)
    site.collect()
    site.drop.rename(site.root / "fora")
    with pytest.raises(FileServerError):
        site.collect()
    (site.root / "fora").rename(site.drop)
    assert site.collect(polls=1).same == (ACORDOS,)


def test_a_file_deleted_after_the_listing_does_not_stop_the_others(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put(ACORDOS)
    site.put(REMESSA, "contrato\n1\n", mtime=LONG_AGO + 60)
    download = FileServer.download

    def vanish(self: FileServer, listed: RemoteFile, target: Path) -> object:
        if listed.name == ACORDOS:
            (site.drop / ACORDOS).unlink()
        return download(self, listed, target)

    monkeypatch.setattr(FileServer, "download", vanish)
    report = site.collect()
    assert [file.name for file in report.collected] == [REMESSA]
    assert [(error.name, error.error) for error in report.errors] == [(ACORDOS, "FileServerError")]


def test_a_file_that_grows_during_its_download_is_never_archived(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put(ACORDOS)
    download = FileServer.download

    def grow(self: FileServer, listed: RemoteFile, target: Path) -> object:
        with (site.drop / ACORDOS).open("a") as stream:
            stream.write("2;ACORDO\n")
        return download(self, listed, target)

    monkeypatch.setattr(FileServer, "download", grow)
    assert [error.error for error in site.collect().errors] == ["IncompleteDownload"]
    assert (site.archived(), site.in_ledger()) == ({}, [])
    monkeypatch.undo()
    site.collect()
    assert "2;ACORDO" in site.archived()[f"2026-11-27/acordos/{ACORDOS}"]


# Crashes at every boundary, and two collectors (FAULTS 16, 25).


class Killed(BaseException):
    """What a kill looks like to the code: nothing catches it."""


BOUNDARIES = {
    "before the download": (FileServer, "download", "before"),
    "after the download": (FileServer, "download", "after"),
    "before the rename into the archive": (Path, "rename", "before"),
    "after the rename into the archive": (Path, "rename", "after"),
    "before the ledger": (Ledger, "record_file", "before"),
    "after the ledger": (Ledger, "record_file", "after"),
    "before the sighting": (Ledger, "record_verified", "before"),
    "after the sighting": (Ledger, "record_verified", "after"),
}


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("versions", [1, 2])
def test_a_crash_at_any_boundary_neither_loses_nor_repeats(
    site: Site, monkeypatch: pytest.MonkeyPatch, boundary: str, versions: int
) -> None:
    contents = ["contrato;motivo\n1;ACORDO\n", "contrato;motivo\n1;ACORDO\n2;ACORDO\n"][:versions]
    for place, content in enumerate(contents[:-1]):
        site.put(ACORDOS, content, mtime=LONG_AGO + place)
        site.collect()
    site.put(ACORDOS, contents[-1], mtime=LONG_AGO + 60)
    owner, method, when = BOUNDARIES[boundary]
    real = getattr(owner, method)

    def killed(*arguments: object, **named: object) -> object:
        if when == "after":
            real(*arguments, **named)
        raise Killed

    monkeypatch.setattr(owner, method, killed)
    with pytest.raises(Killed):
        site.collect()
    monkeypatch.undo()
    site.collect()
    assert site.collect().same == (ACORDOS,)
    current = site.ledger.files(FRIDAY)
    assert [(file.name, file.version) for file in current] == [(ACORDOS, versions)]
    assert (site.archive / current[0].archived_path).read_text() == contents[-1]
    assert sorted(site.archived().values()) == sorted(contents)


def test_a_file_changed_between_a_crash_and_the_next_poll_loses_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.put(ACORDOS, "contrato;motivo\n1;ACORDO\n")

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(Ledger, "record_file", killed)
    with pytest.raises(Killed):
        site.collect()
    monkeypatch.undo()
    site.put(ACORDOS, "contrato;motivo\n2;ACORDO\n", mtime=LONG_AGO + 60)
    assert [file.name for file in site.collect().collected] == [ACORDOS]
    [file] = site.ledger.files(FRIDAY)
    assert "2;ACORDO" in (site.archive / file.archived_path).read_text()
    assert len(site.archived()) == 2


def test_a_process_killed_between_archive_and_ledger_is_made_good(site: Site, ledger_url: str) -> None:
    site.put(ACORDOS)
    script = """
    import os, sys
    from pathlib import Path
    from resources.ledger import Ledger
    from resources.postgres import engine
    from tests.resources.test_collect import Site
    Ledger.record_file = lambda *_: os.kill(os.getpid(), 9)
    site = Site(Path(sys.argv[1]), Ledger(engine(sys.argv[2]), "veiculos"))
    site.collect()
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(site.root), ledger_url], cwd=Path(__file__).parents[2]
    )
    assert killed.returncode == -9
    assert (len(site.archived()), site.in_ledger()) == (1, [])
    assert [file.name for file in site.collect().collected] == [ACORDOS]
    assert (len(site.archived()), site.in_ledger()) == (1, [(ACORDOS, 1, FileStatus.CURRENT)])


def test_an_archived_file_that_was_lost_is_put_back_when_the_drop_still_has_it(site: Site) -> None:
    site.put(ACORDOS)
    site.collect()
    [file] = site.ledger.files(FRIDAY)
    (site.archive / file.archived_path).unlink()
    site.put(ACORDOS, mtime=LONG_AGO + 60)
    assert site.collect().same == (ACORDOS,)
    assert (site.archive / file.archived_path).exists()


def test_of_two_collectors_one_collects_and_the_other_skips(site: Site, ledger_url: str) -> None:
    for n in range(20):
        site.put(f"202611{n + 1:02d}_080000_remessa_528_out.528", f"contrato\n{n}\n")
    site.collect(polls=1)
    site.moment += timedelta(minutes=1)
    start = threading.Barrier(2)
    reports: list[CollectReport] = []
    inside = threading.Event()
    release = threading.Event()

    class Slow(FileServer):
        def list(self) -> list[RemoteFile]:
            inside.set()
            assert release.wait(10)
            return super().list()

    def first() -> None:
        connections = engine(ledger_url)
        own = Ledger(connections, "veiculos", clock=lambda: site.moment)
        start.wait()
        reports.append(collect(Slow(f"file://{site.drop}"), site.catalogue, own, site.archive, site.calendar, polls=1))
        connections.dispose()

    thread = threading.Thread(target=first)
    thread.start()
    start.wait()
    assert inside.wait(10)
    skipped = site.collect()
    release.set()
    thread.join()
    assert (skipped.skipped, skipped.collected) == (True, ())
    assert len(reports[0].collected) == 20
    assert len(site.archived()) == 20


def test_many_collectors_at_once_collect_everything_once(site: Site, ledger_url: str) -> None:
    for n in range(10):
        site.put(f"202611{n + 1:02d}_080000_remessa_528_out.528", f"contrato\n{n}\n")
    site.collect(polls=1)
    site.moment += timedelta(minutes=1)
    reports: list[CollectReport] = []

    def run() -> None:
        connections = engine(ledger_url)
        own = Ledger(connections, "veiculos", clock=lambda: site.moment)
        for _ in range(3):
            reports.append(
                collect(FileServer(f"file://{site.drop}"), site.catalogue, own, site.archive, site.calendar, polls=1)
            )
        connections.dispose()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [file.name for report in reports for file in report.collected]
    assert len(names) == len(set(names)) == 10
    assert not any(report.errors or report.duplicates or report.replaced for report in reports)
    assert len(site.archived()) == 10


def test_one_named_file_can_be_collected_alone(site: Site) -> None:
    site.put(ACORDOS)
    site.put(REMESSA, "contrato\n1\n")
    assert [file.name for file in site.collect(only=(ACORDOS,)).collected] == [ACORDOS]
    assert [file.name for file in site.collect().collected] == [REMESSA]


def test_what_a_killed_download_left_is_removed(site: Site) -> None:
    (site.archive / collecting._UNFINISHED).mkdir(parents=True)
    (site.archive / collecting._UNFINISHED / "abc").write_text("meio arquivo")
    site.collect()
    assert list((site.archive / collecting._UNFINISHED).iterdir()) == []
