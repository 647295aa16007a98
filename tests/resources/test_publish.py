from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atom_pipeline.waves import DESIRED, full_rows, incremental_rows
from resources import file_server, publish
from resources.file_server import ConflictError, FileServer, FileServerError
from resources.lake import Lake, WrittenOnce
from resources.ledger import Ledger
from resources.ledger_records import Wave, WaveKind, WaveStatus
from resources.ledger_waves import Busy, WaveRefused
from resources.postgres import engine
from resources.publish import Draft, cancel_wave, manager_state, plan_wave, publish_wave, resume

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def desired(**contents: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"contrato": list(contents), "id_crm": list(contents), "conteudo": list(contents.values())}, schema=DESIRED
    )


@dataclass
class Site:
    """A lake, a ledger and Manager's folder, and waves of two files over them."""

    root: Path
    ledger: Ledger
    written: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.manager.mkdir(exist_ok=True)
        self.lake = Lake(self.root)
        self.server = FileServer(f"file://{self.manager}")

    @property
    def manager(self) -> Path:
        return self.root / "manager"

    def plan(self, wanted: pl.DataFrame, day: date = MONDAY, kind: WaveKind = WaveKind.CARGA) -> Wave:
        rows = {WaveKind.CARGA: full_rows, WaveKind.INCREMENTAL: incremental_rows}[kind](
            wanted, manager_state(self.ledger, self.lake)
        )

        def write_files(number: int) -> Sequence[Draft]:
            drafts = []
            for what, chosen in (
                ("mailing", rows.filter(pl.col("operacao") != "BAIXA")),
                ("baixa", rows.filter(pl.col("operacao") == "BAIXA")),
            ):
                name = f"{day:%Y%m%d}_{number:02d}_{what}.csv"
                chosen.write_csv(self.root / name)
                drafts.append(Draft(self.root / name, name, f"manager_{what}", chosen.height))
            return drafts

        return plan_wave(self.ledger, self.lake, day, kind, rows, write_files)

    def send(self, wave: Wave) -> Wave:
        return publish_wave(self.server, self.ledger, self.lake, wave)

    def delivered(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.manager.iterdir()}

    def held(self) -> dict[str, str]:
        return dict(manager_state(self.ledger, self.lake).select("contrato", "conteudo").iter_rows())


@pytest.fixture
def site(tmp_path: Path, ledger: Ledger) -> Site:
    return Site(tmp_path, ledger)


def test_a_wave_is_planned_sent_and_then_what_manager_has(site: Site) -> None:
    wave = site.plan(desired(a="1", b="1"))
    assert (wave.number, wave.status, [file.rows for file in wave.files]) == (1, WaveStatus.PLANNED, [2, 0])
    assert (site.delivered(), site.held()) == ({}, {})
    sent = site.send(wave)
    assert sent.status is WaveStatus.SENT
    assert sorted(site.delivered()) == ["20261123_01_baixa.csv", "20261123_01_mailing.csv"]
    assert site.held() == {"a": "1", "b": "1"}
    assert site.send(wave) == sent
    site.send(site.plan(desired(b="2", c="1"), kind=WaveKind.INCREMENTAL))
    assert site.held() == {"b": "2", "c": "1"}
    assert manager_state(site.ledger, site.lake, up_to=sent)["contrato"].to_list() == ["a", "b"]
    assert "a,a,1,BAIXA" in site.delivered()["20261123_02_baixa.csv"]


def test_the_local_files_may_go_once_a_wave_is_planned(site: Site) -> None:
    wave = site.plan(desired(a="1"))
    for file in wave.files:
        (site.root / file.name).unlink()
    site.send(wave)
    assert len(site.delivered()) == 2


def test_a_wave_without_files_only_says_what_manager_has(site: Site) -> None:
    rows = full_rows(desired(a="1"), manager_state(site.ledger, site.lake))
    wave = plan_wave(site.ledger, site.lake, MONDAY, WaveKind.IMPORTACAO, rows, lambda _: [], note="go-live")
    site.send(wave)
    assert (site.delivered(), site.held(), site.ledger.waves()[0].note) == ({}, {"a": "1"}, "go-live")


