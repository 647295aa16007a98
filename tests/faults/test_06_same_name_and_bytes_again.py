"""FAULTS 6: the same name with the same bytes again: nothing happens, and that is recorded."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from receiving import ACORDOS, CONTENT, LONG_AGO, outcomes, receiving


@pytest.mark.parametrize("protocol", ["sftp", "ftp"])
def test_the_same_upload_again_changes_nothing_and_is_on_the_record(
    tmp_path: Path, ledger_url: str, protocol: str
) -> None:
    with receiving(protocol, tmp_path, ledger_url) as drop:
        drop.put()
        drop.obey(drop.asked())
        before = (drop.records(), drop.archived(), drop.runtime.inputs())
        first = drop.known()[ACORDOS]
        again = LONG_AGO + timedelta(hours=3)
        drop.put(mtime=again)
        assert outcomes(drop.obey(drop.asked())) == {ACORDOS: "já coletado"}
        assert (drop.records(), drop.archived(), drop.runtime.inputs()) == before
        seen = drop.known()[ACORDOS]
        assert (seen.size, seen.mtime) == (len(CONTENT), again)
        assert first.verified_at is not None and seen.verified_at is not None
        assert first.verified_at < seen.verified_at
        assert drop.quiet()
