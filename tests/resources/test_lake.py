from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from datetime import date
from pathlib import Path
from time import sleep

import duckdb
import polars as pl
import pytest

from atom_pipeline.parquet import sink_table
from atom_pipeline.scratch import unfinished_name
from resources.lake import Lake, TableMissing, WrittenOnce

DAY = date(2026, 11, 20)


def frame(n: int = 3) -> pl.DataFrame:
    return pl.DataFrame({"contrato": [f"{i:09d}" for i in range(n)], "valor": range(n)})


def test_a_table_is_at_its_path_under_the_root_and_the_prefix(tmp_path: Path) -> None:
    Lake(tmp_path).write("contratos", DAY, frame())
    Lake(tmp_path, "outra").write("recebido/remessa", DAY, frame())
    assert (tmp_path / "lake/contratos/2026-11-20.parquet").is_file()
    assert (tmp_path / "lake/outra/recebido/remessa/2026-11-20.parquet").is_file()
    assert Lake(tmp_path).path("contratos", DAY) == str(tmp_path / "lake/contratos/2026-11-20.parquet")


@pytest.mark.parametrize("root", ["folder", "file url", "memory"])
def test_what_is_written_is_read_back(tmp_path: Path, root: str) -> None:
    lake = Lake({"folder": str(tmp_path), "file url": f"file://{tmp_path}", "memory": "memory://lakes"}[root])
    written = lake.write("contratos", DAY, frame())
    assert lake.read("contratos", DAY).equals(frame())
    assert lake.scan("contratos", DAY).collect().equals(frame())
    assert lake.sha256("contratos", DAY) == written.sha256
    assert (written.rows, lake.exists("contratos", DAY)) == (3, True)


