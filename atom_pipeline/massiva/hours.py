"""When a message may go: hours and days by state, in the state's own time (portfolio.yaml ``massivas``).

A person is where the number's area code says and where the contract's address says; when the two differ, a message
goes only while both states allow it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from atom_pipeline.calendar import is_bank_holiday
from atom_pipeline.portfolio import Massivas

# Anatel's area codes (``layout.checks.DDDS``) by state. 61 also serves towns of GO around the federal district.
_DDDS_OF = {
    "AC": (68,),
    "AL": (82,),
    "AM": (92, 97),
    "AP": (96,),
    "BA": (71, 73, 74, 75, 77),
    "CE": (85, 88),
    "DF": (61,),
    "ES": (27, 28),
    "GO": (62, 64),
    "MA": (98, 99),
    "MG": (31, 32, 33, 34, 35, 37, 38),
    "MS": (67,),
    "MT": (65, 66),
    "PA": (91, 93, 94),
    "PB": (83,),
    "PE": (81, 87),
    "PI": (86, 89),
    "PR": (41, 42, 43, 44, 45, 46),
    "RJ": (21, 22, 24),
    "RN": (84,),
    "RO": (69,),
    "RR": (95,),
    "RS": (51, 53, 54, 55),
    "SC": (47, 48, 49),
    "SE": (79,),
    "SP": (11, 12, 13, 14, 15, 16, 17, 18, 19),
    "TO": (63,),
}
UF_OF_DDD = {str(ddd): uf for uf, ddds in _DDDS_OF.items() for ddd in ddds}
_ZONES = {
    "AC": "America/Rio_Branco",
    "AM": "America/Manaus",
    "MS": "America/Campo_Grande",
    "MT": "America/Cuiaba",
    "RO": "America/Porto_Velho",
    "RR": "America/Boa_Vista",
}
_BRASILIA = "America/Sao_Paulo"  # the time of every other state
ONE_DAY = timedelta(days=1)


def may_send(ufs: Collection[str], now: datetime, massivas: Massivas) -> bool:
    """Whether a message to somebody of these states may go now; ``now`` is aware of its zone."""
    return all(_open(uf, now, massivas) for uf in ufs)


def next_opening(ufs: Collection[str], now: datetime, massivas: Massivas, until: datetime) -> datetime | None:
    """The first moment from ``now`` to ``until`` at which such a message may go; None when there is none."""
    if may_send(ufs, now, massivas):
        return now
    starts: set[datetime] = set()
    for uf in ufs:
        day = now.astimezone(_zone(uf)).date() - ONE_DAY
        while day <= until.astimezone(_zone(uf)).date():
            hours = massivas.hours_of(uf)
            starts |= {datetime.combine(day, window.start, tzinfo=_zone(uf)) for window in hours}
            day += ONE_DAY
    return next((at for at in sorted(starts) if now < at <= until and may_send(ufs, at, massivas)), None)


def _open(uf: str, now: datetime, massivas: Massivas) -> bool:
    local = now.astimezone(_zone(uf))
    day = local.date()
    if day in massivas.closed_days_of(uf) or (massivas.bank_holidays == "closed" and is_bank_holiday(day)):
        return False
    return any(
        day.isoweekday() in window.weekdays and window.start <= local.time() < window.end
        for window in massivas.hours_of(uf)
    )


def _zone(uf: str) -> ZoneInfo:
    return ZoneInfo(_ZONES.get(uf, _BRASILIA))
