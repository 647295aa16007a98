"""File names: which layout, which day, which hour; and names that are written."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yaml_documents import DELIMITED, FIXED, PORTFOLIO, write_folder

from atom_pipeline.layout import pattern as grammar
from atom_pipeline.layout.catalogue import Catalogue, load_catalogue
from atom_pipeline.layout.model import Layout, NamePattern
from atom_pipeline.layout.names import build_name, match_layout, match_name, working_day

PATTERNS = {
    "remessa": ["<AAAAMMDD>_<HHMMSS>_remessa_<ASCOB>_out.<ASCOB>[.txt]"],
    "parcelas": ["<AAAAMMDD>_<HHMMSS>_parc_<ASCOB>_out.<ASCOB>[.txt]"],
    "garantias": ["<AAAAMMDD>_<HHMMSS>_garantias_<ASCOB>_out.<ASCOB>[.txt]"],
    "exclusao": ["<AAAAMMDD>_<HHMMSS>_baixa_<ASCOB>_out.<ASCOB>[.txt]"],
    "acordos": ["AcordosBaixados_<DDMMAAAA>_<ASCOB>.csv", "<AAAAMMDD>_<HHMMSS>_acordo_<ASCOB>_out.<ASCOB>_new[.txt]"],
    "baixa": ["<AAAAMMDD>_<HHMMSS>_acordo_<ASCOB>_out.<ASCOB>[.txt]"],
    "batimento": ["bat_carteira_veic_<DDMMAAAA>_<ASCOB>.csv[.<ASCOB>][.txt]"],
    "telefones": ["telefones_carteira_veic_<DDMMAAHHMISS>.csv"],
    "refin": ["refin_carteira_veic_<DDMMAAHHMISS>.csv", "refin_carteira_veic_<DDMMAAAAHHMISS>.csv"],
    "refin_excel": ["refin_carteira_veic_<DDMMAAHHMISS>.xlsx", "refin_carteira_veic_<DDMMAAAAHHMISS>.xlsx"],
    "email": ["<AAAAMMDD>_<HHMMSS>_massiva_email.csv"],
    "sms": ["<AAAAMMDD>_<HHMMSS>_massiva_sms.csv"],
    "whatsapp": ["<AAAAMMDD>_<HHMMSS>_massiva_whatsapp.csv"],
}
EVENING = datetime(2023, 8, 4, 19, 0, 0)
NIGHT = datetime(2023, 8, 4, 2, 0, 0)
MORNING = datetime(2023, 8, 4, 10, 15, 0)
BULK = datetime(2023, 2, 15, 15, 30, 0)
DAY = date(2023, 8, 4)


def stamp_of(name: str) -> dict[str, tuple[date | None, datetime | None]]:
    """What each of the bank's patterns that matches says of a name: day and moment."""
    found: dict[str, tuple[date | None, datetime | None]] = {}
    for layout, patterns in PATTERNS.items():
        for pattern in patterns:
            stamp = grammar.match(pattern, "528", name)
            if stamp is not None:
                assert stamp.day is not None
                found[layout] = (stamp.day, datetime.combine(stamp.day, stamp.time) if stamp.time else None)
    return found


