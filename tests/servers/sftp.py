"""An SFTP server of asyncssh, in a thread, with a user, a password, and the faults that a test chooses."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncssh

from resources.access import Access
from servers.common import PASSWORD, USER, Fault, Faults, Served, Step


class _Doorkeeper(asyncssh.SSHServer):
    def __init__(self, faults: Faults, closing: asyncio.Event) -> None:
        self._faults = faults
        self._closing = closing

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._faults.reached("connect")
        if self._faults.due("connect"):
            conn.abort()

    def password_auth_supported(self) -> bool:
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        self._faults.reached("login")
        fault = self._faults.due("login")
        if fault is not None and fault.what == "hang":
            await self._closing.wait()
        return fault is None and (username, password) == (USER, PASSWORD)


class _Files(asyncssh.SFTPServer):
    def __init__(self, channel: Any, root: Path, faults: Faults, closing: asyncio.Event) -> None:
        super().__init__(channel, chroot=os.fsencode(root))
        self._faults = faults
        self._closing = closing

    async def _meet(self, step: Step, until: int | None = None) -> Fault | None:
        """Show the fault that is due. One of fewer bytes is given back: the caller has the bytes."""
        if not until or until <= 1:
            self._faults.reached(step)
        fault = self._faults.due(step, until)
        if fault is None or fault.what == "short":
            return fault
        if fault.what == "hang":
            await self._closing.wait()
        if fault.what in {"hang", "drop"}:
            self.channel.get_connection().abort()
        if fault.words.startswith("unsupported"):
            raise asyncssh.SFTPOpUnsupported(fault.words)
        raise asyncssh.SFTPFailure(fault.words or "Failure")

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        await self._meet("list")
        async for entry in super().scandir(path):
            yield entry

    async def stat(self, path: bytes) -> Any:
        await self._meet("stat")
        return super().stat(path)

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        fault = await self._meet("read", offset + size)
        data = super().read(file_obj, offset, size)
        assert isinstance(data, bytes)
        return data if fault is None else data[: max(0, fault.after - offset)]

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        fault = await self._meet("write", offset + len(data))
        written = super().write(file_obj, offset, data if fault is None else data[: max(0, fault.after - offset)])
        assert isinstance(written, int)
        return len(data)

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._meet("rename")
        await _done(super().rename(oldpath, newpath))

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._meet("replace")
        await _done(super().posix_rename(oldpath, newpath))

    async def remove(self, path: bytes) -> None:
        await self._meet("remove")
        await _done(super().remove(path))


async def _done(result: Any) -> None:
    if result is not None:
        await result


@contextmanager
def sftp_server(root: Path, *, host_key: asyncssh.SSHKey | None = None, port: int = 0) -> Iterator[Served]:
    """Serve ``root`` as the folder ``/``. Its user and password are ``USER`` and ``PASSWORD``."""
    key = host_key or asyncssh.generate_private_key("ssh-ed25519")
    faults = Faults()
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = []
    ready = threading.Event()

    async def serve() -> None:
        closing = asyncio.Event()
        listening = await asyncssh.listen(
            "127.0.0.1",
            port,
            server_host_keys=[key],
            server_factory=lambda: _Doorkeeper(faults, closing),
            sftp_factory=lambda channel: _Files(channel, root, faults, closing),
            reuse_address=True,
        )
        started.append((asyncio.get_running_loop(), closing, listening.get_port()))
        ready.set()
        await closing.wait()
        listening.close()
        await listening.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="sftp-server")
    thread.start()
    assert ready.wait(60)
    loop, closing, chosen = started[0]
    try:
        yield Served(
            url=f"sftp://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{chosen}/",
            access=Access(fingerprints=(key.get_fingerprint(),)),
            root=root,
            host="127.0.0.1",
            port=chosen,
            faults=faults,
        )
    finally:
        loop.call_soon_threadsafe(closing.set)
        thread.join(60)
        assert not thread.is_alive()
