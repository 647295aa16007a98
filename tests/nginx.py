"""A real nginx on loopback ports with the configuration of ``deploy/nginx``, before a server given as its upstream."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from ports import free_port

CONFIGURATION = Path(__file__).resolve().parents[1] / "deploy" / "nginx" / "atom.conf"
USER, PASSWORD = "ana", "correta-cavalo-bateria"
LOGIN = (USER, PASSWORD)


@dataclass(frozen=True)
class Proxy:
    """Where it answers, and the certificates that its clients trust."""

    https: int
    http: int
    trust: ssl.SSLContext = field(repr=False)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.https}"

    @property
    def websocket(self) -> str:
        return f"wss://127.0.0.1:{self.https}/graphql"


def configuration(folder: Path, upstream: int, https: int, http: int) -> str:
    """The repository's file with this machine's ports and paths; each of what is changed must be there."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    changes = {
        "server 127.0.0.1:3000;": f"server 127.0.0.1:{upstream};",
        "    listen 80;\n    listen [::]:80;\n": f"    listen 127.0.0.1:{http};\n",
        "    listen 443 ssl;\n    listen [::]:443 ssl;\n": f"    listen 127.0.0.1:{https} ssl;\n",
        "/etc/nginx/tls/atom.pem": str(folder / "atom.pem"),
        "/etc/nginx/tls/atom.key": str(folder / "atom.key"),
        "auth_basic_user_file /etc/nginx/atom.htpasswd": f"auth_basic_user_file {folder / 'atom.htpasswd'}",
    }
    for old, new in changes.items():
        assert old in text, f"{CONFIGURATION.name} has no {old!r}"
        text = text.replace(old, new)
    temporaries = "".join(
        f"{kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"user root;\nworker_processes 1;\npid {folder / 'pid'};\nerror_log {folder / 'error.log'};\n"
        f"events {{ worker_connections 256; }}\nhttp {{\naccess_log off;\n{temporaries}{text}}}\n"
    )


@contextmanager
def proxied(folder: Path, upstream: int) -> Iterator[Proxy]:
    """nginx before a port of this machine. Without nginx the test is skipped, and fails where CI is set."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("nginx is not installed: run tests/system-packages")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "atom.example.org")
    certificate.cert_chain_pems[0].write_to_path(folder / "atom.pem")
    certificate.private_key_pem.write_to_path(folder / "atom.key")
    # The very command of the configuration's comment.
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
    )
    (folder / "atom.htpasswd").write_text(f"{USER}:{hashed.stdout}")
    https, http = free_port(), free_port()
    (folder / "nginx.conf").write_text(configuration(folder, upstream, https, http))
    command = [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    subprocess.run([*command, "-t", "-q"], check=True)
    server = subprocess.Popen([*command, "-g", "daemon off;"])
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    try:
        _wait(https, server)
        yield Proxy(https, http, trust)
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        assert server.poll() is None, "nginx ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("nginx does not answer")
