"""What a server on a network does wrong, on SFTP, FTP and FTPS alike (FAULTS 1, 2, 11, 12, 14, 31, 32, 34)."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import fsspec.asyn
import pytest
from servers import Certificates, Served, ftp_server, sftp_server, silent_server
from servers.common import PASSWORD, Step

from resources import patience
from resources.file_server import (
    AccessRefused,
    DeadlinePassed,
    FileServer,
    FileServerError,
    IncompleteDownload,
    Patience,
    RemoteFile,
    Unavailable,
)
from resources.patience import Watch

CONTENT = os.urandom(400_000)
QUIET = Patience(idle=0.6, pause=0.01)  # seconds: a silence is short, and everything else has its time
SHUT_OUT = Patience(connect=0.6, pause=0.01)
IN_TIME = 10.0  # seconds, on a busy machine: the servers that hang do so until the test's end
QUICK = Patience(pause=0.01)


@dataclass
class Place:
    server: FileServer
    folder: Path
    served: Served

    def put(self, name: str = "a.csv", content: bytes = CONTENT) -> RemoteFile:
        (self.folder / name).write_bytes(content)
        listed = next(file for file in self.server.list() if file.name == name)
        self.served.faults.clear()
        return listed

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def with_(self, patience: Patience) -> FileServer:
        return FileServer(self.url, self.served.access, patience)

    @property
    def url(self) -> str:
        return f"{self.served.url}{self.folder.name}"


@pytest.fixture(scope="module", params=["sftp", "ftp", "ftps"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    base = tmp_path_factory.mktemp("servidor")
    root = base / "raiz"
    root.mkdir()
    with ExitStack() as stack:
        if request.param == "sftp":
            yield stack.enter_context(sftp_server(root))
        else:
            certificates = Certificates.make(base / "tls") if request.param == "ftps" else None
            yield stack.enter_context(ftp_server(root, certificates=certificates))


@pytest.fixture
def place(served: Served) -> Iterator[Place]:
    folder = served.root / uuid4().hex[:8]
    folder.mkdir()
    yield Place(FileServer(f"{served.url}{folder.name}", served.access, QUICK), folder, served)
    served.faults.clear()


@pytest.fixture
def saida(tmp_path: Path) -> Path:
    (tmp_path / "saida").write_bytes(CONTENT)
    return tmp_path / "saida"


def threads() -> set[str]:
    """Names of the threads that a call of ours may have left."""
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("atom-")}


def tasks() -> list[object]:
    """What still goes on in the event loop that sshfs uses, after a moment to end."""
    loop = fsspec.asyn.loop[0]
    until = time.monotonic() + IN_TIME
    while loop is not None and (left := list(asyncio.all_tasks(loop))):
        if time.monotonic() > until:
            return list(left)
        time.sleep(0.01)
    return []


# Listing.


@pytest.mark.parametrize("what", ["refuse", "drop"])
def test_a_listing_that_fails_is_an_error_and_never_no_files(place: Place, what: str) -> None:
    place.put()
    place.served.faults.on("list", what)  # type: ignore[arg-type]
    with pytest.raises(FileServerError) as raised:
        place.server.list()
    assert raised.value.retry_helps
    assert place.served.faults.counts["list"] <= QUICK.attempts
    place.served.faults.clear()
    assert [file.name for file in place.server.list()] == ["a.csv"]


@pytest.mark.parametrize("step", ["connect", "list"])
def test_a_connection_lost_once_is_made_again(place: Place, step: Step) -> None:
    place.put()
    place.served.faults.on(step, "drop", times=1)
    assert [file.name for file in place.server.list()] == ["a.csv"]
    assert place.served.faults.counts["connect"] == 2


def test_a_server_that_is_down_is_asked_a_bounded_number_of_times(place: Place) -> None:
    place.served.faults.on("connect", "drop")
    with pytest.raises(Unavailable):
        place.server.list()
    assert place.served.faults.counts["connect"] == QUICK.attempts


def test_attempts_end_with_the_time_of_the_call(place: Place) -> None:
    place.served.faults.on("connect", "drop")
    server = FileServer(place.url, place.served.access, Patience(call=0.5, attempts=1000, pause=0.1))
    began = time.monotonic()
    with pytest.raises((Unavailable, DeadlinePassed)):
        server.list()
    assert time.monotonic() - began < IN_TIME
    assert 1 < place.served.faults.counts["connect"] < 100


# Downloading.


def test_a_connection_lost_in_the_middle_of_a_download_is_made_again(place: Place, tmp_path: Path) -> None:
    listed = place.put()
    place.served.faults.on("read", "drop", after=100_000, times=1)
    downloaded = place.server.download(listed, tmp_path / "local")
    assert downloaded.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (tmp_path / "local").read_bytes() == CONTENT
    assert place.served.faults.counts["connect"] == 2


def test_a_connection_that_is_always_lost_leaves_nothing(place: Place, tmp_path: Path) -> None:
    listed = place.put()
    place.served.faults.on("read", "drop", after=100_000)
    with pytest.raises(Unavailable):
        place.server.download(listed, tmp_path / "local")
    assert not (tmp_path / "local").exists()
    assert place.served.faults.counts["connect"] == QUICK.attempts


def test_a_download_that_ends_short_without_an_error_is_discarded(place: Place, tmp_path: Path) -> None:
    listed = place.put()
    place.served.faults.on("read", "short", after=100_000)
    with pytest.raises(IncompleteDownload, match="100000 bytes received of 400000"):
        place.server.download(listed, tmp_path / "local")
    assert not (tmp_path / "local").exists()
    assert place.served.faults.counts["connect"] == 1


# Deadlines.


def listing(server: FileServer, _: Path, __: RemoteFile) -> object:
    return server.list()


def downloading(server: FileServer, folder: Path, listed: RemoteFile) -> object:
    return server.download(listed, folder / "local")


def publishing(server: FileServer, folder: Path, _: RemoteFile) -> object:
    return server.publish(folder / "saida", "carga.txt")


@pytest.mark.parametrize(
    ("step", "use"),
    [("login", listing), ("list", listing), ("read", downloading), ("write", publishing), ("rename", publishing)],
)
def test_a_server_that_falls_silent_is_left_in_time(
    place: Place,
    tmp_path: Path,
    saida: Path,
    step: Step,
    use: Callable[[FileServer, Path, RemoteFile], object],
) -> None:
    assert saida.exists()
    listed = place.put()
    place.served.faults.on(step, "hang", after=100_000 if step in {"read", "write"} else 0, times=1)
    began = time.monotonic()
    with pytest.raises(DeadlinePassed) as raised:
        use(place.with_(SHUT_OUT if step == "login" else QUIET), tmp_path, listed)
    assert time.monotonic() - began < IN_TIME
    assert raised.value.retry_helps
    assert (threads(), tasks()) == (set(), [])
    assert place.names() == ["a.csv"]  # a temporary was removed by another connection
    assert not (tmp_path / "local").exists()
    assert [file.name for file in place.server.list()] == ["a.csv"]


def test_a_server_that_accepts_and_says_nothing_is_left_in_time(place: Place) -> None:
    with silent_server() as port:
        url = place.url.replace(f":{place.served.port}/", f":{port}/")
        began = time.monotonic()
        with pytest.raises(DeadlinePassed):
            FileServer(url, place.served.access, SHUT_OUT).list()
        assert time.monotonic() - began < IN_TIME
    assert (threads(), tasks()) == (set(), [])


def test_a_transfer_that_moves_may_take_longer_than_a_call(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock on which each block of the transfer takes a fifth of a call's time."""
    later = [0.0]
    transfer, moved = Watch.transfer, Watch.moved

    def begins(watch: Watch, size: int) -> None:
        monkeypatch.setattr(Watch, "moved", takes_long)
        transfer(watch, size)

    def takes_long(watch: Watch) -> None:
        later[0] += QUICK.call / 5
        moved(watch)

    listed = place.put(content=b"x" * 2_000_000)
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + later[0]))
    monkeypatch.setattr(Watch, "transfer", begins)
    downloaded = place.with_(Patience(slowest=1000, pause=0.01)).download(listed, tmp_path / "local")
    assert (downloaded.size, later[0] > QUICK.call) == (2_000_000, True)