def test_an_empty_table_keeps_its_types(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("contratos", DAY, frame().clear())
    assert lake.read("contratos", DAY).schema == frame().schema


def test_equal_frames_give_equal_bytes_however_they_were_put_together(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    whole = frame(300_000)
    pieces = pl.concat([whole[i : i + 7_000] for i in range(0, whole.height, 7_000)], rechunk=False)
    assert pieces.n_chunks() > 1
    assert lake.write("a", DAY, whole).sha256 == lake.write("b", DAY, pieces).sha256


def test_writing_again_replaces_the_table_and_leaves_nothing_else(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("contratos", DAY, frame(2))
    lake.write("contratos", DAY, frame(5))
    assert lake.read("contratos", DAY).height == 5
    assert [p.name for p in (tmp_path / "lake/contratos").iterdir()] == ["2026-11-20.parquet"]


def test_a_write_that_fails_leaves_the_table_as_it_was_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    before = lake.write("contratos", DAY, frame(2))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        lake.write("contratos", DAY, frame(5))
    monkeypatch.undo()
    assert lake.sha256("contratos", DAY) == before.sha256
    assert [p.name for p in (tmp_path / "lake/contratos").iterdir()] == ["2026-11-20.parquet"]


def test_a_process_killed_while_it_writes_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    before = lake.write("contratos", DAY, frame(2))
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
            import os, signal, sys
            from datetime import date
            import polars as pl
            from resources.lake import Lake
            os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
            Lake(sys.argv[1]).write("contratos", date(2026, 11, 20), pl.DataFrame({"contrato": ["9"]}))
            """),
            str(tmp_path),
        ],
        cwd=Path(__file__).parents[2],
    )
    assert killed.returncode == -signal.SIGKILL
    assert lake.sha256("contratos", DAY) == before.sha256
    assert len(list((tmp_path / "lake/contratos").iterdir())) == 2
    assert lake.remove_leftovers() == 1
    assert [p.name for p in (tmp_path / "lake/contratos").iterdir()] == ["2026-11-20.parquet"]


def test_a_missing_table_is_an_error_that_names_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for ask in (lake.read, lake.scan, lake.sha256):
        with pytest.raises(TableMissing, match="contratos of 2026-11-20"):
            ask("contratos", DAY)
    assert not lake.exists("contratos", DAY)


@pytest.mark.parametrize("name", ["../fora", "/etc", "Contratos", "a/b/c", "", "a\n"])
def test_a_table_cannot_be_outside_the_lake(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a table"):
        Lake(tmp_path).write(name, DAY, frame())


def test_a_waves_rows_are_written_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    written = lake.write_wave_rows(DAY, 1, frame(2))
    assert lake.write_wave_rows(DAY, 1, frame(2)) == written
    with pytest.raises(WrittenOnce):
        lake.write_wave_rows(DAY, 1, frame(3))
    path = lake.wave_path(DAY, 1)
    assert path == "ondas/2026-11-20_01.parquet"
    assert lake.read_wave_rows(path, written.sha256).equals(frame(2))
    again = lake.write_wave_rows(DAY, 1, frame(3), replace_unrecorded=True)
    with pytest.raises(WrittenOnce, match="not what the ledger recorded"):
        lake.read_wave_rows(path, written.sha256)
    assert lake.read_wave_rows(path, again.sha256).height == 3


def test_a_waves_file_is_kept_and_read_back(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    (tmp_path / "carga.txt").write_bytes(b"1;2\r\n")
    lake.store_wave_file(tmp_path / "carga.txt", DAY, 1, "carga.txt")
    with lake.open(lake.wave_file_path(DAY, 1, "carga.txt")) as stream:
        assert stream.read() == b"1;2\r\n"
    with pytest.raises(ValueError, match="not a path"):
        lake.store_wave_file(tmp_path / "carga.txt", DAY, 1, "../fora.txt")


@pytest.mark.parametrize("root", ["folder", "memory"])
def test_many_days_are_searched_at_once_in_their_order(tmp_path: Path, root: str) -> None:
    lake = Lake({"folder": str(tmp_path), "memory": "memory://searched"}[root])
    days = [DAY, date(2026, 11, 23), date(2026, 11, 24)]
    for number, day in enumerate(days):
        lake.write("movimentos", day, frame(number + 2))
    found = lake.search("movimentos", days, pl.col("contrato").is_in(["000000001", "000000002"]))
    assert found.rows() == [("000000001", 1), ("000000001", 1), ("000000002", 2), ("000000001", 1), ("000000002", 2)]
    assert lake.search("movimentos", [], pl.col("contrato") == "1").is_empty()
    with pytest.raises(TableMissing, match="no movimentos of 2026-11-25"):
        lake.search("movimentos", [DAY, date(2026, 11, 25)], pl.lit(True))


@pytest.mark.parametrize("root", ["folder", "memory"])
def test_a_row_found_in_waves_says_in_which(tmp_path: Path, root: str) -> None:
    lake = Lake({"folder": str(tmp_path), "memory": "memory://waves"}[root])
    for number in (1, 2):
        lake.write_wave_rows(DAY, number, frame(number + 1))
    paths = [lake.wave_path(DAY, number) for number in (2, 1)]
    both = ["contrato", "valor"]
    found = lake.search_waves(paths, pl.col("contrato") == "000000001", both)
    assert found.sort("onda").rows() == [("000000001", 1, 0), ("000000001", 1, 1)]
    assert lake.search_waves(paths[:1], pl.col("contrato") == "000000002", ["valor"]).rows() == [(2, 0)]
    assert lake.search_waves([], pl.lit(True), both).is_empty()


def test_a_narrow_table_is_written_in_small_groups_so_that_one_contract_of_many_is_found_fast(tmp_path: Path) -> None:
    lake, rows = Lake(tmp_path), 40_000
    numbers = pl.DataFrame({"contrato": [f"{number:09d}" for number in range(rows)]})
    wide = numbers.with_columns(pl.lit(0).alias(f"c{place}") for place in range(8))
    groups = {}
    for table, written in (("movimentos", numbers), ("contratos", wide)):
        lake.write(table, DAY, written)
        footer = "select count(distinct row_group_id) from parquet_metadata(?)"
        groups[table] = duckdb.execute(footer, [lake.path(table, DAY)]).fetchall()[0][0]
    assert groups == {"movimentos": 3, "contratos": 1}


@pytest.mark.parametrize("root", ["local", "memory://bucket/atom"])
def test_a_file_of_a_workshop_becomes_a_table_of_the_same_bytes_as_its_rows_do(tmp_path: Path, root: str) -> None:
    lake = Lake(tmp_path if root == "local" else root)
    with lake.workshop() as folder:
        sink_table(frame(40_000).lazy(), folder / "1.parquet")
        assert not list(lake.files())
        taken = lake.take("recebido/remessa", DAY, folder / "1.parquet", 40_000)
        assert pl.read_parquet(folder / "1.parquet").equals(lake.read("recebido/remessa", DAY))
    assert taken.sha256 == lake.sha256("recebido/remessa", DAY)
    assert lake.write("recebido/remessa", DAY, frame(40_000)) == taken
    assert [path for path, _ in lake.files()] == [f"recebido/remessa/{DAY}.parquet"]
    assert not list(tmp_path.rglob("*.parcial*"))


def test_what_a_killed_process_left_of_its_workshop_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "lake" / unfinished_name().replace(f"~{os.getpid()}~", "~999999999~")
    left.mkdir(parents=True)
    (left / "1.parquet").write_text("meio arquivo")
    with Lake(tmp_path).workshop() as folder:
        assert Lake(tmp_path).remove_leftovers() == 1
        assert [path.name for path in (tmp_path / "lake").iterdir()] == [folder.name]


def test_a_table_is_hashed_again_once_its_file_was_changed_or_replaced(tmp_path: Path) -> None:
    lake, other = Lake(tmp_path), Lake(tmp_path)
    first = lake.write("contratos", DAY, frame(2)).sha256
    path = Path(lake.path("contratos", DAY))
    content = path.read_bytes()
    sleep(0.02)  # some systems tell times in steps of this length
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])  # as long as before
    assert lake.sha256("contratos", DAY) != first
    path.write_bytes(content)
    assert lake.sha256("contratos", DAY) == first
    second = other.write("contratos", DAY, frame(5)).sha256  # what another process would do
    assert lake.sha256("contratos", DAY) == second != first
    path.unlink()
    with pytest.raises(TableMissing):
        lake.sha256("contratos", DAY)


def test_a_hash_that_is_asked_for_again_reads_the_file_only_when_asked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    written = lake.write("contratos", DAY, frame())
    hashed: list[str] = []
    real = Lake._sha256
    monkeypatch.setattr(Lake, "_sha256", lambda self, key, what: (hashed.append(key), real(self, key, what))[1])
    assert [lake.sha256("contratos", DAY) for _ in range(3)] == [written.sha256] * 3
    assert not hashed
    assert lake.sha256("contratos", DAY, anew=True) == written.sha256
    assert Lake(tmp_path).sha256("contratos", DAY) == written.sha256
    assert len(hashed) == 2
