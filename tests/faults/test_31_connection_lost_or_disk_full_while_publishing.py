"""FAULTS 31: the remote disk is full, or the connection lost, while writing: no final name, no temporary, retried."""

from __future__ import annotations

from pathlib import Path

import pytest
from publishing import BAIXA, CONTENTS, MAILING, publishing
from receiving import PROTOCOLS, serving
from servers.common import What

from resources.file_server import FileServerError
from resources.ledger_records import WaveStatus

SAID = {"refuse": ("full disk", "552"), "drop": ("the connection was lost",)}


@pytest.mark.parametrize("what", SAID)
@pytest.mark.parametrize(("protocol", "name"), [*((protocol, MAILING) for protocol in PROTOCOLS), ("sftp", BAIXA)])
def test_nothing_is_left_at_manager_and_the_next_try_sends_the_wave_once(
    tmp_path: Path, ledger_url: str, protocol: str, what: What, name: str
) -> None:
    with (
        serving(protocol, tmp_path / "manager") as served,
        publishing(tmp_path / "home", ledger_url, served.url, served.access, served.root) as place,
    ):
        wave = place.plan()
        if name != MAILING:  # the first of the two files is there
            place.server.publish(place.home / MAILING, MAILING)
        before = place.at_manager()
        served.faults.on("write", what, after=100_000)
        with pytest.raises(FileServerError) as raised:
            place.send(wave)
        assert raised.value.retry_helps
        assert any(words in str(raised.value) for words in SAID[what]), raised.value
        assert place.at_manager() == before
        assert (place.statuses(), place.held()) == ([WaveStatus.PLANNED], {})
        served.faults.clear()
        assert [sent.status for sent in place.resume()] == [WaveStatus.SENT]
        assert served.faults.counts["rename"] == len(CONTENTS) - len(before)
        assert place.is_sent_once()
