"""What opens a file server: secrets, and what the server is recognised by, from the environment.

Where the servers are is in ``settings``; how each protocol uses what stands here is in ``transport_sftp`` and
``transport_ftp``. Nothing is read from a user's own SSH configuration, agent or keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Access:
    """Credentials for one server. ``repr`` shows no secret.

    ``fingerprints`` are of host keys, as OpenSSH writes them (``SHA256:…``); ``ca`` is a PEM file with the authorities
    that sign the server's certificate, the system's when it is empty.
    """

    password: str | None = field(default=None, repr=False)
    key: Path | None = None
    key_passphrase: str | None = field(default=None, repr=False)
    known_hosts: Path | None = None
    fingerprints: tuple[str, ...] = ()
    ca: Path | None = None
    prefix: str = field(default="ATOM_…_", compare=False)  # of the variables, for messages that say what to set

    @classmethod
    def from_env(cls, values: Mapping[str, str], prefix: str) -> Access:
        """Read ``<prefix>PASSWORD``, ``KEY``, ``KEY_PASSPHRASE``, ``KNOWN_HOSTS``, ``FINGERPRINT`` and ``CA``.

        An empty variable is as one that is not set. Several fingerprints are separated by commas or blanks.
        """

        def path(name: str) -> Path | None:
            value = values.get(prefix + name)
            return Path(value).expanduser().absolute() if value else None

        return cls(
            password=values.get(f"{prefix}PASSWORD") or None,
            key=path("KEY"),
            key_passphrase=values.get(f"{prefix}KEY_PASSPHRASE") or None,
            known_hosts=path("KNOWN_HOSTS"),
            fingerprints=tuple((values.get(f"{prefix}FINGERPRINT") or "").replace(",", " ").split()),
            ca=path("CA"),
            prefix=prefix,
        )

    def environment(self, prefix: str) -> dict[str, str]:
        """The variables that say this to another process; empty where there is nothing to say."""
        values = {
            "PASSWORD": self.password,
            "KEY": self.key,
            "KEY_PASSPHRASE": self.key_passphrase,
            "KNOWN_HOSTS": self.known_hosts,
            "FINGERPRINT": " ".join(self.fingerprints),
            "CA": self.ca,
        }
        return {prefix + name: "" if value is None else str(value) for name, value in values.items()}