@pytest.mark.parametrize(
    ("name", "layout", "moment"),
    [
        ("20230804_190000_remessa_528_out.528", "remessa", EVENING),
        ("20230804_190000_remessa_528_out.528.txt", "remessa", EVENING),
        ("20230804_190000_parc_528_out.528", "parcelas", EVENING),
        ("20230804_190000_parc_528_out.528.txt", "parcelas", EVENING),
        ("20230804_190000_garantias_528_out.528", "garantias", EVENING),
        ("20230804_190000_garantias_528_out.528.txt", "garantias", EVENING),
        ("20230804_190000_baixa_528_out.528", "exclusao", EVENING),
        ("20230804_190000_baixa_528_out.528.txt", "exclusao", EVENING),
        ("AcordosBaixados_04082023_528.csv", "acordos", None),
        ("20230804_020000_acordo_528_out.528_new.txt", "acordos", NIGHT),
        ("20230804_020000_acordo_528_out.528.txt", "baixa", NIGHT),
        ("bat_carteira_veic_04082023_528.csv", "batimento", None),
        ("bat_carteira_veic_04082023_528.csv.528", "batimento", None),
        ("telefones_carteira_veic_040823101500.csv", "telefones", MORNING),
        ("Refin_carteira_veic_04082023101500.csv", "refin", MORNING),
        ("refin_carteira_veic_040823101500.csv", "refin", MORNING),
        ("REFIN_CARTEIRA_VEIC_040823101500.CSV", "refin", MORNING),
        ("refin_carteira_veic_040823101500.xlsx", "refin_excel", MORNING),
        ("Refin_carteira_veic_04082023101500.xlsx", "refin_excel", MORNING),
        ("20230215_153000_massiva_email.csv", "email", BULK),
        ("20230215_153000_massiva_sms.csv", "sms", BULK),
        ("20230215_153000_massiva_whatsapp.csv", "whatsapp", BULK),
    ],
)
def test_the_names_of_the_specification_are_of_one_layout_each(name: str, layout: str, moment: datetime | None) -> None:
    assert stamp_of(name) == {layout: (moment.date() if moment else DAY, moment)}


@pytest.mark.parametrize(
    "name",
    [
        "20230230_190000_remessa_528_out.528",  # 30 February
        "20230229_190000_remessa_528_out.528",  # no leap year
        "20231301_190000_remessa_528_out.528",
        "20230804_240000_remessa_528_out.528",
        "20230804_196000_remessa_528_out.528",
        "04082023_190000_remessa_528_out.528",  # day first
        "bat_carteira_veic_20230804_528.csv",  # year first
        "20230804_190000_remessa_528_out.529",
        "20230804_190000_remessa_529_out.529",
        "20230804_190000_remessa_528_outx528",
        "20230804_190000_remessa_528_out.528.txt.txt",
        "20230804_190000_remessa_528_out.528.csv",
        "20230804_190000_remessa_528_out.528 ",
        " 20230804_190000_remessa_528_out.528",
        "20230804_190000_remessa_528_out.528\n",
        "20230804_190000_remessa_528_out.528\x00",
        "/20230804_190000_remessa_528_out.528",
        "../20230804_190000_remessa_528_out.528",
        "a/20230804_190000_remessa_528_out.528",
        "..\\20230804_190000_remessa_528_out.528",
        "２０２３0804_190000_remessa_528_out.528",  # digits, but not ours
        "20230804_190000_remeſsa_528_out.528",  # a letter whose upper case is S
        "",
        "..",
    ],
)
def test_other_names_are_of_no_layout(name: str) -> None:
    assert stamp_of(name) == {}


@pytest.mark.parametrize("part", ["/", "\\", "..", "\n", "\r", "\x00", "\x7f", "\u2028", "a" * 256, "é" * 128])
def test_no_pattern_takes_a_name_that_could_leave_its_folder(part: str) -> None:
    assert grammar.match("<ARQUIVO>_<DIA>", "528", "x_20230804") is not None
    assert grammar.match("<ARQUIVO>_<DIA>", "528", f"x{part}x_20230804") is None


def test_a_token_that_stands_twice_says_one_thing() -> None:
    pattern = "<AAAAMMDD>_x_<DDMMAAAA>_<ASCOB>_<ASCOB>"
    assert grammar.match(pattern, "A1", "20230804_x_04082023_a1_A1") is not None
    assert grammar.match(pattern, "A1", "20230804_x_05082023_a1_a1") is None
    assert grammar.match("<TIPO>_<DIA>_<TIPO>", "", "carga_20230804_baixa") is None
    assert grammar.match("<TIPO>_<DIA>_<TIPO>", "", "carga_20230804_CARGA") is not None


