"""The states of a message, and what was learnt from one attempt to send it.

What belongs here: the words, and which of them may follow which. What does not: their record (``resources``), and how
an HTTP answer is understood (``answers``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """Where a message stands. A row that was never tried has no message yet."""

    PLANEJADO = "planejado"  # tried, and known not to have been accepted: may be tried again
    ENVIANDO = "enviando"  # the intent is on the record; no answer yet
    ACEITO = "aceito"  # OMNE took it
    RECUSADO = "recusado"  # OMNE did not take it, and it is not tried again
    INCERTO = "incerto"  # nobody knows whether OMNE took it: only a person settles it


SETTLED = (Status.ACEITO, Status.RECUSADO)


class Fate(StrEnum):
    """What one attempt came to."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    RETRY = "retry"  # certainly not accepted, and a later attempt may be
    UNKNOWN = "unknown"  # it may have been accepted
    STOP = "stop"  # certainly not accepted, and no other would be: the token, the address


@dataclass(frozen=True)
class Answer:
    """What one attempt came to, in OMNE's own words. ``wait`` is what OMNE asks for, in seconds, when it asks."""

    fate: Fate
    words: str
    http_status: int | None = None
    wait: float | None = None

    @property
    def pauses_all(self) -> bool:
        """OMNE asks everybody to wait, not this message alone."""
        return self.fate is Fate.RETRY and (self.http_status in (429, 503) or self.wait is not None)

    @property
    def failed(self) -> bool:
        """It counts for the circuit breaker: too many requests (429) are no failure of OMNE's."""
        return self.fate is not Fate.ACCEPTED and self.http_status != 429


@dataclass(frozen=True)
class Recorded:
    """What is put on the record after an attempt: the message's next state, and when it may be tried again."""

    status: Status
    words: str
    http_status: int | None
    not_before: datetime | None = None
