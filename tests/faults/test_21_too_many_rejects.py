"""Fault 21: more rejects than the layout allows. The file is refused whole, the base is as it was, nothing goes out."""

from __future__ import annotations

from pathlib import Path

from agency import agency
from desk import CONTRATOS, MONDAY, NAMES, TUESDAY, make_monday, remessa


def test_a_file_with_too_many_refused_rows_changes_nothing_and_sends_nothing(tmp_path: Path, ledger_url: str) -> None:
    with agency(tmp_path / "home", ledger_url) as house:
        make_monday(house)
        before, sent = house.table("contratos", MONDAY), house.sent()
        rows = [*remessa(*CONTRATOS[:36]), *remessa(*CONTRATOS[36:], cpf_cnpj="52998224724")]
        name = NAMES["remessa_assessoria"].format(day=TUESDAY)
        house.put("remessa_assessoria", name, rows, day=TUESDAY)
        house.collect()
        assert house.run(TUESDAY).success  # the day is made with what there is, and says what is wrong
        (one,) = house.runtime.ledger.loads(TUESDAY, "remessa_assessoria")
        assert (one.load.outcome, one.load.code) == ("refused", "MUITAS_RECUSAS")
        assert "4" in one.load.message and "40" in one.load.message
        assert house.table("recebido/remessa_assessoria", TUESDAY).is_empty()
        assert house.table("contratos", TUESDAY).equals(before)
        assert [reason for reason in house.runtime.sending(TUESDAY).reasons if "remessa" in reason]
        assert [sent_now for sent_now in house.sent() if sent_now not in sent and "carga" in sent_now] == []

        house.put("remessa_assessoria", name, remessa(*CONTRATOS), day=TUESDAY)  # corrected, under the same name
        house.make(TUESDAY)
        (one,) = house.runtime.ledger.loads(TUESDAY, "remessa_assessoria")
        assert (one.file.version, one.load.outcome, one.load.rows_accepted) == (2, "loaded", 40)
