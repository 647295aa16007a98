"""``ftp://`` and ``ftps://`` (explicit TLS: AUTH TLS and PROT P) with the standard library's client.

fsspec's FTP file system is not used: it answers "no files" when a listing is refused, keeps listings, has no times, and
checks no certificate. Here every transfer must end with the server's own word that it is complete: a connection that
closes is not the end of a file. Listings are MLSD's where the server offers it; elsewhere LIST's, the times of which
are to the minute and in a zone that a few MDTM tell.
"""

from __future__ import annotations

import errno
import ftplib
import posixpath
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from resources.access import Access
from resources.durable import BLOCK
from resources.ftp_listing import Entry, UnreadableListing, encode, read_facts, read_list, read_mlsd, read_time, zone_of
from resources.patience import Watch
from resources.transport import (
    AccessRefused,
    Address,
    DeadlinePassed,
    FileServerError,
    Reader,
    RemoteFile,
    Transport,
    Unavailable,
    Writer,
    is_plain_name,
)

PORT = 21
_FULL = ("452", "552")
_CLOSING = 2.0  # seconds
_PIECE = 64 * 1024  # bytes; the time of a send is for all of it
_LONGEST_LISTING = 64 << 20  # bytes
_NO_FEATURES: frozenset[str] = frozenset()


def connect(url: str, access: Access, watch: Watch) -> AbstractContextManager[Transport]:
    """``ftp://``: nothing is encrypted, the password neither. Raises AccessRefused, Unavailable or DeadlinePassed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used
    return _connected(_Control(context, secure=False), url, access, watch)


def connect_tls(url: str, access: Access, watch: Watch) -> AbstractContextManager[Transport]:
    """``ftps://``: TLS before the password; certificate and host name are checked, the data is encrypted too."""
    try:
        context = ssl.create_default_context(cafile=None if access.ca is None else str(access.ca))
    except OSError as error:
        raise AccessRefused(f"{access.ca} cannot be read: {error.strerror or error} ({access.prefix}CA)") from error
    return _connected(_Control(context, secure=True), url, access, watch)


@contextmanager
def _connected(control: _Control, url: str, access: Access, watch: Watch) -> Iterator[Transport]:
    folder = FtpFolder(control, Address.parse(url), access, watch)
    try:
        with watch.guard(control.break_off):
            with watch.reaching():
                folder.log_in()
            yield folder
            folder.log_out()
    finally:
        control.close()


class _Control(ftplib.FTP_TLS):
    """The control connection, and the socket of the transfer that is under way."""

    def __init__(self, context: ssl.SSLContext, *, secure: bool) -> None:
        # Bytes pass as they are, both ways: see _wire and _words.
        super().__init__(context=context, encoding="latin-1")
        self.secure = secure
        self._data: socket.socket | None = None

    def timed(self, seconds: float) -> None:
        """How long the next answers and connections may take, each."""
        self.timeout = seconds
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        self._data = conn
        if isinstance(self.sock, ssl.SSLSocket):
            # The session of the control connection: many servers refuse data from who cannot show it.
            tls = self.context.wrap_socket(
                conn, server_hostname=self.host, session=self.sock.session, do_handshake_on_connect=False
            )
            self._data = tls
            try:
                tls.do_handshake()
            except BaseException:
                tls.close()
                raise
            conn = tls
        return conn, size

    def break_off(self) -> None:
        """Wake whoever waits for the server. Called from another thread."""
        for sock in (self._data, self.sock):
            if sock is not None:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


