"""FAULTS 15: names with `../`, a leading `/`, a newline, or that differ only in case: nothing outside the archive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from receiving import (
    ACORDOS,
    CONTENT,
    DAY,
    LONG_AGO,
    PROTOCOLS,
    TITLES,
    Receiving,
    outcomes,
    receiving,
    receiving_from,
    serving,
)
from servers import ftp, sftp

HOSTILE = ("../" + ACORDOS, "/" + ACORDOS, "/tmp/" + ACORDOS, "..\\" + ACORDOS, "..")
STAMP = f"{LONG_AGO:%Y%m%d%H%M%S}"


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that list, beside what they have, files of names that lead elsewhere."""
    plain_scandir, plain_mlsx = sftp._Files.scandir, ftp._Folder.format_mlsx

    async def scandir(self: Any, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        async for entry in plain_scandir(self, path):
            yield entry
        when = int(LONG_AGO.timestamp())
        for name in HOSTILE:
            attributes = asyncssh.SFTPAttrs(type=1, size=5, permissions=0o100644, atime=when, mtime=when)
            yield asyncssh.SFTPName(name.encode(), attrs=attributes)

    def format_mlsx(self: Any, *arguments: Any, **named: Any) -> Iterator[bytes]:
        yield from plain_mlsx(self, *arguments, **named)
        for name in HOSTILE:
            yield f"modify={STAMP};size=5;type=file; {name}\r\n".encode()

    monkeypatch.setattr(sftp._Files, "scandir", scandir)
    monkeypatch.setattr(ftp._Folder, "format_mlsx", format_mlsx)


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_names_that_lead_elsewhere_are_reported_and_write_nothing(
    tmp_path: Path, ledger_url: str, protocol: str
) -> None:
    with (
        serving(protocol, tmp_path / "server") as served,
        receiving_from(served, tmp_path / "home", ledger_url, folder="saida") as drop,
    ):
        drop.folder.mkdir()
        drop.put()
        before = elsewhere(tmp_path, drop)
        told = outcomes(drop.obey(drop.asked()))
        assert told.pop(ACORDOS) == "coletado"
        assert set(told.values()) <= {"nenhum layout conhece"}
        assert {"../" + ACORDOS, "/tmp/" + ACORDOS} <= told.keys()
        assert drop.archived() == {f"{DAY}/acordos/{ACORDOS}": CONTENT}
        assert elsewhere(tmp_path, drop) == before
        assert not (Path("/tmp") / ACORDOS).exists()
        assert drop.files() == [(ACORDOS, 1, "current")]
        assert {one.name for one in drop.runtime.ledger.unknown_files()} == told.keys()
        assert drop.quiet()


def elsewhere(folder: Path, drop: Receiving) -> set[Path]:
    """Files that are not in the archive."""
    return {path for path in folder.rglob("*") if path.is_file() and not path.is_relative_to(drop.runtime.archive)}


def test_a_newline_in_a_name_forges_no_line_of_a_report(tmp_path: Path, ledger_url: str) -> None:
    with receiving("sftp", tmp_path, ledger_url) as drop:
        drop.put()
        drop.put(f"{ACORDOS}\ncoletado.csv")
        told = outcomes(drop.obey(drop.asked()))
        assert told == {ACORDOS: "coletado", f"{ACORDOS}\\ncoletado.csv": "nenhum layout conhece"}
        assert drop.archived() == {f"{DAY}/acordos/{ACORDOS}": CONTENT}
        assert all("\n" not in one.name for one in drop.runtime.ledger.unknown_files())
        assert drop.quiet()


@pytest.mark.parametrize("protocol", ["sftp", "ftps"])
def test_names_that_differ_only_in_case_are_two_files(tmp_path: Path, ledger_url: str, protocol: str) -> None:
    with receiving(protocol, tmp_path, ledger_url) as drop:
        drop.put()
        drop.put(ACORDOS.upper(), TITLES)
        assert set(outcomes(drop.obey(drop.asked())).values()) == {"coletado"}
        assert drop.archived() == {
            f"{DAY}/acordos/{ACORDOS}": CONTENT,
            f"{DAY}/acordos/{ACORDOS.upper()}": TITLES,
        }
        assert sorted(drop.files()) == sorted([(ACORDOS, 1, "current"), (ACORDOS.upper(), 1, "current")])
        assert drop.quiet()