def test_the_agency_is_text_and_no_expression() -> None:
    assert grammar.match("<DIA>_<ASCOB>", "5.8", "20230804_5.8") is not None
    assert grammar.match("<DIA>_<ASCOB>", "5.8", "20230804_528") is None


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("<XXX>.csv", "unknown token <XXX>"),
        ("<aaaammdd>.csv", "unknown token <aaaammdd>"),
        ("<DIA.csv", "`<` stands alone"),
        ("DIA>.csv", "`>` stands alone"),
        ("<DIA>[.csv", "`[` without `]`"),
        ("<DIA>].csv", "`]` without `[`"),
        ("out/<DIA>.csv", "a pattern is one file's name"),
        ("<DIA>..csv", "a pattern is one file's name"),
        ("<DIA>\n", "a pattern is one file's name"),
    ],
)
def test_a_pattern_that_cannot_be_read_says_why(pattern: str, message: str) -> None:
    with pytest.raises(grammar.PatternError, match=message.replace("[", r"\[")):
        grammar.tokens_of(pattern)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    written = DELIMITED.replace("layout: refin", "layout: saida").replace(
        "stage: refin", "stage: mailing\ndirection: out"
    )
    return load_catalogue(write_folder(tmp_path, FIXED, DELIMITED, written))


def test_a_match_has_the_layout_the_pattern_and_the_parts_of_the_name(catalogue: Catalogue) -> None:
    (match,) = match_name(catalogue, "20230804_190000_baixa_528_out.528")
    assert (match.layout.layout, match.day, match.stamp, match.excel) == ("exclusao", DAY, EVENING, False)
    assert match.tokens == {"AAAAMMDD": "20230804", "HHMMSS": "190000", "ASCOB": "528"}
    (book,) = match_name(catalogue, "Refin_carteira_veic_040823101500.XLSX")
    assert (book.layout.layout, book.excel, book.stamp) == ("refin", True, MORNING)  # and not `saida`, which is written


def test_a_name_that_no_layout_knows_has_no_match(catalogue: Catalogue) -> None:
    assert match_name(catalogue, "leiame.txt") == []


def test_a_name_without_hour_has_a_day_and_no_stamp(tmp_path: Path) -> None:
    text = DELIMITED.replace("refin_carteira_veic_<DDMMAAHHMISS>.csv", "refin_<DDMMAAAA>.csv")
    (match,) = match_name(load_catalogue(write_folder(tmp_path, FIXED, text)), "refin_04082023.csv")
    assert (match.day, match.stamp) == (DAY, None)


class Weekdays:
    """A calendar of Monday to Friday with one holiday, for names alone."""

    def roll_forward(self, day: date) -> date:
        while day.isoweekday() > 5 or day == date(2023, 9, 7):
            day += timedelta(days=1)
        return day


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("20230803_115959", date(2023, 8, 3)),
        ("20230803_120000", date(2023, 8, 4)),
        ("20230803_235959", date(2023, 8, 4)),
        ("20230804_010000", date(2023, 8, 4)),  # the evening's late file meets it on one day
        ("20230804_190000", date(2023, 8, 7)),  # Friday evening
        ("20230805_010000", date(2023, 8, 7)),  # Saturday, 1 a.m.
        ("20230805_190000", date(2023, 8, 7)),
        ("20230806_190000", date(2023, 8, 7)),  # Sunday evening
        ("20230906_190000", date(2023, 9, 8)),  # before a holiday
        ("20231231_190000", date(2024, 1, 1)),
    ],
)
def test_with_a_cutover_the_evening_belongs_to_the_next_working_day(
    catalogue: Catalogue, stamp: str, expected: date
) -> None:
    (match,) = match_name(catalogue, f"{stamp}_baixa_528_out.528")
    assert working_day(match, catalogue.portfolio, Weekdays()) == expected


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [("040823235959", date(2023, 8, 4)), ("050823080000", date(2023, 8, 7)), ("070923080000", date(2023, 9, 8))],
)
def test_without_a_cutover_the_date_in_the_name_counts(catalogue: Catalogue, stamp: str, expected: date) -> None:
    (match,) = match_name(catalogue, f"refin_carteira_veic_{stamp}.csv")
    assert working_day(match, catalogue.portfolio, Weekdays()) == expected


