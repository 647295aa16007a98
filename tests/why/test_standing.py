"""Each sentence that says why a contract is or is not in the mailing, and what Manager has of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from atom_pipeline.waves import Operation
from atom_pipeline.why.life import Event
from atom_pipeline.why.standing import AtManager, Facts, MailingState, Step, sentences

MON, TUE, WED, FRI = (date(2026, 11, number) for number in (9, 10, 11, 13))
AT_MANAGER = AtManager(Operation.CARGA, "2026-11-10/01", TUE, "mailing.csv", "2026-11-10 06:45")
ACTIVE = Facts(
    "0000000101", TUE, TUE, "ATIVO", MON, "Alta pela remessa", phones=2, placed=2, in_mailing=True,
    manager=AT_MANAGER, carga_sent=True,
)  # fmt: skip
OUT = replace(ACTIVE, in_mailing=False, manager=None)
BLOCKED = replace(
    OUT, situacao="BLOQUEIO PARCIAL", motivo="Acordo em stand-by", since=TUE, acordo="900", blocked_on=TUE,
    released_on=FRI, cause=Event(TUE, "BLOQUEIO", "ATIVO", "BLOQUEIO PARCIAL", "acordos.csv", 7),
)  # fmt: skip
RETIRED = replace(
    OUT, situacao="RETIRADO", since=TUE, cause=Event(TUE, "RETIRADA", "ATIVO", "RETIRADO", "exclusao.txt", 3)
)
CLOSED = replace(
    OUT, situacao="BAIXADO", since=TUE, cause=Event(TUE, "BAIXA_BATIMENTO", "ATIVO", "BAIXADO", "batimento.csv")
)
NEVER_SENT = "Manager was never sent it"
SENT = "Manager has it, since wave 2026-11-10/01 (CARGA, 2026-11-10 06:45, mailing.csv)"
IN = "it is in the mailing of 2026-11-10: ATIVO since 2026-11-09 with 2 usable phones (R012, R025)"


def told(facts: Facts, **changes: object) -> list[str]:
    return sentences(replace(facts, **changes))


def test_an_active_contract_with_phones_is_in_the_mailing_and_manager_has_it() -> None:
    assert told(ACTIVE) == [IN, SENT]
    assert told(ACTIVE, placed=1)[0].endswith("with 1 usable phone (R012, R025)")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (replace(OUT, phones=0), "it is not in the mailing: ATIVO since 2026-11-09, but without a usable phone (R024)"),
        (
            replace(OUT, placed=0),
            "it is not in the mailing: ATIVO since 2026-11-09, but none of its 2 phones has a place in it (R025)",
        ),
        (
            replace(OUT, mailing=MailingState.NOT_MADE),
            "it is ATIVO since 2026-11-09, and the mailing of 2026-11-10 is not made: `atom run 2026-11-10`",
        ),
        (
            replace(OUT, mailing=MailingState.OTHER_BASE),
            "it is ATIVO since 2026-11-09, and the mailing of 2026-11-10 is of another base than there is now: "
            "`atom run 2026-11-10`",
        ),
        (
            replace(OUT, mailing=MailingState.IMPORTED),
            "it is ATIVO since 2026-11-09; no mailing is made of the imported base of 2026-11-10",
        ),
        (
            replace(OUT, situacao=None),
            "it is not in the mailing: the base of 2026-11-10 does not know it, no remessa row of it was accepted",
        ),
    ],
)
def test_why_a_contract_that_is_not_blocked_or_gone_is_not_in_the_mailing(facts: Facts, said: str) -> None:
    assert sentences(facts) == [said, NEVER_SENT]


def test_numbers_that_cannot_be_dialled_are_told_where_they_are_the_reason() -> None:
    assert told(OUT, phones=0, undialable=3)[1] == "its last remessa row has 3 numbers that cannot be dialled"


def test_a_block_says_which_acordo_until_when_and_what_releases_it() -> None:
    assert sentences(BLOCKED) == [
        "it is not in the mailing: BLOQUEIO PARCIAL since 2026-11-10 for acordo 900, acordos.csv line 7 (R017, R019)",
        "blocked last on 2026-11-10, it stays so until 2026-11-13: remessa rows are ignored before that day (R020); "
        "from then on one makes it ATIVO again",
        NEVER_SENT,
    ]
    assert told(BLOCKED, day=FRI, today=FRI)[1] == (
        "the window of its block ended, 2026-11-13 was the first day out of it: the next remessa row makes it ATIVO "
        "again (R020), and a batimento that does not list it closes it (R022)"
    )
    assert told(BLOCKED, acordo=None, cause=None)[0].endswith(
        "for an acordo without a number, by what is no longer kept (Acordo em stand-by) (R017, R019)"
    )


def test_a_retired_contract_says_which_file_took_it_back_and_how_it_returns() -> None:
    assert sentences(RETIRED) == [
        "it is not in the mailing: RETIRADO since 2026-11-10 by exclusao.txt line 3 (R011)",
        "the next remessa row of it brings it back (REATIVACAO)",
        NEVER_SENT,
    ]
    assert told(RETIRED, blocked_on=TUE, released_on=FRI)[1] == (
        "the block of 2026-11-10 still runs: a remessa row of it is ignored before 2026-11-13 (R020); "
        "from then on one brings it back"
    )


def test_a_closed_contract_says_in_which_batimento_it_is_not() -> None:
    assert sentences(CLOSED)[0] == (
        "it is not in the mailing: BAIXADO since 2026-11-10, for it is not in the batimento of that day, "
        "batimento.csv (R022)"
    )


def test_a_base_that_is_behind_or_of_an_earlier_day_says_so_first() -> None:
    assert told(ACTIVE, stale=(TUE,))[0] == (
        "the base of 2026-11-10 is behind its files or decisions: what follows is as it was made; "
        "`atom run 2026-11-10` makes it again"
    )
    assert told(ACTIVE, today=WED)[0] == "no file of 2026-11-11 was collected yet: this is as of 2026-11-10"
    later = told(ACTIVE, today=WED, stale=(WED,))
    assert later[0] == "2026-11-11: files came and no base was made of them: this is as of 2026-11-10"


@pytest.mark.parametrize(
    ("name", "names_it", "said"),
    [
        ("remessa", True, "; it has a row of it, which was not used"),
        ("remessa", False, "; it has no row of it"),
        ("acordos", True, "; it has an acordo of it: applied, the contract is blocked"),
        ("acordos", False, "; it has no acordo of it"),
        ("exclusao", True, "; it takes the contract back: applied, it is RETIRADO"),
        ("exclusao", False, "; it does not name it"),
        ("batimento", True, "; it lists it: applied, nothing changes for it"),
        (
            "batimento",
            False,
            "; it does not list it: applied, an open contract out of its block's window is BAIXADO",
        ),
        ("batimento", None, ""),
    ],
)
def test_a_held_step_says_what_its_file_would_do(name: str, names_it: bool | None, said: str) -> None:
    step = Step(name, ("arquivo.csv",), names_it)
    begin = f"the {name} of 2026-11-10 (arquivo.csv) is held until `release-{name}` and changed nothing"
    assert told(ACTIVE, not_applied=(step,)) == [IN, begin + said, SENT]


def test_a_batimento_that_waits_says_for_what() -> None:
    step = Step("batimento", ("b.csv",), True, ("acordos: aguardando",))
    assert told(ACTIVE, not_applied=(step,))[1] == (
        "the batimento of 2026-11-10 (b.csv) waits (acordos: aguardando) and changed nothing; "
        "it lists it: applied, nothing changes for it"
    )


def test_lines_of_the_day_that_were_not_used_or_refused_are_told() -> None:
    aside = (
        Event(TUE, "IGNORADO_BLOQUEIO", "RETIRADO", "RETIRADO", "remessa.txt", 4, "bloqueado em 09/11/2026"),
        Event(TUE, "IGNORADA CPF_DIVERGENTE", None, None, "telefones.csv", 5),
    )
    assert told(ACTIVE, aside=aside, refused=(("remessa.txt", 9, "CPF_CNPJ in cpf_cnpj"),))[1:4] == [
        "remessa.txt line 4 of 2026-11-10 was not used, IGNORADO_BLOQUEIO (R020): bloqueado em 09/11/2026",
        "telefones.csv line 5 of 2026-11-10 was not used, CPF_DIVERGENTE (R023)",
        "remessa.txt line 9, which has its number, was refused on 2026-11-10: CPF_CNPJ in cpf_cnpj; see its error file",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"manager": None, "carga_sent": False, "may_send": False, "hindrances": ("acordos: aguardando", "x")},
            [NEVER_SENT, "the carga of 2026-11-10, which has it, was not sent yet: acordos: aguardando; x"],
        ),
        (
            {"manager": None, "carga_sent": False},
            [NEVER_SENT, "the carga of 2026-11-10, which has it, goes with the next run"],
        ),
        (
            {"manager": None, "carga_sent": False, "planned": ("2026-11-10/01",)},
            [
                NEVER_SENT,
                "the carga of 2026-11-10, which has it, goes with the next run; "
                "wave 2026-11-10/01 is planned and on its way",
            ],
        ),
        ({"manager": None}, [NEVER_SENT, "it is new to Manager: the next wave has it"]),
        ({"manager": replace(AT_MANAGER, same=False)}, [SENT, "its row changed since: the next wave has it"]),
        (
            {"manager": replace(AT_MANAGER, same=False), "may_send": False},
            [SENT, "its row changed since: not sent: no reason on record"],
        ),
        ({"in_mailing": False, "phones": 0}, [SENT, "its baixa is due (UC007)"]),
        (
            {"in_mailing": False, "phones": 0, "manager": replace(AT_MANAGER, operation=Operation.MANTIDO)},
            [
                "Manager has it: its baixa was kept back in wave 2026-11-10/01, where too many had no reason in the "
                "base; `send-now` lets them go"
            ],
        ),
        (
            {
                "manager": AtManager(Operation.BAIXA, "2026-11-09/02", MON, "baixa.csv"),
                "in_mailing": False,
                "phones": 0,
            },
            ["Manager does not have it: baixa in wave 2026-11-09/02 (BAIXA, baixa.csv) (UC007)"],
        ),
    ],
)
def test_what_manager_has_and_what_it_is_owed(changes: dict[str, object], said: list[str]) -> None:
    assert told(ACTIVE, **changes)[1:] == said
