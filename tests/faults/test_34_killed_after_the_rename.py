"""FAULTS 34: killed after the rename, before the ledger: restart finds the remote file by hash and sends nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from publishing import BAIXA, CONTENTS, MAILING, publishing, send_and_die
from receiving import serving
from servers import Served, openssh_server

from resources.ledger_records import WaveStatus


@contextmanager
def manager(server: str, folder: Path) -> Iterator[Served]:
    (folder / "manager").mkdir()
    if server == "openssh":
        with openssh_server(folder / "sshd", folder / "manager") as served:
            yield served
    else:
        with serving(server, folder / "manager") as served:
            yield served


@pytest.mark.parametrize(("server", "renames"), [("sftp", 2), ("openssh", 2), ("ftps", 2), ("sftp", 1)])
def test_killed_after_a_rename_the_restart_finds_the_file_and_sends_it_no_more(
    tmp_path: Path, ledger_url: str, server: str, renames: int
) -> None:
    with (
        manager(server, tmp_path) as served,
        publishing(tmp_path / "home", ledger_url, served.url, served.access, served.root) as place,
    ):
        place.plan()
        ended = send_and_die(place, ledger_url, served.url, served.access, "_rename_to_new", renames)
        assert ended == -signal.SIGKILL
        there = [MAILING, BAIXA][:renames]
        assert place.at_manager() == {name: CONTENTS[name] for name in there}
        assert (place.statuses(), place.held()) == ([WaveStatus.PLANNED], {})
        sent = {name: (served.root / name).stat() for name in there}
        served.faults.clear()
        assert [wave.status for wave in place.resume()] == [WaveStatus.SENT]
        for name, before in sent.items():
            now = (served.root / name).stat()
            assert (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert served.faults.counts["rename"] == (2 - renames if server != "openssh" else 0)
        assert place.is_sent_once()
