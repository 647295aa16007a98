"""Where things are: the environment, read once, as one frozen value.

Only addresses and folders belong here. What is decided per portfolio is in ``portfolio.yaml``; connections are made
by the other modules of this package. Nothing is read or made at import.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from atom_pipeline.errors import AtomError
from resources.access import Access
from resources.notify_settings import AlarmChannels
from resources.omne_settings import OmneAccess

DROP, MANAGER = "ATOM_DROP_", "ATOM_MANAGER_"
PROJECT_ROOT = Path(__file__).resolve().parent.parent


def without_secrets(url: str) -> str:
    """The URL with its password and its query masked, fit for logs, errors and the UI."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://***"
    if "@" in url and "@" not in parts.netloc and ":" in parts.netloc:  # a password that was not percent-encoded
        return f"{parts.scheme}://***"
    account, at, host = parts.netloc.rpartition("@")
    user, colon, _ = account.partition(":")
    netloc = f"{user}{colon and ':***'}{at}{host}"
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query and "***", parts.fragment and "***"))


def file_url(path: Path) -> str:
    """``file://`` URL of a local path, not percent-encoded: fsspec takes what follows the scheme as it is."""
    return f"file://{path.resolve().as_posix()}"


@dataclass(frozen=True)
class Settings:
    """The environment of one installation. URLs may hold passwords, so ``repr`` masks them.

    ``home`` holds the lake, the archive and, by default, the drop, Manager's folder and PostgreSQL's data.
    """

    home: Path
    drop_url: str = field(repr=False)
    manager_url: str = field(repr=False)
    layouts: Path
    postgres_url: str | None = field(default=None, repr=False)
    poll_seconds: int = 60  # between two looks at the drop
    alarms: AlarmChannels = field(default=AlarmChannels(), repr=False)
    omne: OmneAccess = field(default=OmneAccess(), repr=False)
    drop_access: Access = field(default=Access(), repr=False)
    manager_access: Access = field(default=Access(), repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, project_root: Path = PROJECT_ROOT) -> Settings:
        """Read ``ATOM_HOME``, ``ATOM_DROP_URL``, ``ATOM_MANAGER_URL``, ``ATOM_POSTGRES_URL``, ``ATOM_LAYOUTS`` and
        ``ATOM_POLL_SECONDS``; raises AtomError where the last is no number of seconds.

        What opens the drop and Manager is in ``ATOM_DROP_*`` and ``ATOM_MANAGER_*`` (``Access.from_env``). An empty
        variable is as one that is not set. Relative folders are relative to the current folder.
        """
        values = os.environ if environ is None else environ
        home = Path(values.get("ATOM_HOME") or project_root / ".atom").expanduser().absolute()
        return cls(
            home=home,
            drop_url=values.get("ATOM_DROP_URL") or file_url(home / "drop"),
            manager_url=values.get("ATOM_MANAGER_URL") or file_url(home / "manager"),
            layouts=Path(values.get("ATOM_LAYOUTS") or project_root / "layouts").expanduser().absolute(),
            postgres_url=values.get("ATOM_POSTGRES_URL") or None,
            poll_seconds=_seconds(values.get("ATOM_POLL_SECONDS") or "60"),
            drop_access=Access.from_env(values, DROP),
            manager_access=Access.from_env(values, MANAGER),
            alarms=AlarmChannels.from_env(values),
            omne=OmneAccess.from_env(values),
        )

    def prepare(self) -> None:
        """Make the home, and the drop's and Manager's folders where they are the local defaults.

        A drop elsewhere is never made: a folder that is missing there is an error to be seen, not an empty drop.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        for url, name in ((self.drop_url, "drop"), (self.manager_url, "manager")):
            if url == file_url(self.home / name):
                (self.home / name).mkdir(exist_ok=True)

    def archive(self, prefix: str | None = None) -> Path:
        """The folder that keeps every collected file: ``<home>/arquivo[/prefix]``."""
        return self.home / "arquivo" / prefix if prefix else self.home / "arquivo"

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        database = "embedded" if self.postgres_url is None else without_secrets(self.postgres_url)
        return (
            f"Settings(home={str(self.home)!r}, drop_url={without_secrets(self.drop_url)!r}, "
            f"manager_url={without_secrets(self.manager_url)!r}, layouts={str(self.layouts)!r}, "
            f"postgres_url={database!r})"
        )


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 3600:
        raise AtomError(f"ATOM_POLL_SECONDS is a number of seconds from 1 to 3600, not {text!r}")
    return int(text)
