"""`atom backup` and `atom restore` for real: a day made, backed up, lost, put back, and the next day as if nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from agency import ANA, BIA, Agency, agency, client, failures
from databases import Ledgers, drop_database
from sqlalchemy import make_url

from resources import backup as backups
from resources.backup import BackupFailed, Copied, backup, restore
from resources.ledger_records import WaveStatus
from resources.postgres import create_database, engine
from resources.verify import verify

MON, TUE = date(2026, 11, 9), date(2026, 11, 10)
C1, C2 = "0000000101", "0000000102"


def put_day(house: Agency, day: date, *contratos: str) -> None:
    people = {C1: ANA, C2: BIA}
    rows = [client(contrato, people[contrato], dias_atraso=30 + day.day) for contrato in contratos]
    house.put("remessa_assessoria", f"202611{day.day - 1:02d}_190000_remessa_528_out.528", rows, day=day)


@dataclass
class Backed:
    """A house with a backup of Monday, taken before its Tuesday, and one after it."""

    house: Agency
    monday: Copied
    tuesday: Copied
    servers: Path  # drop and Manager as Monday's backup found them


@pytest.fixture(scope="module")
def backed(ledgers: Ledgers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backed]:
    home, into = tmp_path_factory.mktemp("casa"), tmp_path_factory.mktemp("copias")
    url = ledgers.lend()
    with agency(home, url) as house:
        put_day(house, MON, C1, C2)
        house.make(MON)
        settings, connections = house.runtime.settings, house.runtime.engine
        (into / "2026-11-09T000000.parcial").mkdir()  # of one that was killed
        monday = backup(settings, connections, into, datetime(2026, 11, 9, 13))
        put_day(house, TUE, C1)
        servers = tmp_path_factory.mktemp("servidores")
        for name in ("drop", "manager"):
            shutil.copytree(home / name, servers / name)
        house.make(TUE)
        tuesday = backup(settings, connections, into, datetime(2026, 11, 10, 13))
        yield Backed(house, monday, tuesday, servers)
    ledgers.give_back(url)


@pytest.fixture
def elsewhere(postgres_server: str, backed: Backed, tmp_path: Path) -> Iterator[Agency]:
    """Another machine with an empty database; drop and Manager are where they were."""
    url = create_database(postgres_server, f"vazia_{uuid4().hex}")
    connections = engine(url)
    home = tmp_path / "casa"
    home.mkdir()
    for name in ("drop", "manager"):
        shutil.copytree(backed.servers / name, home / name)
    settings = backed.house.runtime.settings
    restore(
        type(settings)(home, settings.drop_url, settings.manager_url, settings.layouts), connections, backed.monday.path
    )
    connections.dispose()
    with agency(home, url) as one:
        yield one
    drop_database(postgres_server, url)


def at_manager(house: Agency) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in house.manager.iterdir()}


def test_a_restored_house_has_all_it_had_and_makes_the_next_day_to_the_byte(backed: Backed, elsewhere: Agency) -> None:
    looked = list(verify(elsewhere.runtime))
    assert [one for one in looked if one.fault] == []
    assert {one.what.split("/")[1] for one in looked} >= {"contratos", "ondas", f"{MON}"}
    assert elsewhere.runtime.stale() == []
    elsewhere.make(TUE)
    mine, theirs = elsewhere.runtime.ledger.base(TUE), backed.house.runtime.ledger.base(TUE)
    assert mine is not None
    assert theirs is not None
    assert (mine.hash, mine.tables, mine.inputs) == (theirs.hash, theirs.tables, theirs.inputs)
    assert at_manager(elsewhere) == at_manager(backed.house)


def test_what_was_sent_after_the_backup_is_found_there_and_not_sent_again(backed: Backed, elsewhere: Agency) -> None:
    """Manager has Tuesday's files already: the restored house, which knows nothing of them, makes the very same."""
    for path in backed.house.manager.iterdir():
        shutil.copy2(path, elsewhere.manager / path.name)
    there = {path.name: path.stat().st_ino for path in elsewhere.manager.iterdir()}
    elsewhere.collect()
    result = elsewhere.run(TUE)
    assert result.success, failures(result)
    assert {path.name: path.stat().st_ino for path in elsewhere.manager.iterdir()} == there
    assert [wave.status for wave in elsewhere.runtime.ledger.waves(TUE)] == [WaveStatus.SENT] * len(
        backed.house.runtime.ledger.waves(TUE)
    )


