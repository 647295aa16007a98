"""``sftp://`` through sshfs: known host or none, our own credentials only, everything under a deadline.

What of sshfs is not used, and why: ``get_file`` copies sparsely and does not notice a short file; ``put_file`` writes
under the final name; ``mv`` overwrites, or copies and then removes the source whether the copy worked or not (asyncssh
itself is asked to rename); its ``timeout`` covers connecting alone (a ``Watch`` breaks the connection off instead);
its cache of instances brings dead connections back.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import asyncssh
from fsspec.asyn import sync
from fsspec.exceptions import FSTimeoutError
from sshfs import SSHFileSystem

from resources.access import Access
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
)

PORT = 22
_CLOSING = 2.0  # seconds
# A name that is not UTF-8 is listed as it is and refused as not plain; it does not hide the others.
_NAMES = {"path_encoding": "utf-8", "path_errors": "surrogateescape"}
_MISSING = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_GONE = (
    asyncssh.SFTPConnectionLost,
    asyncssh.SFTPNoConnection,
    asyncssh.DisconnectError,
    asyncssh.ChannelOpenError,
    ConnectionError,
)
_ERRNO: dict[type[asyncssh.SFTPError], int] = {
    asyncssh.SFTPPermissionDenied: errno.EACCES,
    asyncssh.SFTPWriteProtect: errno.EROFS,
    asyncssh.SFTPNoSpaceOnFilesystem: errno.ENOSPC,
    asyncssh.SFTPQuotaExceeded: errno.EDQUOT,
    asyncssh.SFTPFileAlreadyExists: errno.EEXIST,
}


@contextmanager
def connect(url: str, access: Access, watch: Watch) -> Iterator[Transport]:
    """Open a connection of its own, and close it. Raises AccessRefused, Unavailable or DeadlinePassed."""
    address = Address.parse(url)
    identity = _Identity(address, access)
    fs = _open(address, access, identity, watch)
    fs.loop.set_exception_handler(_told_once)
    abort = fs.client.abort
    try:
        with watch.guard(lambda: fs.loop.call_soon_threadsafe(abort)):
            yield SftpFolder(fs, address, access, watch)
    finally:
        with suppress(OSError, asyncssh.Error):  # all that was asked was answered, or failed with its own error
            sync(fs.loop, _close, fs.client, timeout=_CLOSING + 1)


def _told_once(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A lost connection ends every request that is under way; asyncssh raises one's error.

    asyncio would print each of these as never retrieved, long after the error was raised and told.
    """
    if not isinstance(context.get("exception"), _GONE):
        loop.default_exception_handler(context)


async def _close(client: asyncssh.SSHClientConnection) -> None:
    client.close()
    try:
        await asyncio.wait_for(client.wait_closed(), _CLOSING)
    except TimeoutError:
        client.abort()


class _Identity(asyncssh.SSHClient):
    """Who we are and whom we expect. asyncssh asks for the password once the host is known, and gets it once."""

    def __init__(self, address: Address, access: Access) -> None:
        self._password = access.password or address.password
        self._fingerprints = access.fingerprints
        self.shown = ""  # the key of a host that is not in known_hosts

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        del host, addr, port
        fingerprint = key.get_fingerprint()
        self.shown = f"{key.get_algorithm()} {fingerprint}"
        return fingerprint in self._fingerprints

    def password_auth_requested(self) -> str | None:
        password, self._password = self._password, None
        return password

    def kbdint_auth_requested(self) -> str | None:
        return None if self._password is None else ""

    def kbdint_challenge_received(self, name: str, instructions: str, lang: str, prompts: Any) -> list[str] | None:
        del name, instructions, lang
        if not prompts:
            return []
        password = self.password_auth_requested() if len(prompts) == 1 and not prompts[0][1] else None
        return None if password is None else [password]


