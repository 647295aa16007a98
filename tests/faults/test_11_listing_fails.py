"""FAULTS 11: the listing fails (421, 450, EOF, permission): a poll error, never "no files"; the cursor stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from receiving import ACORDOS, OTHER_ACORDOS, PROTOCOLS, outcomes, receiving
from servers.common import Step, What

from resources.file_server import FileServerError

SAID: list[tuple[str, Step, What, str, str]] = [
    *((protocol, "list", "drop", "", "the connection was lost") for protocol in PROTOCOLS),
    ("sftp", "list", "refuse", "Permission denied", "cannot be listed"),
    ("sftp", "connect", "drop", "", "cannot be reached"),
    *((protocol, "list", "refuse", "450 The folder is busy.", "450") for protocol in ("ftp", "ftps")),
    *((protocol, "list", "refuse", "550 Permission denied.", "550") for protocol in ("ftp", "ftps")),
    *((protocol, "connect", "refuse", "421 Too many connections.", "421") for protocol in ("ftp", "ftps")),
]


@pytest.mark.parametrize(("protocol", "step", "what", "words", "shown"), SAID)
def test_a_listing_that_fails_fails_the_poll_and_forgets_nothing(
    tmp_path: Path, ledger_url: str, protocol: str, step: Step, what: What, words: str, shown: str
) -> None:
    with receiving(protocol, tmp_path, ledger_url) as drop:
        drop.put()
        drop.obey(drop.asked())
        drop.put(OTHER_ACORDOS)
        drop.tick()
        before = drop.cursor
        drop.served.faults.on(step, what, words=words)
        with pytest.raises(FileServerError, match=r"127\.0\.0\.1") as raised:
            drop.tick()
        assert shown in str(raised.value)
        assert raised.value.retry_helps
        assert drop.cursor is not None and before is not None
        assert (OTHER_ACORDOS in drop.cursor, ACORDOS in drop.cursor) == (True, False)
        # A collection that a person starts at this moment says the same, and takes nothing for gone.
        known = drop.known()
        assert not drop.collect().success
        assert drop.known() == known
        drop.served.faults.clear()
        # The poll before the failure was the first look at the file: this one is the second.
        assert outcomes(drop.obey(drop.tick())) == {OTHER_ACORDOS: "coletado"}
        assert sorted(drop.files()) == [(ACORDOS, 1, "current"), (OTHER_ACORDOS, 1, "current")]
        assert drop.quiet()
