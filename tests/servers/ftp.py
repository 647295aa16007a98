"""FTP and FTPS servers of pyftpdlib, in a thread, with a user, a password, and the faults that a test chooses."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import trustme
from OpenSSL import SSL
from OpenSSL._util import lib

from resources.access import Access
from servers.common import PASSWORD, USER, Fault, Faults, Served, Step

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # asyncore, on which it stands
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.filesystems import AbstractedFS
    from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

_STEPS: dict[str, Step] = {
    "PASS": "login",
    "MLSD": "list",
    "LIST": "list",
    "MLST": "stat",
    "SIZE": "stat",
    "RETR": "read",
    "STOR": "write",
    "RNTO": "rename",
    "DELE": "remove",
}
_REFUSALS = {
    "login": "530 Authentication failed.",
    "list": "450 The folder is busy.",
    "write": "552 Not enough space.",
    "rename": "553 Not permitted.",
}
logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Certificates:
    """An authority, and a server's certificate for some names signed by it, as PEM files."""

    ca: Path
    server: Path

    @classmethod
    def make(cls, folder: Path, *names: str) -> Certificates:
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        issued = authority.issue_cert(*(names or ("127.0.0.1", "localhost")), key_type=trustme.KeyType.ECDSA)
        folder.mkdir(parents=True, exist_ok=True)
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
        return cls(folder / "ca.pem", folder / "server.pem")


class _Transfer:
    """Mixed into a data channel: it may fall silent, or go without a word."""

    dropping = False
    _resp: tuple[Any, ...]

    def handle_close(self) -> None:
        if self.dropping:
            self.drop()
        else:
            super().handle_close()  # type: ignore[misc]

    def drop(self) -> None:
        self._resp = ()
        self.close()  # type: ignore[attr-defined]
        self.cmd_channel.close()  # type: ignore[attr-defined]

    def close(self) -> None:
        channel = self.cmd_channel  # type: ignore[attr-defined]
        if self._resp and channel.last_words:
            self._resp, channel.last_words = (channel.last_words, logging.debug), ""
        super().close()  # type: ignore[misc]


class _PlainTransfer(_Transfer, DTPHandler):
    pass


class _TlsTransfer(_Transfer, TLS_DTPHandler):
    def handle_error(self) -> None:
        DTPHandler.handle_error(self)  # which answers; TLS's own does not

    def handle_ssl_established(self) -> None:
        self.cmd_channel.faults.counts["reused" if lib.SSL_session_reused(self.socket._ssl) else "new session"] += 1
        if self.cmd_channel.reuse_required and not lib.SSL_session_reused(self.socket._ssl):
            self._resp = ("522 SSL connection failed: session reuse required.", logging.debug)
            self.close()


class _File:
    """A file whose transfer meets the fault that was chosen for it."""

    def __init__(self, stream: Any, channel: Any, fault: Fault) -> None:
        self._stream = stream
        self._channel = channel
        self._fault = fault
        self.name = stream.name

    @property
    def closed(self) -> bool:
        return bool(self._stream.closed)

    def close(self) -> None:
        self._stream.close()

    def read(self, size: int) -> bytes:
        left = self._fault.after - self._stream.tell()
        if left > 0:
            return bytes(self._stream.read(min(size, left)))
        if self._fault.what == "hang":
            self._transfer.del_channel()
            return bytes(self._stream.read(1))
        self._transfer.dropping = self._fault.what == "drop"
        return b""

    def write(self, data: bytes) -> None:
        left = max(0, self._fault.after - self._stream.tell())
        self._stream.write(data[:left])
        if len(data) <= left or self._fault.what == "short":
            return
        if self._fault.what == "hang":
            self._transfer.del_channel()
        elif self._fault.what == "drop":
            self._transfer.drop()
        else:
            self._channel.last_words = self._fault.words or _REFUSALS["write"]
            raise OSError(28, "No space left on device")

    @property
    def _transfer(self) -> Any:
        return self._channel.data_channel


class _Folder(AbstractedFS):
    def open(self, filename: str, mode: str) -> Any:
        stream = super().open(filename, mode)
        fault, self.cmd_channel.fault = self.cmd_channel.fault, None
        return stream if fault is None else _File(stream, self.cmd_channel, fault)

    def format_list(self, basedir: str, listing: list[str], ignore_err: bool = True) -> Iterator[bytes]:
        channel = self.cmd_channel
        channel.use_gmt_times = not channel.local_time
        try:
            yield from super().format_list(basedir, [name for name in listing if name[:1] != "."], ignore_err)
        finally:
            channel.use_gmt_times = True

    def rename(self, src: str, dst: str) -> None:
        if self.cmd_channel.keeps_existing and Path(dst).exists():
            raise FileExistsError(17, "File exists")
        super().rename(src, dst)