def _open(address: Address, access: Access, identity: _Identity, watch: Watch) -> SSHFileSystem:
    seconds = watch.connecting()
    port = address.port or PORT
    try:
        return SSHFileSystem(
            address.host,
            port=port,
            username=address.user,
            client_factory=lambda: identity,
            client_keys=_key(address, access),
            known_hosts=_known_hosts(address, access, port),
            # Nothing of the user who happens to run this: no configuration, agent, default keys or authorities.
            config=None,
            agent_path=None,
            x509_trusted_certs=None,
            gss_kex=False,
            gss_auth=False,
            connect_timeout=seconds,
            timeout=seconds + 1,
            sftp_client_kwargs=_NAMES,
            skip_instance_cache=True,
        )
    except FSTimeoutError as error:
        raise DeadlinePassed(f"{address.label}: no answer within {seconds:.0f} s while connecting") from error
    except asyncssh.HostKeyNotVerifiable as error:
        raise _unknown_host(address, access, identity.shown, address.hide(str(error), access)) from error
    except asyncssh.KeyExchangeFailed as error:
        raise AccessRefused(
            f"{address.label}: no encryption, or no kind of host key, that both sides know "
            f"({address.hide(str(error), access)}); known_hosts may hold a key of another kind than the server shows"
        ) from error
    except (OSError, asyncssh.Error) as error:
        reason = address.hide(_words(error), access)
        # sshfs says PermissionError for asyncssh.PermissionDenied; OpenSSH closes after too many failures.
        if not isinstance(error.__cause__, asyncssh.PermissionDenied) and "authentication" not in reason:
            raise Unavailable(f"{address.label}: cannot be reached: {reason}") from address.cause(error, access)
        tried = " and ".join(
            what for what, given in (("key", access.key), ("password", access.password or address.password)) if given
        )
        raise AccessRefused(
            f"{address.label}: the server does not let {address.user} in with this {tried}: "
            f"check the user in the URL and {access.prefix}PASSWORD or {access.prefix}KEY"
        ) from address.cause(error, access)


def _key(address: Address, access: Access) -> list[asyncssh.SSHKey] | None:
    """The private key, or None to offer none. Raises AccessRefused when there is neither key nor password."""
    if access.key is None:
        if access.password or address.password:
            return None
        raise AccessRefused(
            f"{address.label}: no key and no password: set {access.prefix}KEY or {access.prefix}PASSWORD"
        )
    try:
        return [asyncssh.read_private_key(access.key, access.key_passphrase)]
    except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise AccessRefused(
            f"{address.label}: the key {access.key} cannot be used: {_words(error)} "
            f"({access.prefix}KEY, {access.prefix}KEY_PASSPHRASE)"
        ) from error


def _known_hosts(address: Address, access: Access, port: int) -> asyncssh.SSHKnownHosts:
    """What hosts are known. Never None, which would mean: any. Raises AccessRefused when nothing was said."""
    if access.known_hosts is None:
        if access.fingerprints:
            return asyncssh.import_known_hosts("")
        raise AccessRefused(
            f"{address.label}: nothing says which host key is the server's, so nothing is sent to it: set "
            f"{access.prefix}KNOWN_HOSTS to a file with its line, or {access.prefix}FINGERPRINT. "
            f"`ssh-keyscan -p {port} {address.host}` prints the line and `ssh-keyscan -p {port} {address.host} | "
            "ssh-keygen -lf -` the fingerprint (SHA256:…); compare it with what its owner tells you by another way"
        )
    try:
        return asyncssh.read_known_hosts(str(access.known_hosts))
    except (OSError, ValueError) as error:
        raise AccessRefused(
            f"{address.label}: {access.known_hosts} cannot be read: {_words(error)} ({access.prefix}KNOWN_HOSTS)"
        ) from error


def _unknown_host(address: Address, access: Access, shown: str, reason: str) -> AccessRefused:
    port = address.port or PORT
    entry = address.host if port == PORT else f"[{address.host}]:{port}"
    expected = " or ".join(
        what
        for what in (
            f"in {access.known_hosts} (as {entry})" if access.known_hosts else "",
            f"{access.prefix}FINGERPRINT ({', '.join(access.fingerprints)})" if access.fingerprints else "",
        )
        if what
    )
    return AccessRefused(
        f"{address.label}: the host key of the server is not the one {expected}: it shows {shown or reason}. Nothing "
        "was sent to it. Ask the server's owner, by another way, whether this is its key, and only then set it"
    )


