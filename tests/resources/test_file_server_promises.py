"""What is promised of a file server, on every protocol alike, against real servers (FAULTS 1 to 6, 15, 31 to 34)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from servers import Certificates, Served, ftp_server, openssh_server, sftp_server

from resources import durable
from resources.access import Access
from resources.file_server import (
    ConflictError,
    FileServer,
    FileServerError,
    IncompleteDownload,
    RemoteFile,
    UnsafeName,
    is_plain_name,
)

CONTENT = b"contrato;valor\r\n"
SERVERS = ["file", "sftp", "sftp of OpenSSH", "ftp", "ftp without MLSD", "ftp that keeps files", "ftps"]


@dataclass
class Place:
    """A server, and its folder as the server's owner sees it."""

    server: FileServer
    folder: Path
    served: Served

    def put(self, name: str, content: bytes = CONTENT) -> Path:
        (self.folder / name).write_bytes(content)
        return self.folder / name

    def listed(self, name: str) -> RemoteFile:
        return next(file for file in self.server.list() if file.name == name)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    @property
    def says_the_day_of_old_files(self) -> bool:
        """FTP's LIST, in the manner of ls."""
        return self.served.root.parent.name.startswith("ftp-without-MLSD")


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    base = tmp_path_factory.mktemp(request.param.replace(" ", "-"))
    root = base / "raiz"
    root.mkdir()
    with ExitStack() as stack:
        match request.param:
            case "file":
                yield Served(f"file://{root}", Access(), root, "", 0)
            case "sftp":
                yield stack.enter_context(sftp_server(root))
            case "sftp of OpenSSH":
                yield stack.enter_context(openssh_server(base / "ssh", root))
            case "ftp":
                yield stack.enter_context(ftp_server(root))
            case "ftp without MLSD":
                yield stack.enter_context(ftp_server(root, mlsd=False))
            case "ftp that keeps files":
                yield stack.enter_context(ftp_server(root, keeps_existing=True))
            case "ftps":
                certificates = Certificates.make(base / "tls")
                yield stack.enter_context(ftp_server(root, certificates=certificates, reuse_required=True))


@pytest.fixture
def place(served: Served) -> Place:
    folder = served.root / uuid4().hex[:8]
    folder.mkdir()
    return Place(FileServer(f"{served.url.rstrip('/')}/{folder.name}", served.access), folder, served)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def local(tmp_path: Path, content: bytes = CONTENT) -> Path:
    (tmp_path / "saida").write_bytes(content)
    return tmp_path / "saida"


# Listing.


def test_a_listing_has_the_files_of_the_folder_and_nothing_else(place: Place) -> None:
    place.put("b.csv")
    os.utime(place.put("a.csv", b""), (0, 1_700_000_000))
    (place.folder / "erros").mkdir()
    place.put("erros/c.csv")
    files = place.server.list()
    assert [(file.name, file.size) for file in files] == [("a.csv", 0), ("b.csv", len(CONTENT))]
    assert files[0].mtime is not None
    assert 0 <= 1_700_000_000 - files[0].mtime.timestamp() < (86_400 if place.says_the_day_of_old_files else 1)


def test_an_empty_folder_is_empty(place: Place) -> None:
    assert place.server.list() == []


def test_a_missing_folder_is_an_error_and_not_an_empty_one(place: Place) -> None:
    place.folder.rmdir()
    with pytest.raises(FileServerError, match="not there"):
        place.server.list()


def test_every_name_is_listed_and_only_plain_ones_pass_for_it(place: Place) -> None:
    plain = ["Relatório de ação 04082023_528.csv", "-rf", "a.CSV", "a.csv", "100%.txt", "x; y=1.csv", "~x", "a?b#c"]
    other = [
        " à esquerda",
        "à direita ",
        "a\\b",
        "linha\nquebrada.csv",
        "tab\t",
        b"latin-\xe7.csv".decode("utf-8", "surrogateescape"),
    ]
    for name in plain + other:
        place.put(name)
    names = [file.name for file in place.server.list()]
    assert sorted(name for name in names if is_plain_name(name)) == sorted(plain)
    assert len(names) == len(plain) + len(other)
    for name in plain:
        assert place.server.sha256(name) == sha256(CONTENT)


