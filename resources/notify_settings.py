"""Whom alarms are told, and how: the environment, read once. Sending is in ``notify``.

Nothing is checked here: what is wrong with a channel must not stop a run, and is said where the channel is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class AlarmChannels:
    """Addresses and secrets of the channels. ``repr`` shows no address and no secret: a webhook's URL is one.

    ``ca`` is a PEM file with the authorities that sign the servers' certificates, the system's when it is empty.
    """

    webhook: str | None = field(default=None, repr=False)
    smtp_url: str | None = field(default=None, repr=False)
    smtp_password: str | None = field(default=None, repr=False)
    sender: str | None = field(default=None, repr=False)
    recipients: tuple[str, ...] = field(default=(), repr=False)
    ca: Path | None = None

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> AlarmChannels:
        """Read ``ATOM_ALARM_WEBHOOK``, ``ATOM_SMTP_URL``, ``ATOM_SMTP_PASSWORD``, ``ATOM_ALARM_FROM``,
        ``ATOM_ALARM_TO`` (addresses with commas between) and ``ATOM_ALARM_CA``.

        An empty variable is as one that is not set.
        """
        ca = values.get("ATOM_ALARM_CA")
        return cls(
            webhook=values.get("ATOM_ALARM_WEBHOOK") or None,
            smtp_url=values.get("ATOM_SMTP_URL") or None,
            smtp_password=values.get("ATOM_SMTP_PASSWORD") or None,
            sender=values.get("ATOM_ALARM_FROM") or None,
            recipients=tuple(values.get("ATOM_ALARM_TO", "").replace(",", " ").split()),
            ca=Path(ca).expanduser().absolute() if ca else None,
        )

    def environment(self) -> dict[str, str]:
        """The variables that say this to another process; empty where there is nothing to say."""
        return {
            "ATOM_ALARM_WEBHOOK": self.webhook or "",
            "ATOM_SMTP_URL": self.smtp_url or "",
            "ATOM_SMTP_PASSWORD": self.smtp_password or "",
            "ATOM_ALARM_FROM": self.sender or "",
            "ATOM_ALARM_TO": ",".join(self.recipients),
            "ATOM_ALARM_CA": str(self.ca) if self.ca else "",
        }