class _Commands:
    """Mixed into a control channel: every command may meet a fault."""

    faults: Faults
    fault: Fault | None = None  # of the transfer that is about to begin
    last_words = ""  # in place of what would be said at its end
    keeps_existing = False
    reuse_required = False
    local_time = False

    def on_connect(self) -> None:
        self.faults.reached("connect")
        if fault := self.faults.due("connect"):
            if fault.what == "refuse":
                self.push(f"{fault.words or '421 Too many connections.'}\r\n")  # type: ignore[attr-defined]
                self.close_when_done()  # type: ignore[attr-defined]
            else:
                self.close()  # type: ignore[attr-defined]

    def process_command(self, cmd: str, *args: Any, **kwargs: Any) -> None:
        step = _STEPS.get(cmd)
        if step is not None:
            self.faults.reached(step)
            fault = self.faults.due(step)
            if fault is not None and self._shows(fault):
                return
        super().process_command(cmd, *args, **kwargs)  # type: ignore[misc]

    def _shows(self, fault: Fault) -> bool:
        """Whether the fault takes the place of the command; else the transfer meets it on its way."""
        if fault.step in {"read", "write"} and (fault.after or fault.what == "short"):
            self.fault = fault
            return False
        if fault.step == "list" and fault.what == "short":
            self.last_words = fault.words
            self.push_dtp_data(b"", cmd="LIST")  # type: ignore[attr-defined]
        elif fault.what == "drop":
            self.close()  # type: ignore[attr-defined]
        elif fault.what == "refuse":
            self.respond(fault.words or _REFUSALS.get(fault.step, "550 Not permitted."))  # type: ignore[attr-defined]
        return True


@contextmanager
def ftp_server(
    root: Path,
    *,
    certificates: Certificates | None = None,
    mlsd: bool = True,
    reuse_required: bool = False,
    keeps_existing: bool = False,
    local_time: bool = False,
) -> Iterator[Served]:
    """Serve ``root`` as the folder ``/``, by FTPS when there are certificates.

    ``mlsd`` is whether it lists for machines, ``reuse_required`` whether data must come in the control connection's TLS
    session, ``keeps_existing`` whether a rename refuses to replace a file, ``local_time`` whether LIST has the time of
    this machine's zone.
    """
    faults = Faults()
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(root), perm="elradfmwMT")
    attributes: dict[str, Any] = {
        "authorizer": authorizer,
        "abstracted_fs": _Folder,
        "dtp_handler": _PlainTransfer,
        "use_sendfile": False,
        "auth_failed_timeout": 0,
        "unicode_errors": "surrogateescape",
        "faults": faults,
        "keeps_existing": keeps_existing,
        "reuse_required": reuse_required,
        "local_time": local_time,
    }
    base: type[FTPHandler] = FTPHandler
    if certificates is not None:
        base = TLS_FTPHandler
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate_chain_file(str(certificates.server))
        context.use_privatekey_file(str(certificates.server))
        context.set_session_id(b"atom")
        attributes |= {"dtp_handler": _TlsTransfer, "ssl_context": context, "tls_control_required": True}
        attributes |= {"tls_data_required": True}
    hidden = set() if mlsd else {"MLSD", "MLST"}
    attributes["proto_cmds"] = {name: how for name, how in base.proto_cmds.items() if name not in hidden}
    server = FTPServer(("127.0.0.1", 0), type("Handler", (_Commands, base), attributes), ioloop=IOLoop.factory())
    host, port = server.address
    closing = threading.Event()

    def serve() -> None:
        while not closing.is_set():
            server.serve_forever(timeout=0.02, blocking=False, handle_exit=False)
        server.close_all()

    thread = threading.Thread(target=serve, name="ftp-server")
    thread.start()
    try:
        yield Served(
            url=f"{'ftps' if certificates else 'ftp'}://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/",
            access=Access(ca=certificates.ca if certificates else None),
            root=root,
            host=host,
            port=port,
            faults=faults,
        )
    finally:
        closing.set()
        thread.join(60)
        assert not thread.is_alive()
