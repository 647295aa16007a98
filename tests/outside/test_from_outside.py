"""A day and a night from the outside, with nothing faked (R002, R012, R014, R015, R021; FAULTS 3, 24, 25 and 30).

OpenSSH's server stands for Evo and another for Manager, a real `sftp` client uploads slowly and in the wrong order, and
`atom up` runs unattended. The same by FTPS and FTP.
"""

from __future__ import annotations

import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from ftplib import FTP, FTP_TLS
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from servers import Certificates, OpenSsh, Served, ftp_server, openssh_server
from servers.common import PASSWORD
from station import PATIENCE, ROOT, UNDER_WAY, Run, Station, command, station, wait_for

from atom_pipeline.calendar import WorkingCalendar
from atom_pipeline.layout.catalogue import load_catalogue
from atom_pipeline.layout.writing import write_file
from atom_pipeline.sample import SampleReport, generate
from resources.settings import file_url

LAYOUTS = ROOT / "layouts"
PORTFOLIO = "banco_pan_veiculos"
POLL = 5  # seconds; the daemon looks for due sensors every five
CONTRACTS = 120

Upload = Callable[[Path, int | None], None]  # a file, and how many bytes a second at most


@dataclass(frozen=True)
class Bank:
    """The files of two working days that can be made now, and what the days come to when they are run in order."""

    files: Path
    report: SampleReport
    exclusao: str  # a second one of the first day, that comes after its carga
    retired: tuple[str, ...]  # by it
    reference: Path  # home
    made: subprocess.Popen[bytes]  # what makes the reference, beside the tests

    @property
    def days(self) -> tuple[date, ...]:
        return self.report.days

    def names(self, day: date, *, layout: str | None = None) -> list[str]:
        (report,) = [one for one in self.report.reports if one.day == day]
        return [file.name for file in report.files if layout is None or file.layout == layout]


