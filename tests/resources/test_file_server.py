from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from resources import durable
from resources.file_server import (
    ConflictError,
    FileServer,
    FileServerError,
    IncompleteDownload,
    RemoteFile,
    UnsafeName,
    is_plain_name,
    printable,
)

CONTENT = b"contrato;valor\r\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "servidor").mkdir()
    return tmp_path / "servidor"


@pytest.fixture
def server(folder: Path) -> FileServer:
    return FileServer(f"file://{folder}")


def listed(server: FileServer, name: str) -> RemoteFile:
    return next(file for file in server.list() if file.name == name)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_listing_has_the_files_of_the_folder_and_nothing_else(folder: Path, server: FileServer) -> None:
    (folder / "b.csv").write_bytes(CONTENT)
    (folder / "a.csv").write_bytes(b"")
    os.utime(folder / "a.csv", (0, 1_700_000_000))
    (folder / "erros").mkdir()
    (folder / "erros" / "c.csv").write_bytes(b"x")
    (folder / "link.csv").symlink_to("/etc/hostname")
    files = server.list()
    assert [(file.name, file.size) for file in files] == [("a.csv", 0), ("b.csv", len(CONTENT))]
    assert files[0].mtime == datetime.fromtimestamp(1_700_000_000, UTC)


def test_a_missing_folder_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileServerError, match="not there"):
        FileServer(f"file://{tmp_path}/nada").list()


def test_a_listing_that_fails_is_an_error(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(FileServerError, match="cannot be listed: Permission denied"):
        server.list()


@pytest.mark.parametrize("url", ["gopher://servidor/drop", "s3://balde/drop"])
def test_a_protocol_that_is_not_served_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(FileServerError, match="is not served") as raised:
        FileServer(url.replace("://", "://quem:segredo@"))
    assert "segredo" not in str(raised.value)


def test_a_download_is_the_file_and_its_hash(folder: Path, server: FileServer, tmp_path: Path) -> None:
    content = os.urandom(3 * durable.BLOCK + 17)
    (folder / "a.csv").write_bytes(content)
    downloaded = server.download(listed(server, "a.csv"), tmp_path / "local")
    assert (downloaded.size, downloaded.sha256) == (len(content), sha256(content))
    assert (tmp_path / "local").read_bytes() == content


@pytest.mark.parametrize("difference", [-1, 1, 5_000_000])
def test_a_download_of_another_size_than_listed_is_discarded(
    folder: Path, server: FileServer, tmp_path: Path, difference: int
) -> None:
    (folder / "a.csv").write_bytes(CONTENT)
    file = listed(server, "a.csv")
    with pytest.raises(IncompleteDownload, match="bytes received"):
        server.download(replace(file, size=file.size + difference), tmp_path / "local")
    assert not (tmp_path / "local").exists()


def test_a_file_rewritten_during_its_download_is_discarded(folder: Path, server: FileServer, tmp_path: Path) -> None:
    (folder / "a.csv").write_bytes(CONTENT)
    file = listed(server, "a.csv")
    os.utime(folder / "a.csv", (0, 1_700_000_000))
    with pytest.raises(IncompleteDownload, match="changed"):
        server.download(file, tmp_path / "local")
    assert not (tmp_path / "local").exists()


def test_a_file_that_went_after_the_listing_is_an_error_that_names_it(
    folder: Path, server: FileServer, tmp_path: Path
) -> None:
    (folder / "a.csv").write_bytes(CONTENT)
    file = listed(server, "a.csv")
    (folder / "a.csv").unlink()
    with pytest.raises(FileServerError, match=r"a\.csv: cannot be read: No such file"):
        server.download(file, tmp_path / "local")
    assert not (tmp_path / "local").exists()


def test_a_published_file_is_there_whole_and_alone(folder: Path, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "saida").write_bytes(CONTENT)
    published = server.publish(tmp_path / "saida", "carga.txt", folder="erros")
    assert (published.already_there, published.sha256) == (False, sha256(CONTENT))
    assert published.url == f"file://{folder}/erros/carga.txt"
    assert [path.name for path in (folder / "erros").iterdir()] == ["carga.txt"]
    assert server.sha256("carga.txt", "erros") == sha256(CONTENT)
    assert (server.exists("carga.txt", "erros"), server.exists("carga.txt")) == (True, False)


def test_publishing_the_same_again_does_nothing(folder: Path, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "saida").write_bytes(CONTENT)
    server.publish(tmp_path / "saida", "carga.txt")
    before = (folder / "carga.txt").stat()
    assert server.publish(tmp_path / "saida", "carga.txt").already_there
    assert (folder / "carga.txt").stat() == before


def test_other_content_under_the_name_is_a_conflict_and_stays(folder: Path, server: FileServer, tmp_path: Path) -> None:
    (folder / "carga.txt").write_bytes(b"de outro")
    (tmp_path / "saida").write_bytes(CONTENT)
    with pytest.raises(ConflictError, match=r"carga\.txt is there with other content"):
        server.publish(tmp_path / "saida", "carga.txt")
    assert (folder / "carga.txt").read_bytes() == b"de outro"
    assert [path.name for path in folder.iterdir()] == ["carga.txt"]


def test_our_own_earlier_file_gives_way_and_another_does_not(folder: Path, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "saida").write_bytes(b"primeira")
    first = server.publish(tmp_path / "saida", "a.csv", "erros")
    (tmp_path / "saida").write_bytes(b"segunda")
    with pytest.raises(ConflictError):
        server.publish(tmp_path / "saida", "a.csv", "erros")
    second = server.publish(tmp_path / "saida", "a.csv", "erros", replaces=first.sha256)
    assert (second.already_there, (folder / "erros/a.csv").read_bytes()) == (False, b"segunda")
    assert server.publish(tmp_path / "saida", "a.csv", "erros", replaces=first.sha256).already_there
    (folder / "erros/a.csv").write_bytes(b"de outro")
    with pytest.raises(ConflictError):
        server.publish(tmp_path / "saida", "a.csv", "erros", replaces=second.sha256)
    assert [path.name for path in (folder / "erros").iterdir()] == ["a.csv"]


def test_our_own_file_is_withdrawn_and_another_is_not(folder: Path, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "local.csv").write_bytes(CONTENT)
    ours = server.publish(tmp_path / "local.csv", "a.csv", "erros").sha256
    (folder / "erros" / "a.csv").write_bytes(b"de outro")
    assert server.withdraw("a.csv", "erros", ours) is False
    assert (folder / "erros" / "a.csv").read_bytes() == b"de outro"
    (folder / "erros" / "a.csv").write_bytes(CONTENT)
    assert server.withdraw("a.csv", "erros", ours) is True
    assert list((folder / "erros").iterdir()) == []
    assert server.withdraw("a.csv", "erros", ours) is False


def test_a_file_that_cannot_be_withdrawn_is_an_error(
    folder: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "erros").mkdir()
    (folder / "erros" / "a.csv").write_bytes(CONTENT)

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "remove", refused)
    with pytest.raises(FileServerError, match=r"erros/a\.csv: cannot be removed: Permission denied"):
        server.withdraw("a.csv", "erros", sha256(CONTENT))


