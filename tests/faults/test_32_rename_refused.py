"""FAULTS 32: the server refuses the rename: an explicit failure, and the file is kept for the next try."""

from __future__ import annotations

from pathlib import Path

import pytest
from publishing import CONTENTS, MAILING, publishing
from receiving import PROTOCOLS, serving

from resources.file_server import FileServerError
from resources.ledger_records import WaveStatus


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_refused_rename_fails_in_words_and_the_kept_file_goes_with_the_next_try(
    tmp_path: Path, ledger_url: str, protocol: str
) -> None:
    with (
        serving(protocol, tmp_path / "manager") as served,
        publishing(tmp_path / "home", ledger_url, served.url, served.access, served.root) as place,
    ):
        wave = place.plan()
        served.faults.on("rename", "refuse", words="553 Not permitted here.")
        with pytest.raises(FileServerError, match=rf"{MAILING}: cannot be written: .*Not permitted here") as raised:
            place.send(wave)
        assert raised.value.retry_helps
        assert (place.at_manager(), place.statuses(), place.held()) == ({}, [WaveStatus.PLANNED], {})
        # What was to be sent is kept, as it was, in the lake: not in the folder where it was written.
        for file in wave.files:
            (place.home / file.name).unlink()
            with place.lake.open(file.path) as kept:
                assert kept.read() == CONTENTS[file.name]
        served.faults.clear()
        assert [sent.status for sent in place.resume()] == [WaveStatus.SENT]
        assert place.is_sent_once()