@dataclass(frozen=True)
class Outside:
    """A running installation between two servers, seen from them."""

    station: Station
    upload: Upload
    manager: Path

    def arrived(self, kind: str, day: date) -> list[Path]:
        """Manager's files of a kind for a day, as Manager takes them: what is being written is hidden by a dot."""
        there = (path for path in self.manager.iterdir() if not path.name.startswith("."))
        return sorted(path for path in there if f"{day:%Y%m%d}" in path.name and kind in path.name)


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    folder = Path(tempfile.mkdtemp(prefix="atom-bank-"))
    catalogue = load_catalogue(LAYOUTS / PORTFOLIO)
    operation = catalogue.portfolio.operation
    calendar = WorkingCalendar(operation)
    second = calendar.next(datetime.now(ZoneInfo(operation.timezone)).date())
    first = calendar.previous(second)
    report = generate(catalogue, contracts=CONTRACTS, days=2, seed=7, target=folder / "files", first_day=first)
    retired = tuple(report.reports[0].expected["ALTA"].sort().head(3))
    exclusao = f"{first:%Y%m%d}_003000_baixa_528_out.528"
    write_file(
        catalogue.layouts["exclusao_retirada"],
        pl.DataFrame({"contrato": retired}),
        folder / "files" / exclusao,
        day=first,
    )
    alone = Station.of(folder / "reference", ATOM_DROP_URL=file_url(folder / "files"))
    in_order = command("run", f"{second}", "--from", f"{first}")
    made = subprocess.Popen(
        in_order, cwd=ROOT, env=alone.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    yield Bank(folder / "files", report, exclusao, retired, alone.home, made)
    made.wait()
    shutil.rmtree(folder, ignore_errors=True)


def sftp_upload(server: OpenSsh) -> Upload:
    def upload(file: Path, rate: int | None) -> None:
        limit = ["-l", str(rate * 8 // 1000)] if rate else []
        options = ["-o", f"UserKnownHostsFile={server.known_hosts}", "-o", "IdentitiesOnly=yes", "-F", "none"]
        options += ["-i", f"{server.key}", "-P", f"{server.port}"]
        subprocess.run(
            ["sftp", "-q", *limit, *options, "-b", "-", f"{server.user}@{server.host}"],
            input=f"put {file} {server.root}/{file.name}\n".encode(),
            check=True,
            capture_output=True,
        )

    return upload


def ftps_upload(server: Served) -> Upload:
    def upload(file: Path, rate: int | None) -> None:
        def pause(block: bytes) -> None:
            if rate:
                time.sleep(len(block) / rate)

        context = ssl.create_default_context(cafile=str(server.access.ca))
        with FTP_TLS(context=context, encoding="utf-8") as client, file.open("rb") as stream:
            client.connect(server.host, server.port)
            client.login("evo", PASSWORD)
            client.prot_p()
            FTP.storbinary(client, f"STOR {file.name}", stream, 8192, pause)

    return upload


@pytest.fixture(scope="module", params=["sftp", "ftp"])
def outside(request: pytest.FixtureRequest) -> Iterator[Outside]:
    folder = Path(tempfile.mkdtemp(prefix=f"atom-{request.param}-"))
    for name in ("drop", "manager"):
        (folder / name).mkdir()
    with ExitStack() as held:
        if request.param == "sftp":
            evo = held.enter_context(openssh_server(folder / "evo", folder / "drop"))
            dialer: Served = held.enter_context(openssh_server(folder / "dialer", folder / "manager"))
            upload = sftp_upload(evo)
        else:
            certificates = Certificates.make(folder / "certificates")
            evo = held.enter_context(ftp_server(folder / "drop", certificates=certificates))
            dialer = held.enter_context(ftp_server(folder / "manager"))
            upload = ftps_upload(evo)
        one = held.enter_context(
            station(
                folder / "home",
                ATOM_DROP_URL=evo.url,
                ATOM_MANAGER_URL=dialer.url,
                ATOM_POLL_SECONDS=POLL,
                **evo.access.environment("ATOM_DROP_"),
                **dialer.access.environment("ATOM_MANAGER_"),
            )
        )
        yield Outside(one, upload, folder / "manager")
    shutil.rmtree(folder, ignore_errors=True)


def days_of(runs: Sequence[Run], day: date) -> list[Run]:
    return [run for run in runs if run.job == f"{PORTFOLIO}__dia" and run.day == f"{day}"]


def polls_until_asked(outside: Outside, complete: float) -> int:
    """How many looks at the drop it took, from a file's completion on, until its collection was asked for.

    Looks while an earlier collection is at work do not count: every minute there is none, every five seconds there is.
    """
    ticks = [tick for tick in outside.station.sensor("drop") or [] if tick.at >= complete]
    free = [tick for tick in ticks if "coleta em andamento" not in tick.said]
    asked = [number for number, tick in enumerate(free, start=1) if tick.runs]
    assert asked, [tick.said for tick in ticks]
    return asked[0]


def settled(outside: Outside) -> list[Run]:
    """The runs, once nothing is under way and some more looks found nothing to do."""
    quiet = 0

    def at_rest() -> list[Run] | None:
        nonlocal quiet
        runs = outside.station.runs()
        quiet = 0 if any(run.status in UNDER_WAY for run in runs) else quiet + 1
        return runs if quiet >= 3 * POLL else None

    return wait_for(at_rest, "rest", every=1)


def mailing(outside: Outside, day: date) -> set[str]:
    return set(pl.read_parquet(outside.station.home / "lake" / "manager_mailing" / f"{day}.parquet")["contrato"])


def contracts_in(path: Path) -> list[str]:
    frame = pl.read_csv(path, separator=";", encoding="latin-1", infer_schema=False)
    (column,) = [name for name in frame.columns if name.lower() == "contrato"]
    return frame[column].to_list()


def facts(table: Path) -> pl.DataFrame:
    """A table's rows without where they were read: of two files that say the same, the first to arrive is named."""
    frame = pl.read_parquet(table).drop("arquivo", "linha", strict=False)
    return frame.sort(frame.columns)


def files_uploaded_slowly_and_out_of_order_become_one_carga(outside: Outside, bank: Bank) -> None:
    first = bank.days[0]
    names = bank.names(first)[::-1]
    last = bank.names(first, layout="remessa_assessoria")[-1]
    for name in (*(name for name in names if name != last), last):
        size = (bank.files / name).stat().st_size
        outside.upload(bank.files / name, size // (3 * POLL) if name == last else None)
        assert not outside.arrived("carga", first)
    complete = time.time()
    (carga,) = wait_for(lambda: outside.arrived("carga", first), "the carga")
    assert polls_until_asked(outside, complete) <= 2
    assert sorted(contracts_in(carga)) == sorted(mailing(outside, first))


def a_later_exclusao_takes_its_contracts_from_manager(outside: Outside, bank: Bank) -> None:
    first = bank.days[0]
    before = mailing(outside, first)
    outside.upload(bank.files / bank.exclusao, None)
    complete = time.time()
    wait_for(lambda: outside.arrived("baixa", first), "the baixa")
    assert polls_until_asked(outside, complete) <= 2
    runs = settled(outside)
    gone = [contrato for path in outside.arrived("baixa", first) for contrato in contracts_in(path)]
    assert gone
    assert set(gone) <= set(bank.retired)
    assert sorted(gone) == sorted(before - mailing(outside, first))
    assert len(outside.arrived("carga", first)) == 1
    assert {run.status for run in days_of(runs, first)} == {"SUCCESS"}


def a_kill_in_the_middle_of_the_next_day_loses_and_repeats_nothing(outside: Outside, bank: Bank) -> None:
    second = bank.days[1]
    for name in bank.names(second):
        outside.upload(bank.files / name, None)

    def at_work() -> bool:
        lake = outside.station.home / "lake"
        return (lake / "recebido" / "remessa_assessoria" / f"{second}.parquet").exists()

    wait_for(at_work, "the second day's run")
    outside.station.kill()
    assert not outside.arrived("carga", second)
    outside.station.start()
    wait_for(lambda: outside.arrived("carga", second), "the second day's carga")
    runs = settled(outside)
    (carga,) = outside.arrived("carga", second)
    assert sorted(contracts_in(carga)) == sorted(mailing(outside, second))
    assert [run.status for run in days_of(runs, second)][-1] == "SUCCESS"
    bank.made.wait(timeout=PATIENCE)
    for day in bank.days:
        for table in ("contratos", "fichas", "acordos", "telefones_contato", "movimentos"):
            made, wanted = (home / "lake" / table / f"{day}.parquet" for home in (outside.station.home, bank.reference))
            assert_frame_equal(facts(made), facts(wanted))


def nothing_is_left_under_way_and_no_unfinished_file_is_at_manager(outside: Outside) -> None:
    # Two minutes after a file came its bytes are looked at once more, by a run of its own: it ends, as the others did.
    wait_for(lambda: all(run.status not in UNDER_WAY for run in outside.station.runs()), "the end of every run")
    assert not [path.name for path in outside.manager.iterdir() if path.name.startswith(".")]


def test_a_day_and_a_night_from_the_outside(outside: Outside, bank: Bank) -> None:
    """In this order, each from where the one before left off: one test, so that no two processes share the work."""
    files_uploaded_slowly_and_out_of_order_become_one_carga(outside, bank)
    a_later_exclusao_takes_its_contracts_from_manager(outside, bank)
    a_kill_in_the_middle_of_the_next_day_loses_and_repeats_nothing(outside, bank)
    nothing_is_left_under_way_and_no_unfinished_file_is_at_manager(outside)
