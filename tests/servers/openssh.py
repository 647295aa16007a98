"""OpenSSH's own server with its internal SFTP, as the user who runs the tests, by key."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from ports import free_port

from resources.access import Access
from servers.common import Served

_CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
PidFile {folder}/pid
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
LogLevel VERBOSE
"""


@dataclass(frozen=True)
class OpenSsh(Served):
    """``known_hosts`` has the server's line; ``key`` opens it for ``user``."""

    user: str = ""
    key: Path = Path()
    known_hosts: Path = Path()
    log: Path = Path()


def _sshd() -> str:
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        reason = "sshd is not installed: run tests/system-packages, or install openssh-server"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def openssh_server(folder: Path, root: Path) -> Iterator[OpenSsh]:
    """Serve ``root``; keys, configuration and log are made in ``folder``."""
    sshd = _sshd()
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:  # where sshd shuts itself in before a login
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / name], check=True)
    port = free_port()
    (folder / "sshd_config").write_text(_CONFIG.format(folder=folder, port=port))
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sshd, "-D", "-e", "-f", folder / "sshd_config"], stderr=stream, stdin=subprocess.DEVNULL
        )
    try:
        _wait(port, process, log)
        yield OpenSsh(
            url=f"sftp://{getpass.getuser()}@127.0.0.1:{port}{root}",
            access=Access(key=folder / "user_key", known_hosts=known_hosts),
            root=root,
            host="127.0.0.1",
            port=port,
            user=getpass.getuser(),
            key=folder / "user_key",
            known_hosts=known_hosts,
            log=log,
        )
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as probe:
                if probe.recv(4) == b"SSH-":
                    return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"sshd does not start: {log.read_text()}") from None
            time.sleep(0.02)