def test_rows_that_were_changed_in_the_lake_are_not_believed(site: Site) -> None:
    wave = site.send(site.plan(desired(a="1")))
    path = site.root / "lake" / wave.rows_path
    pl.read_parquet(path).with_columns(conteudo=pl.lit("9")).write_parquet(path)
    with pytest.raises(WrittenOnce, match="restore the lake"):
        manager_state(site.ledger, site.lake)


# Crashes at every boundary (FAULTS 25, 31, 34).


class Killed(BaseException):
    """What a kill looks like to the code: nothing catches it."""


SENDING = {
    "the temporary is opened": ("resources.file_server", "_copy", 1, "before"),
    "the first temporary is written": ("resources.file_server", "_copy", 1, "after"),
    "the first temporary is durable": ("resources.file_server", "_sync", 1, "after"),
    "the first rename": (FileServer, "_rename_to_new", 1, "before"),
    "the first name is there": (FileServer, "_rename_to_new", 1, "after"),
    "the second temporary is written": ("resources.file_server", "_copy", 2, "after"),
    "the second rename": (FileServer, "_rename_to_new", 2, "before"),
    "the second name is there": (FileServer, "_rename_to_new", 2, "after"),
    "the ledger": (Ledger, "mark_wave_sent", 1, "before"),
    "the wave is marked": (Ledger, "mark_wave_sent", 1, "after"),
}
PLANNING = {
    "the rows are written": (Lake, "write_wave_rows", 1, "before"),
    "the rows are there": (Lake, "write_wave_rows", 1, "after"),
    "the first file is kept": (Lake, "store_wave_file", 1, "after"),
    "the second file is kept": (Lake, "store_wave_file", 2, "after"),
    "the plan is recorded": (Ledger, "plan_wave", 1, "before"),
    "the plan is there": (Ledger, "plan_wave", 1, "after"),
}