# Publishing.


def test_a_full_disk_leaves_neither_the_name_nor_a_temporary(place: Place, saida: Path) -> None:
    place.served.faults.on("write", "refuse", after=100_000)
    with pytest.raises(FileServerError, match=r"carga\.txt: cannot be written: .*(full disk|552)"):
        place.server.publish(saida, "carga.txt")
    assert place.names() == []
    place.served.faults.clear()
    assert not place.server.publish(saida, "carga.txt").already_there
    assert (place.folder / "carga.txt").read_bytes() == CONTENT


def test_bytes_that_the_server_loses_are_noticed_before_they_get_the_name(place: Place, saida: Path) -> None:
    place.served.faults.on("write", "short", after=100_000)
    with pytest.raises(FileServerError, match="what arrived is not what was sent"):
        place.server.publish(saida, "carga.txt")
    assert place.names() == []


def test_a_connection_lost_once_while_writing_is_made_again(place: Place, saida: Path) -> None:
    place.served.faults.on("write", "drop", after=100_000, times=1)
    assert not place.server.publish(saida, "carga.txt").already_there
    assert (place.names(), (place.folder / "carga.txt").read_bytes()) == (["carga.txt"], CONTENT)


def test_a_connection_that_is_always_lost_while_writing_leaves_no_temporary(place: Place, saida: Path) -> None:
    place.served.faults.on("write", "drop", after=100_000)
    with pytest.raises(Unavailable):
        place.server.publish(saida, "carga.txt")
    assert place.names() == []