class SftpFolder:
    def __init__(self, fs: SSHFileSystem, address: Address, access: Access, watch: Watch) -> None:
        self._fs = fs
        self._address = address
        self._access = access
        self._watch = watch
        self.root = address.root

    def list(self, folder: str) -> list[RemoteFile]:
        with self._asked():
            infos = self._fs.ls(folder, detail=True)
        # What a server calls a file is kept as it is, a path too: a name that is not plain is known by that.
        above = f"{folder.rstrip('/')}/"
        return [_file(info, str(info["name"]).removeprefix(above)) for info in infos if info["type"] == "file"]

    def stat(self, path: str) -> RemoteFile | None:
        try:
            with self._asked():
                return _file(self._fs.info(path), path.rsplit("/", 1)[-1])
        except FileNotFoundError:
            return None

    @contextmanager
    def read(self, path: str) -> Iterator[Reader]:
        with self._asked():
            stream = self._fs.open(path, "rb")
        try:
            yield _Stream(self, stream)
        finally:
            self._end(stream, failed=True)  # nothing depends on how the reading of a file ends

    @contextmanager
    def write(self, path: str) -> Iterator[Writer]:
        with self._asked():
            stream = self._fs.open(path, "wb")
        try:
            yield _Stream(self, stream)
        except BaseException:
            self._end(stream, failed=True)
            raise
        self._end(stream, failed=False)

    def rename_new(self, source: str, target: str) -> bool:
        """SFTP's own rename does not overwrite; what servers do nevertheless is for the caller to look at before."""
        try:
            self._run("rename", source, target)
        except FileExistsError:
            return False
        except OSError:
            if self.stat(target) is not None:  # version 3 of the protocol has no word for "exists"
                return False
            raise
        return True

    def rename_over(self, source: str, target: str) -> None:
        try:
            self._run("posix_rename", source, target)
        except NotImplementedError as error:
            raise FileExistsError(errno.EEXIST, "the server cannot replace a file in one step") from error

    def remove(self, path: str) -> None:
        with self._asked():
            self._fs.rm_file(path)

    def makedir(self, folder: str) -> None:
        with suppress(FileNotFoundError), self._asked():
            if self._fs.info(folder)["type"] == "directory":
                return
        with self._asked():
            self._fs.mkdir(folder, create_parents=False)

    def _run(self, method: str, *paths: str) -> None:
        async def run() -> None:
            async with self._fs.client.start_sftp_client(**_NAMES) as client:
                await getattr(client, method)(*paths)

        with self._asked():
            sync(self._fs.loop, run)

    def _end(self, stream: Any, *, failed: bool) -> None:
        if failed:
            with suppress(OSError, asyncssh.Error):
                stream.close()
            return
        with self._asked():
            stream.close()

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """One question to the server, whatever it answers put into this package's words."""
        self._watch.moved()
        try:
            yield
        except NotImplementedError:
            raise
        except (OSError, asyncssh.Error, ValueError, TypeError) as error:
            raise self._translated(error) from self._address.cause(error, self._access)

    def _translated(self, error: Exception) -> Exception:
        label = self._address.label
        if self._watch.passed:
            return DeadlinePassed(f"{label}: the server stopped answering; broken off at the deadline")
        reason = self._address.hide(_words(error), self._access)
        if isinstance(error, (FileNotFoundError, *_MISSING)):
            return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if isinstance(error, _GONE):
            return Unavailable(f"{label}: the connection was lost: {reason}")
        if isinstance(error, asyncssh.SFTPOpUnsupported):
            return NotImplementedError(reason)
        if isinstance(error, asyncssh.SFTPError):
            number = _ERRNO.get(type(error), errno.EIO)
            vague = "; the server says no more: often a full disk, a quota or a missing right"
            return OSError(number, reason + (vague if isinstance(error, asyncssh.SFTPFailure) else ""))
        if isinstance(error, OSError):
            return error
        return FileServerError(f"{label}: the server's answer cannot be understood: {reason}")


class _Stream:
    """A file of the server, open. Each block must come or go in time."""

    def __init__(self, folder: SftpFolder, stream: Any) -> None:
        self._folder = folder
        self._stream = stream

    def read(self, size: int) -> bytes:
        with self._folder._asked():
            return bytes(self._stream.read(size))

    def write(self, block: bytes) -> object:
        with self._folder._asked():
            return self._stream.write(block)

    def sync(self) -> None:
        with suppress(NotImplementedError), self._folder._asked():  # an extension that not every server has
            self._stream.fsync()


def _file(info: dict[str, Any], name: str) -> RemoteFile:
    return RemoteFile(name, int(info["size"]), info["mtime"])


def _words(error: BaseException) -> str:
    reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
    return str(reason) or type(error).__name__