def test_a_long_listing_is_whole(place: Place) -> None:
    for number in range(300):
        place.put(f"{number}.txt", b"")
    assert {file.name for file in place.server.list()} == {f"{number}.txt" for number in range(300)}


# Downloading.


def test_a_download_is_the_file_and_its_hash(place: Place, tmp_path: Path) -> None:
    content = os.urandom(3 * durable.BLOCK + 17)
    place.put("Relatório #1.csv", content)
    downloaded = place.server.download(place.listed("Relatório #1.csv"), tmp_path / "local")
    assert (downloaded.size, downloaded.sha256) == (len(content), sha256(content))
    assert (tmp_path / "local").read_bytes() == content


def test_an_empty_file_is_downloaded_too(place: Place, tmp_path: Path) -> None:
    place.put("vazio.csv", b"")
    assert place.server.download(place.listed("vazio.csv"), tmp_path / "local").size == 0
    assert (tmp_path / "local").read_bytes() == b""


@pytest.mark.parametrize("difference", [-5_000_000, -1, 1])
def test_a_download_of_another_size_than_listed_is_discarded(place: Place, tmp_path: Path, difference: int) -> None:
    place.put("a.csv", b"x" * 6_000_000)
    file = place.listed("a.csv")
    with pytest.raises(IncompleteDownload, match="bytes received"):
        place.server.download(replace(file, size=file.size + difference), tmp_path / "local")
    assert not (tmp_path / "local").exists()


def test_a_file_rewritten_after_the_listing_is_discarded(place: Place, tmp_path: Path) -> None:
    path = place.put("a.csv")
    file = place.listed("a.csv")
    os.utime(path, (0, 1_700_000_000))
    with pytest.raises(IncompleteDownload, match="changed"):
        place.server.download(file, tmp_path / "local")
    assert not (tmp_path / "local").exists()


def test_a_file_that_went_after_the_listing_is_an_error_that_names_it(place: Place, tmp_path: Path) -> None:
    path = place.put("a.csv")
    file = place.listed("a.csv")
    path.unlink()
    with pytest.raises(FileServerError, match=r"a\.csv: cannot be read: .*No such file"):
        place.server.download(file, tmp_path / "local")
    assert not (tmp_path / "local").exists()


# Publishing.


def test_a_published_file_is_there_whole_and_alone(place: Place, tmp_path: Path) -> None:
    content = os.urandom(2 * durable.BLOCK + 3)
    published = place.server.publish(local(tmp_path, content), "carga.txt", folder="erros")
    assert (published.already_there, published.sha256) == (False, sha256(content))
    assert published.url.endswith(f"/{place.folder.name}/erros/carga.txt")
    assert {path.name: path.read_bytes() for path in (place.folder / "erros").iterdir()} == {"carga.txt": content}
    assert place.server.sha256("carga.txt", "erros") == sha256(content)
    assert (place.server.exists("carga.txt", "erros"), place.server.exists("carga.txt")) == (True, False)
    assert place.server.publish(local(tmp_path, content), "outra.txt", folder="erros").already_there is False


def test_publishing_the_same_again_does_nothing(place: Place, tmp_path: Path) -> None:
    place.server.publish(local(tmp_path), "carga.txt")
    before = (place.folder / "carga.txt").stat()
    assert place.server.publish(local(tmp_path), "carga.txt").already_there
    after = (place.folder / "carga.txt").stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)


def test_other_content_under_the_name_is_a_conflict_and_stays(place: Place, tmp_path: Path) -> None:
    place.put("carga.txt", b"de outro")
    with pytest.raises(ConflictError, match=r"carga\.txt is there with other content"):
        place.server.publish(local(tmp_path), "carga.txt")
    assert (place.folder / "carga.txt").read_bytes() == b"de outro"
    assert place.names() == ["carga.txt"]


