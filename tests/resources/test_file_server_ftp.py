"""FTP's own dangers: listings that lie, renames that overwrite, and certificates (FAULTS 11, traps)."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from servers import Certificates, Served, ftp_server

from resources import transport_ftp
from resources.access import Access
from resources.file_server import AccessRefused, ConflictError, FileServer, FileServerError, Patience, Unavailable

QUICK = Patience(pause=0.01)
CONTENT = b"contrato;valor\r\n"


@pytest.fixture(params=[True, False], ids=["MLSD", "LIST"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "raiz").mkdir()
    with ftp_server(tmp_path / "raiz", mlsd=request.param) as served:
        yield served


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "raiz").mkdir()
    with ftp_server(tmp_path / "raiz", certificates=Certificates.make(tmp_path / "tls")) as served:
        yield served


@pytest.fixture
def saida(tmp_path: Path) -> Path:
    (tmp_path / "saida").write_bytes(CONTENT)
    return tmp_path / "saida"


# Listings.


@pytest.mark.parametrize("words", ["421 Too many connections.", "450 File busy.", "550 Not permitted.", "500 What?"])
def test_a_root_that_is_not_listed_is_never_an_empty_one(served: Served, words: str) -> None:
    (served.root / "a.csv").write_bytes(CONTENT)
    served.faults.on("list", "refuse", words=words)
    with pytest.raises(FileServerError, match=words[:3]):
        FileServer(served.url, served.access, QUICK).list()
    assert served.faults.counts["list"] == (QUICK.attempts if words.startswith("4") else 1)


def test_a_server_that_is_full_is_asked_again_and_then_believed(served: Served) -> None:
    served.faults.on("connect", "refuse", times=2)
    assert FileServer(served.url, served.access, QUICK).list() == []
    served.faults.on("connect", "refuse")
    with pytest.raises(Unavailable, match="421 Too many connections"):
        FileServer(served.url, served.access, QUICK).list()


def test_a_folder_that_the_server_could_not_open_is_not_an_empty_one(served: Served) -> None:
    (served.root / "a.csv").write_bytes(CONTENT)
    served.faults.on("list", "short", words="226 Transfer done (but failed to open directory).")
    with pytest.raises(FileServerError, match="failed to open directory"):
        FileServer(served.url, served.access, QUICK).list()


def test_a_listing_whose_end_is_not_confirmed_is_an_error(served: Served) -> None:
    (served.root / "a.csv").write_bytes(CONTENT)
    served.faults.on("list", "short", words="426 Connection closed; transfer aborted.")
    with pytest.raises(Unavailable, match="426"):
        FileServer(served.url, served.access, QUICK).list()


def test_a_listing_is_asked_anew_each_time(served: Served) -> None:
    server = FileServer(served.url, served.access)
    for number in range(3):
        (served.root / f"{number}.csv").write_bytes(CONTENT)
        assert len(server.list()) == number + 1


def test_a_time_is_exact_where_the_server_lists_for_machines(tmp_path: Path) -> None:
    with ftp_server(tmp_path) as served:
        for name, moment in (("nova.csv", 1_795_000_013), ("velha.csv", 1_500_000_007)):
            (tmp_path / name).write_bytes(CONTENT)
            os.utime(tmp_path / name, (0, moment))
        times = [file.mtime for file in FileServer(served.url, served.access).list()]
    assert times == [datetime.fromtimestamp(moment, UTC) for moment in (1_795_000_013, 1_500_000_007)]


def test_a_time_without_a_zone_is_put_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = int(time.time()) - 90_000
    moments = {"nova.csv": now, "outra.csv": now - 86_400, "antiga.csv": 1_500_000_007}
    monkeypatch.setenv("TZ", "America/Sao_Paulo")
    time.tzset()
    try:
        with ftp_server(tmp_path, mlsd=False, local_time=True) as served:
            for name, moment in moments.items():
                (tmp_path / name).write_bytes(CONTENT)
                os.utime(tmp_path / name, (0, moment))
            server = FileServer(served.url, served.access)
            listed = {file.name: file for file in server.list()}
            assert server.download(listed["antiga.csv"], tmp_path / "local").size == len(CONTENT)
    finally:
        monkeypatch.undo()
        time.tzset()
    for name, error in (("nova.csv", 60), ("outra.csv", 60), ("antiga.csv", 86_400)):
        mtime = listed[name].mtime
        assert mtime is not None
        assert 0 <= moments[name] - mtime.timestamp() < error


def test_a_file_that_the_server_will_not_tell_of_counts_as_there(served: Served, saida: Path) -> None:
    (served.root / "carga.txt").write_bytes(b"de outro")
    served.faults.on("stat", "refuse", words="550 Permission denied.")
    with pytest.raises(ConflictError):
        FileServer(served.url, served.access, QUICK).publish(saida, "carga.txt")
    assert (served.root / "carga.txt").read_bytes() == b"de outro"


# Transfers.


def test_a_transfer_whose_end_is_not_confirmed_is_no_file(served: Served, tmp_path: Path) -> None:
    (served.root / "a.csv").write_bytes(CONTENT)
    server = FileServer(served.url, served.access, QUICK)
    [listed] = server.list()
    served.faults.on("read", "refuse", words="451 Local error.")
    with pytest.raises(Unavailable, match="451"):
        server.download(listed, tmp_path / "local")
    assert not (tmp_path / "local").exists()


@pytest.mark.parametrize("words", ["552 Quota exceeded.", "452 No space."])
def test_a_full_server_is_not_asked_again_at_once(served: Served, saida: Path, words: str) -> None:
    served.faults.on("write", "refuse", words=words)
    with pytest.raises(FileServerError, match=words[:3]):
        FileServer(served.url, served.access, QUICK).publish(saida, "carga.txt")
    assert served.faults.counts["write"] == 1
    assert list(served.root.iterdir()) == []


def test_a_server_whose_rename_overwrites_does_not_get_to_do_it(
    served: Served, saida: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = transport_ftp.FtpFolder.rename_new

    def taken(self: transport_ftp.FtpFolder, source: str, target: str) -> bool:
        (served.root / "carga.txt").write_bytes(b"de outro")
        return real(self, source, target)

    monkeypatch.setattr(transport_ftp.FtpFolder, "rename_new", taken)
    with pytest.raises(ConflictError):
        FileServer(served.url, served.access, QUICK).publish(saida, "carga.txt")
    assert {path.name: path.read_bytes() for path in served.root.iterdir()} == {"carga.txt": b"de outro"}


def test_a_login_that_leads_somewhere_is_where_a_tilde_starts(served: Served, saida: Path) -> None:
    (served.root / "entrada").mkdir()
    server = FileServer(f"{served.url}~/entrada", served.access)
    server.publish(saida, "carga.txt")
    assert [file.name for file in server.list()] == ["carga.txt"]
    assert (server.exists("carga.txt"), server.exists("outra.txt")) == (True, False)
    assert FileServer(served.url.rstrip("/"), served.access).list() == []


# TLS.


def test_data_comes_in_the_tls_session_of_the_control_connection(secure: Served, saida: Path) -> None:
    FileServer(secure.url, secure.access).publish(saida, "carga.txt")
    assert secure.faults.counts["reused"] > 0
    assert secure.faults.counts["new session"] == 0


def test_a_server_with_a_certificate_of_nobody_we_know_never_gets_the_password(secure: Served) -> None:
    with pytest.raises(AccessRefused, match=r"certificate of the server is not trusted.*ATOM_DROP_CA") as raised:
        FileServer(secure.url, Access(prefix="ATOM_DROP_")).list()
    assert (secure.faults.counts["connect"], secure.faults.counts["login"]) == (1, 0)
    assert not raised.value.retry_helps


def test_a_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    certificates = Certificates.make(tmp_path / "tls", "outro.exemplo")
    with ftp_server(tmp_path, certificates=certificates) as served:
        with pytest.raises(AccessRefused, match=r"not trusted: .*127\.0\.0\.1"):
            FileServer(served.url, served.access).list()
        assert served.faults.counts["login"] == 0


def test_a_server_without_tls_never_gets_the_password_of_ftps(served: Served) -> None:
    with pytest.raises(AccessRefused, match="offers no TLS"):
        FileServer(served.url.replace("ftp://", "ftps://"), served.access).list()
    assert served.faults.counts["login"] == 0


@pytest.mark.parametrize("content", [None, b"nada"])
def test_an_authority_that_cannot_be_read_is_said_so(secure: Served, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(AccessRefused, match=r"ca\.pem cannot be read.*ATOM_DROP_CA"):
        FileServer(secure.url, Access(ca=tmp_path / "ca.pem", prefix="ATOM_DROP_")).list()


def test_the_system_s_authorities_are_believed_without_a_file(secure: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secure.access.ca))
    assert ssl.get_default_verify_paths().cafile == str(secure.access.ca)
    assert FileServer(secure.url, replace(secure.access, ca=None)).list() == []
