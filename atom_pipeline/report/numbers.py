"""Numbers and dates as people in Brazil write them. Only writing belongs here."""

from __future__ import annotations

from datetime import date, datetime


def integer(value: float) -> str:
    """1234.0 is ``1.234``."""
    return f"{round(value):,}".replace(",", ".")


def decimal(value: float, places: int = 1) -> str:
    """1234.5 is ``1.234,5``."""
    return f"{value:,.{places}f}".translate(str.maketrans(",.", ".,"))


def percent(share: float, places: int = 1) -> str:
    """0.123 is ``12,3 %``, with a space at which no line breaks."""
    return f"{decimal(share * 100, places)}\u00a0%"


def signed(value: float) -> str:
    """With its sign: ``+1.234``, ``−5``, ``0``."""
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{integer(abs(value))}"


def day_of(value: date) -> str:
    return f"{value:%d/%m/%Y}"


def moment(value: datetime | None) -> str:
    return f"{value:%d/%m %H:%M}" if value else "—"


def plural(count: int, one: str, many: str) -> str:
    return f"{integer(count)} {one if count == 1 else many}"