def test_the_hour_of_the_cutover_is_the_portfolios(tmp_path: Path) -> None:
    catalogue = load_catalogue(write_folder(tmp_path, portfolio=PORTFOLIO.replace("12:00", "20:00")))
    (match,) = match_name(catalogue, "20230803_190000_baixa_528_out.528")
    assert working_day(match, catalogue.portfolio, Weekdays()) == date(2023, 8, 3)


def test_a_name_is_built_from_the_first_pattern(catalogue: Catalogue) -> None:
    exclusao, refin = catalogue.layouts["exclusao"], catalogue.layouts["refin"]
    assert build_name(exclusao, stamp=EVENING, ascob="528") == "20230804_190000_baixa_528_out.528"
    assert build_name(exclusao, stamp=EVENING, ascob="528", optional=True) == "20230804_190000_baixa_528_out.528.txt"
    assert build_name(refin, DDMMAAHHMISS=MORNING) == "refin_carteira_veic_040823101500.csv"
    assert build_name(refin, stamp=MORNING, pattern=refin.names[2]) == "refin_carteira_veic_040823101500.xlsx"


def test_the_names_of_manager_files_say_day_wave_and_kind(catalogue: Catalogue) -> None:
    layout = catalogue.layouts["saida"]

    def built(pattern: str, **tokens: str | int | date) -> str:
        return build_name(layout, pattern=NamePattern(pattern=pattern), **tokens)

    assert built("mailing_<DIA>_<ONDA>_<TIPO>.csv", dia=DAY, onda=2, tipo="carga") == "mailing_20230804_02_carga.csv"
    assert built("<DIA>_erros_<ARQUIVO>.csv", dia=DAY, arquivo="a.528.txt") == "20230804_erros_a.528.txt.csv"
    written = built("<DIA>_<AAAAMMDD>_<HHMMSS>", dia=DAY, aaaammdd=EVENING + timedelta(days=1), hhmmss=EVENING)
    assert written == "20230804_20230805_190000"


def test_a_name_that_lacks_a_value_or_could_not_be_read_back_is_not_built(catalogue: Catalogue) -> None:
    exclusao = catalogue.layouts["exclusao"]
    with pytest.raises(grammar.PatternError, match="no value for <ASCOB>"):
        build_name(exclusao, stamp=EVENING)
    with pytest.raises(ValueError, match="do not make a name"):
        build_name(exclusao, stamp=EVENING, ascob="../528")
    with pytest.raises(ValueError, match="do not make a name"):
        build_name(exclusao, AAAAMMDD="20230230", HHMMSS="190000", ascob="528")


@settings(max_examples=50, deadline=None)
@given(
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(lambda value: value.replace(microsecond=0)),
    pattern=st.sampled_from([pattern for patterns in PATTERNS.values() for pattern in patterns]),
    optional=st.booleans(),
    upper=st.booleans(),
)
def test_what_is_built_is_read_back(moment: datetime, pattern: str, optional: bool, upper: bool) -> None:
    values: dict[str, str | int | date] = dict.fromkeys([*grammar.DATE_TOKENS, *grammar.TIME_TOKENS], moment)
    name = grammar.build(pattern, {**values, "ASCOB": "528"}, optional=optional)
    stamp = grammar.match(pattern, "528", name.upper() if upper else name)
    assert stamp is not None
    assert stamp.day == moment.date()
    assert stamp.time == (moment.time() if grammar.has_time(grammar.tokens_of(pattern)) else None)


@settings(max_examples=50, deadline=None)
@given(name=st.text(max_size=60))
def test_what_matches_is_safe_as_a_file_name(name: str) -> None:
    layout_name = f"{name}_20230804"
    if grammar.match("<ARQUIVO>_<DIA>", "528", layout_name) is not None:
        assert Path("folder", layout_name).parts == ("folder", layout_name)
        assert layout_name.isprintable()


def test_match_layout_takes_the_first_pattern_that_matches(catalogue: Catalogue) -> None:
    layout: Layout = catalogue.layouts["refin"]
    match = match_layout(layout, "528", "refin_carteira_veic_04082023101500.csv")
    assert match is not None
    assert match.pattern is layout.names[1]
