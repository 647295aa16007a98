"""FAULTS 1: the connection is dropped in the middle of a download: temporary discarded, fresh connection, one load."""

from __future__ import annotations

from pathlib import Path

import pytest
from receiving import ACORDOS, CONTENT, DAY, PROTOCOLS, outcomes, receiving, table

PLACE = f"{DAY}/acordos/{ACORDOS}"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_lost_once_it_is_made_again_and_the_file_is_collected_once(
    tmp_path: Path, ledger_url: str, protocol: str
) -> None:
    with receiving(protocol, tmp_path, ledger_url) as drop:
        drop.put()
        asked = drop.asked()
        drop.served.faults.clear()
        drop.served.faults.on("read", "drop", after=100_000, times=1)
        assert outcomes(drop.obey(asked)) == {ACORDOS: "coletado"}
        assert drop.served.faults.counts["connect"] == 3  # the listing, the download that was cut, and another
        assert (drop.files(), drop.archived()) == ([(ACORDOS, 1, "current")], {PLACE: CONTENT})
        assert drop.quiet()


@pytest.mark.parametrize("protocol", ["sftp", "ftps"])
def test_lost_again_and_again_it_is_said_and_the_next_poll_brings_the_file(
    tmp_path: Path, ledger_url: str, protocol: str
) -> None:
    with receiving(protocol, tmp_path, ledger_url) as drop:
        drop.put()
        drop.served.faults.on("read", "drop", after=100_000)
        for attempt in (1, 2, 3):
            result = drop.obey(drop.asked())
            outcome, detail = table(result)[ACORDOS]
            assert (outcome, "the connection was lost" in detail) == ("erro", True), detail
            # What may pass by itself fails no run, until it has not passed for a while.
            assert result.success is (attempt < 3)
            assert (drop.files(), drop.archived()) == ([], {})
            drop.minutes_pass(15)
        drop.served.faults.clear()
        assert outcomes(drop.obey(drop.asked())) == {ACORDOS: "coletado"}
        assert (drop.files(), drop.archived()) == ([(ACORDOS, 1, "current")], {PLACE: CONTENT})
        assert drop.quiet()