class FtpFolder:
    def __init__(self, control: _Control, address: Address, access: Access, watch: Watch) -> None:
        self._control = control
        self._address = address
        self._access = access
        self._watch = watch
        self._features = _NO_FEATURES
        self._given_up = False
        self.root = address.root

    # Connecting.

    def log_in(self) -> None:
        """Connect, encrypt, give the password, and learn what the server can."""
        password = self._access.password or self._address.password
        label, prefix = self._address.label, self._access.prefix
        if password is None:
            raise AccessRefused(f"{label}: no password: set {prefix}PASSWORD")
        self._reach()
        if self._control.secure:
            with self._asked(f"{label}: the server offers no TLS, so the password is not sent"):
                self._control.auth()
        with self._asked(
            f"{label}: the server does not let {self._address.user} in: check the user in the URL and {prefix}PASSWORD"
        ):
            self._control.login(_wire(self._address.user), _wire(password), secure=False)
        if self._control.secure:
            with self._asked(f"{label}: the server does not encrypt files"):
                self._control.prot_p()
        with self._asked():
            self._control.voidcmd("TYPE I")
            with suppress(ftplib.error_perm):
                answer = self._control.sendcmd("FEAT")
                self._features = frozenset(
                    line.split()[0].upper() for line in answer.splitlines()[1:-1] if line.split()
                )
            if "MLST" in self._features:
                with suppress(ftplib.error_perm):
                    self._control.voidcmd("OPTS MLST type;size;modify;")
            if not self.root.startswith("/") and self.root:
                self.root = posixpath.normpath(posixpath.join(self._control.pwd(), self.root)).rstrip("/")

    def log_out(self) -> None:
        """Say goodbye. Whether it is heard does not matter: all that was asked was answered."""
        if not self._given_up:
            with suppress(OSError, EOFError, ftplib.Error):
                self._control.timed(_CLOSING)
                self._control.quit()

    def _reach(self) -> None:
        seconds = self._watch.connecting()
        host, port = self._address.host, self._address.port or PORT
        with self._asked():
            self._control.timed(seconds)
            for place, last in _places(host, port, seconds):
                try:
                    self._control.connect(place, port)
                    break
                except OSError:
                    self._control.close()
                    if last:
                        raise
        self._control.host = host  # whom the certificate must name

    # The operations.

    def list(self, folder: str) -> list[RemoteFile]:
        # Some servers show a folder that is missing, or closed to us, as an empty one: go there first.
        try:
            with self._asked():
                self._control.cwd(_wire(folder))
        except OSError as error:
            raise FileNotFoundError(errno.ENOENT, error.strerror) from error
        for_machines = "MLST" in self._features
        listing, said = self._fetch("MLSD" if for_machines else "LIST")
        if not listing and "fail" in said.lower():
            raise PermissionError(errno.EACCES, said)
        with self._asked():
            if for_machines:
                return read_mlsd(listing)
            entries = read_list(listing, datetime.now(UTC))
        zone = self._zone(entries)
        return [RemoteFile(entry.name, entry.size, (entry.time + zone).replace(tzinfo=UTC)) for entry in entries]

    def stat(self, path: str) -> RemoteFile | None:
        folder, name = posixpath.split(path)
        if "MLST" in self._features:
            with self._asked(), suppress(ftplib.error_perm):  # missing or not permitted: the listing tells these apart
                lines = self._control.sendcmd(f"MLST {_wire(path)}").splitlines()
                if len(lines) < 2:
                    raise UnreadableListing("an MLST without facts")
                return read_facts(name, lines[1].strip().partition(" ")[0].encode("latin-1"))
        with suppress(FileNotFoundError):
            for file in self.list(folder or "/"):
                if file.name == name:
                    return file
        if name.startswith("."):  # LIST does not show these on every server
            with self._asked(), suppress(ftplib.error_perm):
                size = self._control.size(_wire(path))
                return None if size is None else RemoteFile(name, size, None)
        return None

    @contextmanager
    def read(self, path: str) -> Iterator[Reader]:
        with self._reading(f"RETR {_wire(path)}") as reader:
            yield reader

    @contextmanager
    def write(self, path: str) -> Iterator[Writer]:
        with self._asked():
            conn = self._control.transfercmd(f"STOR {_wire(path)}")
        try:
            yield _Writer(self, conn)
        except BaseException:
            self._give_up(conn)
            raise
        with self._asked():
            _end(conn)
            self._control.voidresp()

    def rename_new(self, source: str, target: str) -> bool:
        """RNTO overwrites on many servers: the name is looked at right before. Two at once are kept apart by locks."""
        if self.stat(target) is not None:
            return False
        try:
            self._rename(source, target)
        except OSError:
            if self.stat(target) is not None:
                return False
            raise
        return True

    def rename_over(self, source: str, target: str) -> None:
        try:
            self._rename(source, target)
        except OSError as error:
            raise FileExistsError(errno.EEXIST, error.strerror) from error

    def remove(self, path: str) -> None:
        try:
            with self._asked():
                self._control.delete(_wire(path))
        except OSError as error:
            if self.stat(path) is None:
                raise FileNotFoundError(errno.ENOENT, error.strerror) from error
            raise

    def makedir(self, folder: str) -> None:
        try:
            with self._asked():
                self._control.mkd(_wire(folder))
        except OSError as refused:
            try:
                with self._asked():
                    self._control.cwd(_wire(folder))
            except OSError:
                raise refused from None

    # How a question is asked.

    def _rename(self, source: str, target: str) -> None:
        with self._asked():
            self._control.rename(_wire(source), _wire(target))

    def _zone(self, entries: Sequence[Entry]) -> timedelta:
        """How far the clock of a listing is behind UTC, by what MDTM says of its newest files."""
        told = (entry for entry in entries if entry.to_the_minute and is_plain_name(entry.name))
        newest = sorted(told, key=lambda entry: entry.time)[-3:]
        times = []
        for entry in newest if "MDTM" in self._features else ():
            with self._asked(), suppress(ftplib.error_perm):  # it just went
                said = self._control.voidcmd(f"MDTM {_wire(entry.name)}")
                times.append((entry.time, read_time(said.partition(" ")[2])))
        return zone_of(times)

    def _fetch(self, command: str) -> tuple[bytes, str]:
        """A listing whole, and what the server said at its end."""
        found = bytearray()
        with self._reading(command) as reader:
            for block in iter(partial(reader.read, BLOCK), b""):
                found += block
                if len(found) > _LONGEST_LISTING:
                    raise FileServerError(f"{self._address.label}: the listing does not end")
            return bytes(found), reader.said

    @contextmanager
    def _reading(self, command: str) -> Iterator[_Reader]:
        with self._asked():
            conn = self._control.transfercmd(command)
        reader = _Reader(self, conn)
        try:
            yield reader
        finally:
            conn.close()
            if not reader.ended:
                self._give_up(conn)

    def _give_up(self, conn: socket.socket) -> None:
        """Whatever the server says next is about a transfer that was given up: there is no next."""
        conn.close()
        self._control.close()
        self._given_up = True

    @contextmanager
    def _asked(self, refused: str = "") -> Iterator[None]:
        """One question to the server, whatever it answers put into this package's words.

        ``refused`` is what a refusal means where it closes the way in: AccessRefused is raised with it then.
        """
        if self._given_up:
            raise Unavailable(f"{self._address.label}: the connection was closed with a transfer that did not end")
        self._watch.moved()
        if self._control.sock is not None:
            self._control.timed(self._watch.waiting())
        try:
            yield
        except (ftplib.Error, OSError, EOFError, UnreadableListing) as error:
            raise self._translated(error, refused) from self._address.cause(error, self._access)

    def _translated(self, error: Exception, refused: str) -> Exception:
        label = self._address.label
        if self._watch.passed or isinstance(error, TimeoutError):
            return DeadlinePassed(f"{label}: the server stopped answering; broken off at the deadline")
        words = self._address.hide(_words(error), self._access)
        if isinstance(error, ssl.SSLCertVerificationError):
            return AccessRefused(
                f"{label}: the certificate of the server is not trusted: {error.verify_message}. If its owner has an "
                f"authority of their own, set {self._access.prefix}CA to its PEM file"
            )
        if isinstance(error, ftplib.error_perm | ftplib.error_reply):
            return AccessRefused(f"{refused}: {words}") if refused else _refusal(words)
        if isinstance(error, ftplib.error_temp):
            full = words.startswith(_FULL)
            return _refusal(words) if full else Unavailable(f"{label}: the server says: {words}")
        if isinstance(error, ftplib.Error | UnreadableListing):
            return FileServerError(f"{label}: the server's answer cannot be understood: {words}")
        return Unavailable(f"{label}: the connection was lost: {words}")


