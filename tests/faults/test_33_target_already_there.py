"""FAULTS 33: the target is there already: the same hash is done; another is a conflict, reported, not overwritten.

What the day's run and its sensor say of a conflict is in ``tests/sensors/test_days_sensor.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from publishing import BAIXA, CONTENTS, MAILING, publishing
from receiving import PROTOCOLS, serving

from resources.file_server import ConflictError
from resources.ledger_records import WaveStatus


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_content_is_done_and_is_not_written_again(tmp_path: Path, ledger_url: str, protocol: str) -> None:
    with (
        serving(protocol, tmp_path / "manager") as served,
        publishing(tmp_path / "home", ledger_url, served.url, served.access, served.root) as place,
    ):
        wave = place.plan()
        for name, content in CONTENTS.items():
            (served.root / name).write_bytes(content)
        assert place.send(wave).status is WaveStatus.SENT
        assert (served.faults.counts["write"], served.faults.counts["rename"]) == (0, 0)
        assert place.is_sent_once()


@pytest.mark.parametrize("other", [b"de outro", CONTENTS[MAILING][:-1] + b"?"], ids=["another size", "the same size"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_other_content_is_a_conflict_that_a_person_settles(
    tmp_path: Path, ledger_url: str, protocol: str, other: bytes
) -> None:
    with (
        serving(protocol, tmp_path / "manager") as served,
        publishing(tmp_path / "home", ledger_url, served.url, served.access, served.root) as place,
    ):
        wave = place.plan()
        (served.root / MAILING).write_bytes(other)
        for _ in range(2):
            with pytest.raises(ConflictError, match=rf"{MAILING} is there with other content .* not overwritten"):
                place.send(wave)
            assert place.at_manager() == {MAILING: other}
            assert (place.statuses(), place.held()) == ([WaveStatus.PLANNED], {})
        assert not ConflictError.retry_helps
        assert BAIXA not in place.at_manager()
        (served.root / MAILING).rename(tmp_path / "moved away")
        assert [sent.status for sent in place.resume()] == [WaveStatus.SENT]
        assert place.is_sent_once()
