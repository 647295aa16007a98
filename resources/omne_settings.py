"""Where OMNE is and how one is let in, from the environment. Nothing is opened here; ``omne`` speaks to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from atom_pipeline.errors import AtomError

HERE = ("localhost",)


class OmneMisconfigured(AtomError):
    """The environment does not say all that sending needs; the message says what is missing."""


@dataclass(frozen=True)
class OmneAccess:
    """Address and token. ``repr`` shows neither. ``ca``: PEM file of authorities, the system's when it is None."""

    url: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca: Path | None = None

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> OmneAccess:
        """Read ``ATOM_OMNE_URL``, ``ATOM_OMNE_TOKEN`` and ``ATOM_OMNE_CA``; an empty one is as one that is not set."""
        ca = values.get("ATOM_OMNE_CA")
        return cls(
            url=(values.get("ATOM_OMNE_URL") or "").strip() or None,
            token=(values.get("ATOM_OMNE_TOKEN") or "").strip() or None,
            ca=Path(ca).expanduser().absolute() if ca else None,
        )

    def environment(self) -> dict[str, str]:
        """The same for a child process. It holds the token: shown nowhere."""
        found = {
            "ATOM_OMNE_URL": self.url,
            "ATOM_OMNE_TOKEN": self.token,
            "ATOM_OMNE_CA": str(self.ca) if self.ca else None,
        }
        return {name: value for name, value in found.items() if value}

    def missing(self) -> str | None:
        """What the environment lacks before a message can go, in words; None when it lacks nothing."""
        if not self.url or not self.token:
            names = [
                name for name, value in (("ATOM_OMNE_URL", self.url), ("ATOM_OMNE_TOKEN", self.token)) if not value
            ]
            return f"{' e '.join(names)} não está definido no ambiente"
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            return "ATOM_OMNE_URL não é um endereço http ou https"
        if parts.scheme == "http" and not _is_here(parts.hostname):
            return "ATOM_OMNE_URL é http: nomes e números só vão por https (http, só para esta máquina)"
        if parts.username or parts.password or parts.query or parts.fragment:
            return "ATOM_OMNE_URL é só o endereço: o segredo fica em ATOM_OMNE_TOKEN"
        if not self.token.isascii() or not self.token.isprintable():
            return "ATOM_OMNE_TOKEN tem caracteres que um cabeçalho não leva"
        return None

    def checked(self) -> tuple[str, str]:
        """Address and token. Raises OmneMisconfigured."""
        missing = self.missing()
        if missing is not None or self.url is None or self.token is None:
            raise OmneMisconfigured(f"nothing can be sent to OMNE: {missing}")
        return self.url.rstrip("/"), self.token


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() in HERE