def kill_at(monkeypatch: pytest.MonkeyPatch, owner: object, method: str, time: int, when: str) -> None:
    if isinstance(owner, str):
        owner = sys.modules[owner]
    real = getattr(owner, method)
    calls = 0

    def killed(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls < time:
            return real(*arguments, **named)
        if when == "after":
            real(*arguments, **named)
        raise Killed

    monkeypatch.setattr(owner, method, killed)


@pytest.mark.parametrize("boundary", SENDING)
def test_a_crash_while_sending_neither_loses_nor_sends_twice(
    site: Site, monkeypatch: pytest.MonkeyPatch, boundary: str
) -> None:
    wave = site.plan(desired(a="1", b="1"))
    kill_at(monkeypatch, *SENDING[boundary])
    with pytest.raises(Killed):
        site.send(wave)
    monkeypatch.undo()
    links = {path.name: path.stat().st_ino for path in site.manager.iterdir()}
    resume(site.server, site.ledger, site.lake)
    assert [sent.status for sent in site.ledger.waves()] == [WaveStatus.SENT]
    assert site.delivered() == {file.name: (site.root / file.name).read_text() for file in wave.files}
    # What was there already was not written again.
    assert links.items() <= {path.name: path.stat().st_ino for path in site.manager.iterdir()}.items()
    assert resume(site.server, site.ledger, site.lake) == []
    assert site.held() == {"a": "1", "b": "1"}


@pytest.mark.parametrize("boundary", PLANNING)
def test_a_crash_while_planning_leaves_one_wave_in_the_end(
    site: Site, monkeypatch: pytest.MonkeyPatch, boundary: str
) -> None:
    kill_at(monkeypatch, *PLANNING[boundary])
    with pytest.raises(Killed):
        site.plan(desired(a="1", z="1"))
    monkeypatch.undo()
    resume(site.server, site.ledger, site.lake)
    # By the next run the day's data may be others: what a killed planning left must not be believed.
    kind = WaveKind.CARGA if not site.ledger.waves() else WaveKind.INCREMENTAL
    site.send(site.plan(desired(a="2"), kind=kind))
    assert site.held() == {"a": "2"}
    assert [wave.number for wave in site.ledger.waves()] == list(range(1, len(site.ledger.waves()) + 1))
    assert len(site.ledger.waves()) == (2 if boundary == "the plan is there" else 1)


@pytest.mark.parametrize("method", ["_rename_to_new", "_hash"])
def test_a_process_really_killed_while_sending_is_made_good(site: Site, ledger_url: str, method: str) -> None:
    wave = site.plan(desired(a="1"))
    script = """
    import os, sys
    from pathlib import Path
    from resources.file_server import FileServer
    from resources.ledger import Ledger
    from resources.postgres import engine
    from resources.publish import resume
    from tests.resources.test_publish import Site
    real, calls = getattr(FileServer, sys.argv[3]), []
    def killed(*arguments):
        calls.append(real(*arguments))
        if len(calls) == 2:
            os.kill(os.getpid(), 9)
        return calls[-1]
    setattr(FileServer, sys.argv[3], killed)
    site = Site(Path(sys.argv[1]), Ledger(engine(sys.argv[2]), "veiculos"))
    resume(site.server, site.ledger, site.lake)
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(site.root), ledger_url, method],
        cwd=Path(__file__).parents[2],
    )
    assert killed.returncode == -9
    assert site.ledger.waves()[0].status is WaveStatus.PLANNED
    resume(site.server, site.ledger, site.lake)
    assert sorted(site.delivered()) == sorted(file.name for file in wave.files)
    assert site.held() == {"a": "1"}


def test_a_server_that_fails_leaves_the_wave_planned(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    wave = site.plan(desired(a="1"))

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_server, "_sync", full)
    with pytest.raises(FileServerError, match="No space left"):
        site.send(wave)
    monkeypatch.undo()
    assert (site.delivered(), site.held()) == ({}, {})
    assert [sent.status for sent in resume(site.server, site.ledger, site.lake)] == [WaveStatus.SENT]


def test_other_content_at_manager_is_a_conflict_until_a_person_moves_it(site: Site) -> None:
    wave = site.plan(desired(a="1"))
    taken = site.manager / wave.files[0].name
    taken.write_text("de outro")
    with pytest.raises(ConflictError):
        site.send(wave)
    assert taken.read_text() == "de outro"
    assert (site.ledger.waves()[0].status, site.held()) == (WaveStatus.PLANNED, {})
    taken.unlink()
    site.send(wave)
    assert site.held() == {"a": "1"}


# Order, and two at once.


def test_a_wave_that_a_later_day_overtook_is_not_sent(site: Site) -> None:
    wave = site.plan(desired(a="1"))
    with site.ledger.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into controle.waves (portfolio, day, number, kind, files, rows_path, rows_sha256, status,"
            " planned_at, sent_at, note) values ('veiculos', '2026-11-24', 1, 'carga', '[]', '', '', 'sent', now(),"
            " now(), '')"
        )
    with pytest.raises(WaveRefused, match="no wave goes for 2026-11-23"):
        site.send(wave)
    assert site.delivered() == {}
    assert cancel_wave(site.server, site.ledger, wave, why="o dia seguinte já foi").status is WaveStatus.CANCELLED


def test_a_replay_of_the_past_plans_nothing(site: Site) -> None:
    site.send(site.plan(desired(a="1"), TUESDAY))
    with pytest.raises(WaveRefused, match="no wave goes for 2026-11-23"):
        site.plan(desired(a="2"), MONDAY)
    assert [wave.day for wave in site.ledger.waves()] == [TUESDAY]


def test_a_cancelled_wave_leaves_no_trace_at_manager(site: Site) -> None:
    wave = site.plan(desired(a="1"))
    with pytest.raises(WaveRefused, match="needs a reason"):
        cancel_wave(site.server, site.ledger, wave, why=" ")
    cancel_wave(site.server, site.ledger, wave, why="base errada")
    with pytest.raises(WaveRefused, match="was cancelled"):
        site.send(wave)
    assert (site.delivered(), site.held(), site.ledger.waves()[0].note) == ({}, {}, "base errada")
    assert site.plan(desired(a="1")).number == 2


def test_a_wave_of_which_a_part_arrived_cannot_be_cancelled(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    wave = site.plan(desired(a="1"))
    kill_at(monkeypatch, *SENDING["the second rename"])
    with pytest.raises(Killed):
        site.send(wave)
    monkeypatch.undo()
    with pytest.raises(WaveRefused, match=r"Manager has 20261123_01_mailing\.csv already"):
        cancel_wave(site.server, site.ledger, wave, why="x")
    site.send(wave)


def test_what_may_no_longer_go_is_given_up_when_nothing_of_it_arrived(site: Site) -> None:
    site.plan(desired(a="1"))
    [wave] = resume(site.server, site.ledger, site.lake, refusal=lambda _: "não enviar")
    assert (wave.status, wave.note) == (WaveStatus.CANCELLED, "não enviar")
    assert (site.delivered(), site.held()) == ({}, {})
    assert resume(site.server, site.ledger, site.lake) == []


def test_what_may_no_longer_go_goes_on_when_a_part_of_it_arrived(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    wave = site.plan(desired(a="1"))
    kill_at(monkeypatch, *SENDING["the second rename"])
    with pytest.raises(Killed):
        site.send(wave)
    monkeypatch.undo()
    [sent] = resume(site.server, site.ledger, site.lake, refusal=lambda _: "não enviar")
    assert sent.status is WaveStatus.SENT
    assert len(site.delivered()) == 2
    assert site.held() == {"a": "1"}


def test_only_waves_of_days_before_are_resumed_when_asked_so(site: Site) -> None:
    site.plan(desired(a="1"), MONDAY)
    assert resume(site.server, site.ledger, site.lake, before=MONDAY) == []
    assert [wave.status for wave in resume(site.server, site.ledger, site.lake, before=TUESDAY)] == [WaveStatus.SENT]


def test_many_publishers_of_one_wave_send_it_once(site: Site, ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wave = site.plan(desired(a="1"))
    renames: list[str] = []
    real = FileServer._rename_to_new

    def counted(self: FileServer, fs: object, source: str, target: str) -> bool:
        renames.append(Path(target).name)
        return real(self, fs, source, target)

    monkeypatch.setattr(FileServer, "_rename_to_new", counted)
    outcomes: list[str] = []

    def run() -> None:
        connections = engine(ledger_url)
        try:
            outcomes.append(publish_wave(site.server, Ledger(connections, "veiculos"), site.lake, wave).status)
        except Busy:
            outcomes.append("busy")
        connections.dispose()

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(renames) == sorted(file.name for file in wave.files)
    assert "sent" in outcomes
    assert set(outcomes) <= {"sent", "busy"}


def test_a_wave_made_before_another_was_sent_is_made_again(site: Site) -> None:
    held = manager_state(site.ledger, site.lake)
    rows = full_rows(desired(a="1"), held)
    site.send(site.plan(desired(a="2")))
    with pytest.raises(Busy, match="make it again"):
        plan_wave(site.ledger, site.lake, MONDAY, WaveKind.CARGA, rows, lambda _: [], against=held)
    held = manager_state(site.ledger, site.lake)
    rows = incremental_rows(desired(a="1"), held)
    plan_wave(site.ledger, site.lake, MONDAY, WaveKind.INCREMENTAL, rows, lambda _: [], against=held)


def test_planning_waits_for_nobody_and_says_so(site: Site) -> None:
    with site.ledger.exclusive("ondas"), pytest.raises(Busy):
        site.plan(desired(a="1"))
    wave = site.plan(desired(a="1"))
    with site.ledger.exclusive("ondas"), pytest.raises(Busy):
        publish.publish_wave(site.server, site.ledger, site.lake, wave)
