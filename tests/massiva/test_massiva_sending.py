from __future__ import annotations

from massiva.massiva_house import House, active, messages
from massiva.omne_server import OmneServer


def prepared(house: House, count: int = 10) -> None:
    rows = messages(count)
    house.put("20261124_090000_massiva_whatsapp.csv", rows)
    house.read()
    house.base(active(rows))


def test_every_row_is_sent_once_and_its_answer_is_on_the_record(house: House, omne: OmneServer) -> None:
    prepared(house, 30)
    progress = house.send()
    assert (progress.accepted, progress.left, progress.reasons) == (30, 0, ())
    assert house.statuses() == {"aceito": 30}
    assert omne.invalid == [] and omne.twice == {} and len(omne.accepted) == 30
    assert house.send().sent == 0
    assert omne.requests == 30