def test_a_backup_shares_what_did_not_change_with_the_one_before_and_not_with_the_house(backed: Backed) -> None:
    assert (backed.monday.linked, backed.tuesday.linked) == (0, backed.monday.files)
    for path in backed.monday.path.rglob("*.parquet"):
        inside = path.relative_to(backed.monday.path)
        inodes = [(root / inside).stat().st_ino for root in (backed.monday.path, backed.tuesday.path)]
        assert inodes[0] == inodes[1]
        assert (backed.house.runtime.settings.home / inside).stat().st_ino != inodes[0]
    names = sorted(path.name for path in backed.monday.path.parent.iterdir())
    assert names == ["2026-11-09T130000", "2026-11-10T130000"]
    assert backed.monday.path.stat().st_mode & 0o077 == 0


def test_what_is_lost_or_spoilt_is_found(elsewhere: Agency) -> None:
    lake, archive = elsewhere.runtime.lake, elsewhere.runtime.archive
    Path(lake.path("fichas", MON)).unlink()
    Path(lake.path("contratos", MON)).write_bytes(b"x")
    (collected,) = (archive / f"{MON}" / "remessa_assessoria").iterdir()
    collected.write_bytes(collected.read_bytes() + b"x")
    (rows,) = Path(lake.base).glob("ondas/*.parquet")
    rows.unlink()
    faults = {one.what: one.fault.split(",")[0] for one in verify(elsewhere.runtime) if one.fault}
    assert {what: fault[:6] for what, fault in faults.items()} == {
        f"lake/fichas/{MON}.parquet": "it is ",
        f"lake/contratos/{MON}.parquet": "it is ",
        f"arquivo/{MON}/remessa_assessoria/{collected.name}": "it is ",
        f"lake/ondas/{rows.name}": "it is ",
    }
    assert faults[f"lake/fichas/{MON}.parquet"] == "it is missing"


def test_nothing_is_overwritten_and_half_a_backup_is_none(backed: Backed, tmp_path: Path, database_url: str) -> None:
    settings = backed.house.runtime.settings
    with pytest.raises(BackupFailed, match="has lake and arquivo: move them away first"):
        restore(settings, backed.house.runtime.engine, backed.monday.path)
    bare = replace(settings, home=tmp_path)
    with pytest.raises(BackupFailed, match="the database has tables"):
        restore(bare, backed.house.runtime.engine, backed.monday.path)
    with pytest.raises(BackupFailed, match="is no backup"):
        restore(bare, backed.house.runtime.engine, tmp_path)
    empty = engine(database_url)
    spoilt = tmp_path / "estragada"
    spoilt.mkdir()
    (spoilt / "atom.dump").write_bytes(b"PGDMP")
    with pytest.raises(BackupFailed, match="pg_restore failed"):
        restore(bare, empty, spoilt)
    empty.dispose()
    assert list(bare.home.glob("lake")) == []


def test_the_password_of_the_database_stands_in_no_list_of_processes(
    backed: Backed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = subprocess.run, list[tuple[list[str], dict[str, str]]]()

    def watched(command: list[str], **options: Any) -> Any:
        seen.append((command, options.get("env", {})))
        return run(command, **options)

    monkeypatch.setattr(backups.subprocess, "run", watched)
    url = make_url(backed.house.runtime.postgres_url).set(password="segredo")  # the tests' server asks for none
    connections = engine(url.render_as_string(hide_password=False))
    settings = backed.house.runtime.settings
    backup(settings, connections, tmp_path / "copias", datetime(2026, 11, 11))
    connections.dispose()
    ((command, environment),) = [one for one in seen if "--format=custom" in one[0]]
    assert "segredo" not in " ".join(command)
    assert environment["PGPASSWORD"] == "segredo"
    assert "PGPASSWORD" not in os.environ