def test_a_mount_without_hard_links_works_too(
    folder: Path, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str, target: str) -> None:
        if target.endswith("tomado.txt"):
            Path(target).write_bytes(b"de outro")
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "saida").write_bytes(CONTENT)
    assert not server.publish(tmp_path / "saida", "carga.txt").already_there
    with pytest.raises(ConflictError):
        server.publish(tmp_path / "saida", "tomado.txt")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "carga.txt": CONTENT,
        "tomado.txt": b"de outro",
    }


def test_a_name_taken_at_the_last_moment_is_a_conflict_too(
    folder: Path, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "saida").write_bytes(CONTENT)
    link = os.link

    def taken(source: str, target: str) -> None:
        Path(target).write_bytes(b"de outro")
        link(source, target)

    monkeypatch.setattr(os, "link", taken)
    with pytest.raises(ConflictError):
        server.publish(tmp_path / "saida", "carga.txt")
    assert (folder / "carga.txt").read_bytes() == b"de outro"


def test_a_disk_that_fills_while_publishing_leaves_no_name_and_no_rest(
    folder: Path, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "saida").write_bytes(CONTENT)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileServerError, match="No space left"):
        server.publish(tmp_path / "saida", "carga.txt")
    assert list(folder.iterdir()) == []


def test_what_a_killed_attempt_left_is_written_over(folder: Path, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "saida").write_bytes(CONTENT)
    (folder / f".carga.txt.{sha256(CONTENT)[:12]}.parcial").write_bytes(CONTENT[:5] + b"x" * 100)
    server.publish(tmp_path / "saida", "carga.txt")
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("carga.txt", CONTENT)]


def test_a_temporary_left_beside_the_finished_file_goes(folder: Path, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "saida").write_bytes(CONTENT)
    server.publish(tmp_path / "saida", "carga.txt")
    os.link(folder / "carga.txt", folder / f".carga.txt.{sha256(CONTENT)[:12]}.parcial")
    assert server.publish(tmp_path / "saida", "carga.txt").already_there
    assert [path.name for path in folder.iterdir()] == ["carga.txt"]


@pytest.mark.parametrize("name", ["../a", "/a", "a/b", "a\nb", "..", "", "a\x00", "a\\b", " a", "a" * 201, "a\udcf3"])
def test_a_name_that_is_not_plain_is_refused(server: FileServer, tmp_path: Path, name: str) -> None:
    (tmp_path / "saida").write_bytes(CONTENT)
    assert not is_plain_name(name)
    printable(name).encode("utf-8")
    assert printable(name).isprintable()
    if name:
        for use in (
            lambda: server.publish(tmp_path / "saida", name),
            lambda: server.publish(tmp_path / "saida", "a", folder=name),
            lambda: server.sha256(name),
        ):
            with pytest.raises(UnsafeName):
                use()


def test_names_with_accents_and_spaces_are_plain() -> None:
    assert is_plain_name("Relatório de ação 04082023_528.csv")
    assert printable("ação.csv") == "ação.csv"
