"""FAULTS 2: a download ends short without an error: its size differs from the listing's, and it is never loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from receiving import ACORDOS, CONTENT, DAY, OTHER_ACORDOS, PROTOCOLS, TITLES, outcomes, receiving, table


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_came_short_is_discarded_and_the_next_poll_brings_all_of_it(
    tmp_path: Path, ledger_url: str, protocol: str
) -> None:
    with receiving(protocol, tmp_path, ledger_url) as drop:
        drop.put()
        drop.put(OTHER_ACORDOS, TITLES)  # shorter than what comes
        drop.served.faults.on("read", "short", after=100_000)
        told = table(drop.obey(drop.asked()))
        assert told[OTHER_ACORDOS][0] == "coletado"
        outcome, detail = told[ACORDOS]
        assert (outcome, f"100000 bytes received of {len(CONTENT)} listed" in detail) == ("erro", True), detail
        assert drop.files() == [(OTHER_ACORDOS, 1, "current")]
        assert [path for path in drop.archived() if ACORDOS in path or "parcial" in path] == []
        drop.served.faults.clear()
        assert outcomes(drop.obey(drop.asked())) == {ACORDOS: "coletado"}
        assert drop.archived()[f"{DAY}/acordos/{ACORDOS}"] == CONTENT
        assert sorted(drop.files()) == [(ACORDOS, 1, "current"), (OTHER_ACORDOS, 1, "current")]
        assert drop.quiet()
