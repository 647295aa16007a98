"""FAULTS 5: a file is renamed or deleted after the listing: it is said so, and the others go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from receiving import ACORDOS, CONTENT, OTHER_ACORDOS, PROTOCOLS, outcomes, receiving, table

from resources.file_server import Downloaded, FileServer, RemoteFile

RENAMED = "aurora.71.acordos.16112026.csv"


@pytest.mark.parametrize("protocol", ["sftp", "ftp"])
def test_one_gone_between_the_poll_and_its_collection_is_said_and_the_others_come(
    tmp_path: Path, ledger_url: str, protocol: str
) -> None:
    with receiving(protocol, tmp_path, ledger_url) as drop:
        drop.put()
        drop.put(OTHER_ACORDOS)
        asked = drop.asked()
        (drop.folder / OTHER_ACORDOS).rename(drop.folder / RENAMED)
        told = {ACORDOS: "coletado", OTHER_ACORDOS: "não está mais na entrada"}
        assert outcomes(drop.obey(asked)) == told
        assert drop.files() == [(ACORDOS, 1, "current")]
        # Under its new name it is another file, for another day.
        assert outcomes(drop.obey(drop.asked())) == {RENAMED: "coletado"}
        assert sorted(drop.files()) == [(ACORDOS, 1, "current"), (RENAMED, 1, "current")]
        assert drop.quiet()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_gone_between_the_listing_and_its_download_is_said_and_the_others_come(
    tmp_path: Path, ledger_url: str, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = FileServer.download

    def gone(server: FileServer, listed: RemoteFile, target: Path) -> Downloaded:
        if listed.name == ACORDOS:
            (drop.folder / ACORDOS).unlink()
        return download(server, listed, target)

    with receiving(protocol, tmp_path, ledger_url) as drop:
        drop.put()
        drop.put(OTHER_ACORDOS)
        asked = drop.asked()
        monkeypatch.setattr(FileServer, "download", gone)
        told = table(drop.obey(asked))
        monkeypatch.undo()
        assert told[OTHER_ACORDOS][0] == "coletado"
        outcome, detail = told[ACORDOS]
        assert (outcome, detail.startswith(f"FileServerError: {ACORDOS}: cannot be read: ")) == ("erro", True), detail
        assert drop.files() == [(OTHER_ACORDOS, 1, "current")]
        assert list(drop.archived().values()) == [CONTENT]
        assert drop.quiet()