def test_a_name_taken_at_the_last_moment_is_a_conflict_too(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = FileServer._rename_to_new

    def taken(self: FileServer, server: object, source: str, target: str) -> bool:
        place.put("carga.txt", b"de outro")
        return rename(self, server, source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(FileServer, "_rename_to_new", taken)
    with pytest.raises(ConflictError):
        place.server.publish(local(tmp_path), "carga.txt")
    assert (place.folder / "carga.txt").read_bytes() == b"de outro"
    assert place.names() == ["carga.txt"]


def test_our_own_earlier_file_gives_way_and_another_does_not(place: Place, tmp_path: Path) -> None:
    first = place.server.publish(local(tmp_path, b"primeira"), "a.csv", "erros")
    with pytest.raises(ConflictError):
        place.server.publish(local(tmp_path, b"segunda"), "a.csv", "erros")
    second = place.server.publish(local(tmp_path, b"segunda"), "a.csv", "erros", replaces=first.sha256)
    assert (second.already_there, (place.folder / "erros/a.csv").read_bytes()) == (False, b"segunda")
    assert place.server.publish(local(tmp_path, b"segunda"), "a.csv", "erros", replaces=first.sha256).already_there
    place.put("erros/a.csv", b"de outro")
    with pytest.raises(ConflictError):
        place.server.publish(local(tmp_path, b"terceira"), "a.csv", "erros", replaces=second.sha256)
    assert [path.name for path in (place.folder / "erros").iterdir()] == ["a.csv"]


def test_our_own_file_is_withdrawn_and_another_is_not(place: Place, tmp_path: Path) -> None:
    ours = place.server.publish(local(tmp_path), "a.csv", "erros").sha256
    place.put("erros/a.csv", b"de outro")
    assert place.server.withdraw("a.csv", "erros", ours) is False
    assert (place.folder / "erros/a.csv").read_bytes() == b"de outro"
    place.put("erros/a.csv")
    assert place.server.withdraw("a.csv", "erros", ours) is True
    assert list((place.folder / "erros").iterdir()) == []
    assert place.server.withdraw("a.csv", "erros", ours) is False


def test_what_a_killed_attempt_left_is_written_over(place: Place, tmp_path: Path) -> None:
    place.put(f".carga.txt.{sha256(CONTENT)[:12]}.parcial", CONTENT[:5] + b"x" * 100)
    place.put(".carga.txt.anterior", b"de uma troca interrompida")
    place.server.publish(local(tmp_path), "carga.txt")
    assert {name: (place.folder / name).read_bytes() for name in place.names()} == {"carga.txt": CONTENT}


def test_a_temporary_left_beside_the_finished_file_goes(place: Place, tmp_path: Path) -> None:
    place.server.publish(local(tmp_path), "carga.txt")
    place.put(f".carga.txt.{sha256(CONTENT)[:12]}.parcial")
    assert place.server.publish(local(tmp_path), "carga.txt").already_there
    assert place.names() == ["carga.txt"]


def test_nothing_is_published_where_the_folder_is_missing(place: Place, tmp_path: Path) -> None:
    place.folder.rmdir()
    for folder in ("", "erros"):
        with pytest.raises(FileServerError, match="cannot be written"):
            place.server.publish(local(tmp_path), "carga.txt", folder=folder)
    assert not place.folder.exists()


@pytest.mark.parametrize("name", ["../a", "/a", "a/b", "a\nb", "a\r\nDELE b", ".."])
def test_a_name_that_is_not_plain_never_reaches_the_server(place: Place, tmp_path: Path, name: str) -> None:
    for use in (
        lambda: place.server.publish(local(tmp_path), name),
        lambda: place.server.publish(local(tmp_path), "a", folder=name),
        lambda: place.server.sha256(name),
        lambda: place.server.download(RemoteFile(name, 1, None), tmp_path / "local"),
        lambda: place.server.withdraw(name, "", "x"),
    ):
        with pytest.raises(UnsafeName):
            use()
    assert place.names() == []
    assert not (tmp_path / "local").exists()


def test_no_secret_is_in_what_is_shown(place: Place) -> None:
    for shown in (repr(place.server), place.server.label, place.server.url("a"), repr(place.served.access)):
        assert "s3gr" not in shown