class _Reader:
    """A transfer from the server. It has ended when the server said so, and not before."""

    def __init__(self, folder: FtpFolder, conn: socket.socket) -> None:
        self._folder = folder
        self._conn = conn
        self.ended = False
        self.said = ""

    def read(self, size: int) -> bytes:
        if self.ended:
            return b""
        with self._folder._asked():
            self._conn.settimeout(self._folder._watch.waiting())
            block = self._conn.recv(size)
            if not block:
                self._conn.close()
                self.said = _words(self._folder._control.voidresp())
                self.ended = True
            return block


class _Writer:
    def __init__(self, folder: FtpFolder, conn: socket.socket) -> None:
        self._folder = folder
        self._conn = conn

    def write(self, block: bytes) -> object:
        view = memoryview(block)
        for start in range(0, len(view), _PIECE):
            with self._folder._asked():
                self._send(view[start : start + _PIECE])
        return len(block)

    def sync(self) -> None:
        """Nothing to ask for: the protocol knows only the word at the end of the transfer."""

    def _send(self, piece: memoryview) -> None:
        self._conn.settimeout(self._folder._watch.waiting())
        try:
            self._conn.sendall(piece)
        except TimeoutError:
            raise
        except OSError:
            self._folder._control.timed(_CLOSING)
            self._folder._control.voidresp()  # raises the server's reason, if it gives one
            raise


def _places(host: str, port: int, seconds: float) -> list[tuple[str, bool]]:
    """A host's addresses, each with whether it is the last. The resolver has no deadline of its own."""
    found: Future[list[Any]] = Future()

    def resolve() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=resolve, name="atom-resolve", daemon=True).start()
    places = [str(info[4][0]) for info in found.result(timeout=seconds)]
    return [(place, place is places[-1]) for place in places]


def _end(conn: socket.socket) -> None:
    """Say that the file ends. TLS has a word for it that not every server answers: the 226 counts."""
    if isinstance(conn, ssl.SSLSocket):
        conn.settimeout(_CLOSING)
        with suppress(OSError):
            conn.unwrap()
    conn.close()


def _refusal(words: str) -> OSError:
    return OSError(errno.ENOSPC if words.startswith(_FULL) else errno.EIO, words)


def _wire(text: str) -> str:
    """Text whose latin-1 bytes are the UTF-8 ones that go over the wire. Raises ValueError for a line's end."""
    if re.search(r"[\r\n\0]", text):
        raise ValueError("a line's end within a command")
    return encode(text).decode("latin-1")


def _words(said: object) -> str:
    """What the server said, or what is known of an error, read as UTF-8."""
    if isinstance(said, OSError):
        return said.strerror or type(said).__name__
    if isinstance(said, EOFError):
        return "the server closed it"
    return str(said).encode("latin-1", "replace").decode("utf-8", "replace")
