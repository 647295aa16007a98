"""FAULTS 4: an upload stalls and resumes later: the trailer check fails, the file is held, never half loaded."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
from agency import ANA, Agency, agency, client, failures
from receiving import QUICK, serving

from resources.file_server import FileServer

MON = date(2026, 11, 9)
REMESSA = "20261108_190000_remessa_528_out.528"
CONTRACTS = [f"{number:010d}" for number in range(101, 105)]


def loads(house: Agency) -> list[tuple[str, int, str, int]]:
    """(name, version, outcome, rows accepted) of the day's current files."""
    return [
        (one.file.name, one.file.version, one.load.outcome, one.load.rows_accepted)
        for one in house.runtime.ledger.loads(MON)
    ]


def test_half_a_file_is_refused_whole_and_the_rest_of_the_upload_makes_the_day_again(
    tmp_path: Path, ledger_url: str
) -> None:
    with serving("sftp", tmp_path / "home" / "drop") as served, agency(tmp_path / "home", ledger_url) as house:
        house.runtime.drop = FileServer(served.url, served.access, QUICK)
        house.put("remessa_assessoria", REMESSA, [client(one, cpf=ANA) for one in CONTRACTS], day=MON)
        whole = (house.drop / REMESSA).read_bytes()
        lines = whole.splitlines(keepends=True)
        # It stops after a line, for so long that two polls see the same: nothing but the trailer can tell.
        (house.drop / REMESSA).write_bytes(b"".join(lines[: len(lines) // 2]))
        assert [file.name for file in house.collect().collected] == [REMESSA]
        stopped = house.run(MON)
        assert loads(house) == [(REMESSA, 1, "refused", 0)]
        [load] = house.runtime.ledger.loads(MON)
        assert load.load.message is not None and "trailer" in load.load.message.lower(), load.load.message
        assert [line for line in failures(stopped) if "Error" in line] == []
        assert house.situacoes(MON) == {}
        assert house.sent() == []
        # The upload goes on.
        (house.drop / REMESSA).write_bytes(whole)
        report = house.collect()
        assert ([file.name for file in report.replaced], report.days) == ([REMESSA], (MON,))
        made = house.run(MON)
        assert made.success, failures(made)
        assert loads(house) == [(REMESSA, 2, "loaded", len(CONTRACTS))]
        assert house.situacoes(MON) == dict.fromkeys(CONTRACTS, "ATIVO")
        assert house.table("movimentos", MON).filter(pl.col("movimento") == "ALTA").height == len(CONTRACTS)
        assert (house.collect().same, house.collect().days) == ((REMESSA,), ())