def test_a_temporary_that_cannot_be_removed_goes_with_the_next_try(
    place: Place, saida: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place.served.faults.on("write", "refuse", after=100_000)
    place.served.faults.on("remove", "refuse")
    with pytest.raises(FileServerError, match="cannot be written"):
        place.server.publish(saida, "carga.txt")
    assert [name.endswith(".parcial") for name in place.names()] == [True]
    assert "a temporary may stay there until the next try" in caplog.text
    place.served.faults.clear()
    place.server.publish(saida, "carga.txt")
    assert place.names() == ["carga.txt"]


def test_a_rename_that_is_refused_is_said_so_and_leaves_nothing(place: Place, saida: Path) -> None:
    place.served.faults.on("rename", "refuse")
    with pytest.raises(FileServerError, match=r"carga\.txt: cannot be written: "):
        place.server.publish(saida, "carga.txt")
    assert place.names() == []
    place.served.faults.clear()
    place.server.publish(saida, "carga.txt")
    assert place.names() == ["carga.txt"]


def test_a_connection_lost_at_the_rename_publishes_once(place: Place, saida: Path) -> None:
    place.served.faults.on("rename", "drop", times=1)
    assert not place.server.publish(saida, "carga.txt").already_there
    assert (place.names(), (place.folder / "carga.txt").read_bytes()) == (["carga.txt"], CONTENT)


def test_a_rename_that_worked_and_whose_answer_was_lost_is_done(
    place: Place, saida: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = FileServer._rename_to_new

    def lost(self: FileServer, *arguments: object) -> bool:
        rename(self, *arguments)  # type: ignore[arg-type]
        monkeypatch.undo()
        raise Unavailable("the connection was lost")

    monkeypatch.setattr(FileServer, "_rename_to_new", lost)
    assert not place.server.publish(saida, "carga.txt").already_there
    assert place.names() == ["carga.txt"]
    assert place.served.faults.counts["rename"] == 1


def test_a_removal_whose_answer_was_lost_was_one(place: Place, saida: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = place.server.publish(saida, "a.csv").sha256
    once = FileServer._once

    def lost(self: FileServer, *arguments: object) -> object:
        once(self, *arguments)  # type: ignore[arg-type]
        monkeypatch.undo()
        raise Unavailable("the connection was lost")

    monkeypatch.setattr(FileServer, "_once", lost)
    assert place.server.withdraw("a.csv", "", ours) is True
    assert place.names() == []


@pytest.mark.parametrize("step", ["list", "stat"])
def test_a_server_that_cannot_say_whether_a_name_is_taken_gets_nothing(place: Place, saida: Path, step: Step) -> None:
    place.put("carga.txt", b"de outro")
    for refused in {"list", "stat", step}:
        place.served.faults.on(refused, "refuse")  # type: ignore[arg-type]
    with pytest.raises(FileServerError):
        place.server.publish(saida, "carga.txt")
    place.served.faults.clear()
    assert (place.folder / "carga.txt").read_bytes() == b"de outro"


# Being let in.


def test_a_wrong_password_is_tried_once_and_shown_nowhere(
    place: Place, saida: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    access = replace(place.served.access, password="0utro segredo")
    server = FileServer(place.url, access, QUICK)
    uses: list[Callable[[], object]] = [server.list, lambda: server.publish(saida, "carga.txt")]
    for use in uses:
        place.served.faults.clear()
        with pytest.raises(AccessRefused, match="does not let evo in") as raised:
            use()
        assert not raised.value.retry_helps
        assert place.served.faults.counts["login"] == 1
        shown = "".join(traceback.format_exception(raised.value)) + caplog.text
        for secret in ("0utro segredo", PASSWORD, "s3gr"):
            assert secret not in shown


def test_the_password_of_the_environment_comes_before_the_one_of_the_url(place: Place) -> None:
    url = place.url.replace(":s3gr", ":outra")
    assert FileServer(url, replace(place.served.access, password=PASSWORD), QUICK).list() == []


def test_a_url_without_any_password_is_refused_with_what_to_set(place: Place) -> None:
    scheme = place.url.partition("://")[0]
    access = replace(place.served.access, prefix="ATOM_DROP_")
    with pytest.raises(AccessRefused, match="ATOM_DROP_PASSWORD"):
        FileServer(f"{scheme}://evo@127.0.0.1:{place.served.port}/", access).list()
    assert place.served.faults.counts["login"] == 0


def test_what_a_server_says_is_shown_without_the_password(place: Place, saida: Path) -> None:
    place.served.faults.on("rename", "refuse", words=f"553 {PASSWORD} is\tno\x07good")
    with pytest.raises(FileServerError) as raised:
        place.server.publish(saida, "carga.txt")
    shown = "".join(traceback.format_exception(raised.value))
    assert "*** is no good" in str(raised.value)
    assert PASSWORD not in shown


def test_no_connection_outlives_its_call(place: Place, saida: Path) -> None:
    place.server.publish(saida, "carga.txt")
    gc.collect()
    assert (threads(), tasks()) == (set(), [])
    until = time.monotonic() + IN_TIME
    while connections(place.served.port) and time.monotonic() < until:
        time.sleep(0.01)
    assert connections(place.served.port) == []


def connections(port: int) -> list[object]:
    import psutil

    return [
        one
        for one in psutil.Process().net_connections("tcp")
        if one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
    ]
