"""Fault 23: a batimento cut in half. It is held by the threshold, and the base is untouched until somebody decides."""

from __future__ import annotations

from pathlib import Path

from agency import agency, checks
from desk import CONTRATOS, MONDAY, NAMES, TUESDAY, batimento, before_the_deadline, make_monday, remessa, situacoes


def test_half_a_batimento_is_held_and_the_whole_one_is_applied(tmp_path: Path, ledger_url: str) -> None:
    with agency(tmp_path / "home", ledger_url) as house:
        make_monday(house)
        before = house.table("contratos", MONDAY)
        before_the_deadline(house, TUESDAY)
        for layout, rows in (("remessa_assessoria", remessa(*CONTRATOS)), ("acordos_baixados", [])):
            house.put(layout, NAMES[layout].format(day=TUESDAY), rows, day=TUESDAY)
        whole = house.put("batimento", NAMES["batimento"].format(day=TUESDAY), batimento(*CONTRATOS[:38]), day=TUESDAY)
        content = whole.read_bytes()
        house.put_bytes(whole.name, content[: len(content) // 2])
        house.collect()
        result = house.run(TUESDAY)
        assert [name for name, passed in checks(result).items() if name.startswith("guardas.") and not passed]
        (verdict,) = [one for one in house.runtime.verdicts(TUESDAY) if one.held]
        assert verdict.guard == "batimento"
        assert "40" in verdict.message
        assert house.table("contratos", TUESDAY).drop("ultima_remessa").equals(before.drop("ultima_remessa"))
        assert not [name for name in house.sent() if f"{TUESDAY:%Y%m%d}" in name]

        house.put_bytes(whole.name, content)  # the upload is done again
        report = house.collect()
        assert [file.name for file in report.replaced] == [whole.name]
        assert house.run(TUESDAY).success
        assert situacoes(house, TUESDAY) == {"ATIVO": 38, "BAIXADO": 2}
        assert [name for name in house.sent() if f"{TUESDAY:%Y%m%d}" in name]
