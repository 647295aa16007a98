"""FAULTS 10: equal, future or minute-resolution modification times: no file is missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from receiving import ACORDOS, CONTENT, LONG_AGO, OTHER_ACORDOS, outcomes, receiving, receiving_from
from servers import ftp_server

THIRD = "aurora.71.acordos.16112026.csv"


@pytest.mark.parametrize("protocol", ["sftp", "ftps"])
def test_files_of_one_moment_of_the_past_and_of_the_future_all_come(
    tmp_path: Path, ledger_url: str, protocol: str
) -> None:
    with receiving(protocol, tmp_path, ledger_url) as drop:
        drop.put()
        assert outcomes(drop.obey(drop.asked())) == {ACORDOS: "coletado"}
        drop.put(OTHER_ACORDOS)  # of the same moment as one that was collected, as a newest-first poll would miss
        drop.put(THIRD, mtime=datetime.now(UTC) + timedelta(days=400))
        drop.put("aurora.71.acordos.17112026.csv", mtime=LONG_AGO - timedelta(days=400))
        brought = outcomes(drop.obey(drop.asked()))
        assert sorted(brought) == [OTHER_ACORDOS, THIRD, "aurora.71.acordos.17112026.csv"]
        assert set(brought.values()) == {"coletado"}
        assert len(drop.files()) == 4
        assert not drop.tick().run_requests  # the one of the future is looked at once more, and not yet


def test_a_rewrite_within_the_minute_that_a_server_shows_is_seen(tmp_path: Path, ledger_url: str) -> None:
    """A server that lists as `ls` does shows minutes: the rewritten file has the name, size and time it had."""
    (tmp_path / "drop").mkdir()
    began = datetime.now(UTC) - timedelta(minutes=10)
    written = began.replace(second=0, microsecond=0)
    changed = CONTENT.replace(b"PAGO", b"NADA")
    with (
        ftp_server(tmp_path / "drop", mlsd=False) as served,
        receiving_from(served, tmp_path / "home", ledger_url, clock=lambda: moment) as drop,
    ):
        moment = began
        drop.put(mtime=written + timedelta(seconds=5))
        assert outcomes(drop.obey(drop.asked())) == {ACORDOS: "coletado"}
        drop.put(content=changed, mtime=written + timedelta(seconds=50))
        [listed] = drop.runtime.drop.list()
        assert (listed.size, listed.mtime) == (len(CONTENT), written)
        moment = began + timedelta(minutes=5)
        assert outcomes(drop.obey(drop.asked())) == {ACORDOS: "nova versão"}
        assert drop.files() == [(ACORDOS, 1, "replaced"), (ACORDOS, 2, "current")]
        assert sorted(drop.archived().values()) == sorted([CONTENT, changed])
        assert drop.quiet()
