"""A YAML document becomes its model, or one report of everything that is wrong with it."""

from __future__ import annotations

import pickle
from datetime import date, time
from decimal import Decimal
from pathlib import Path

import pytest
from yaml_documents import DELIMITED, FIXED, PORTFOLIO, write

from atom_pipeline.errors import StructureError
from atom_pipeline.layout.document import load_layout, load_portfolio, read_document
from atom_pipeline.layout.model import Field, Group, Layout, Merge


def findings(path: Path, text: str) -> list[str]:
    """The findings of a layout's document, without the path of its folder."""
    with pytest.raises(StructureError) as raised:
        load_layout(write(path / "x.yaml", text))
    return [str(finding).removeprefix(f"{path}/") for finding in raised.value.findings]


def changed(text: str, before: str, after: str) -> str:
    assert text.count(before) == 1
    return text.replace(before, after)


def field_of(path: Path, keys: str) -> Field:
    """The field that the keys of a flow mapping make, in a delimited layout."""
    text = f"{DELIMITED}          - {{name: x, {keys}}}\n"
    return load_layout(write(path / "refin.yaml", text)).versions[0].records[0].field("x")


def test_a_good_document_becomes_its_layout(tmp_path: Path) -> None:
    layout = load_layout(write(tmp_path / "exclusao.yaml", FIXED))
    assert (layout.layout, layout.merge, layout.key) == ("exclusao", Merge.UNION, ("contrato",))
    record = layout.version_on(date(2023, 8, 4)).record("detalhe")
    assert [(field.name, start, stop) for field, start, stop in record.spans()] == [
        ("contrato", 0, 8),
        ("motivo", 8, 12),
    ]


def test_every_finding_of_a_document_is_reported_at_once_each_with_its_line_and_path(tmp_path: Path) -> None:
    text = FIXED.replace("stage: exclusao", "stage: exclusão").replace("cutover: true", "cutover: perhaps")
    text = text.replace("motivo, width: 4", "motivo, widht: 4").replace("type: digits", "type: digit")
    assert findings(tmp_path, text) == [
        "x.yaml:4: stage: `exclusão` is not one of 'remessa', 'parcelas', 'garantias', 'telefones', 'refin', "
        "'acordos', 'exclusao', 'batimento', 'massiva', 'historico', 'mailing', 'baixa', 'erros' or 'base': did you "
        "mean `exclusao`?",
        "x.yaml:6: cutover: must be a valid boolean, unable to interpret input, not `perhaps`",
        "x.yaml:15: versions[0].records[detalhe].fields[contrato].type: `digit` is not one of 'text', 'digits', "
        "'integer', 'decimal', 'date', 'time' or 'datetime': did you mean `digits`?",
        "x.yaml:16: versions[0].records[detalhe].fields[motivo].widht: unknown key: did you mean `width`?",
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("cutover: true", "cutofer: true", "x.yaml:6: cutofer: unknown key: did you mean `cutover`?"),
        ("kind: fixed", "kind: fixd", "x.yaml:10: versions[0].format: `fixd` is not one of 'fixed', 'delimited': did"),
        ("kind: fixed", "newline: lf", "x.yaml:10: versions[0].format: the key 'kind' is required: it says which"),
        ("kind: fixed", "kind: fixed, quote: a", "x.yaml:10: versions[0].format.quote: unknown key; known here: enc"),
        ("length: 12", "length: 13", "x.yaml:13: versions[0].records[detalhe].length: the fields fill 12 bytes, the"),
        ("length: 12", "length: {a: 1}", "x.yaml:13: versions[0].records[detalhe].length: must be a valid integer"),
        ("name: detalhe", "name: Detalhe", "x.yaml:12: versions[0].records[Detalhe].name: `Detalhe` is not a name: "),
        ("name: motivo, width", "name: motivo, at: 8, width", "fields[motivo]: field motivo overlaps the one before"),
        ("name: motivo, width", "name: motivo, at: 10, width", "bytes 9 to 9 belong to no field (before motivo)"),
        ("width: 4", "width: 0", "fields[motivo].width: must be greater than or equal to 1, not `0`"),
        ("width: 4", "type: text", "x.yaml:16: versions[0].records[detalhe].fields[motivo]: field motivo has no width"),
        ("name: motivo", "name: contrato", "x.yaml:16: versions[0].records[detalhe].fields[contrato]: field contrato"),
        ("key: [contrato]", "key: [contracto]", "x.yaml:12: versions[0].records[detalhe]: key contracto is not in rec"),
        ("merge: union", "merge: latest_per_key\nunique: flag", ""),
        ("key: [contrato]", "unique: refuse", "x.yaml:8: unique: unique refuse needs a key"),
        ("merge: union\nkey: [contrato]", "merge: latest_per_key", "x.yaml:7: merge: merge latest_per_key needs a key"),
        ("<AAAAMMDD>", "<AAAAMDD>", "x.yaml:5: names[0]: unknown token <AAAAMDD> in <AAAAMDD>_<HHMMSS>_baixa"),
        ("<AAAAMMDD>_", "", "x.yaml:5: names[0]: a file that is read has its date in its name"),
        ("<HHMMSS>_", "", "x.yaml:5: names[0]: `cutover` needs the hour in the name"),
        ("[.txt]", "[.txt", "x.yaml:5: names[0]: `[` without `]` in <AAAAMMDD>"),
        ('names: ["', 'names: ["../', "x.yaml:5: names[0]: ../<AAAAMMDD>"),
        ("  - format", "  - since: 20230801\n    format", "x.yaml:10: versions[0].since: a date is written AAAA-MM-DD"),
        ("versions:\n", "versions: []\nrest:\n", "x.yaml:9: versions: at least one item is needed"),
        ("title: Exclusão", "title: [a]", "x.yaml:2: title: must be a valid string, not a list or a mapping"),
        ("title: Exclusão", "title:", "x.yaml:2: title: must be a valid string, not nothing"),
        ("title: Exclusão\n", "", "x.yaml:1: title: this key is required"),
        ("layout: exclusao", "layout: exclusao\nlayout: outra", "x.yaml:2: layout: the key stands twice, first on"),
        ("width: 4", "width: 4, decimals: 2", "fields[motivo].decimals: `decimals` goes with type decimal"),
        ("width: 4", "width: 4, signed: leading", "fields[motivo].signed: `signed` goes with type integer or decimal"),
        ("width: 4", "width: 4, type: date", "fields[motivo].format: `format` goes with type date, time or datetime"),
        ("width: 4", "width: 4, equals: abcde", "fields[motivo].equals: `equals` is longer than the field"),
        ("width: 4", "width: 4, type: date, format: AAMM", "fields[motivo].format: AAMM is not how a date is"),
        ("width: 4", "width: 4, type: time, format: MMDD", "fields[motivo].format: MMDD is not how a time is"),
        ("width: 4", "width: 4, type: date, format: YYMM", "fields[motivo].format: format YYMM is not made of"),
        ("width: 4", "width: 4, type: integer, minimum: 2, maximum: 1", "fields[motivo].maximum: `maximum` is"),
        ("width: 4", "width: 4, minimum: 1", "fields[motivo].minimum: `minimum` goes with integer"),
        ("width: 4", "width: 4, maximum: muito", "fields[motivo].maximum: a bound is a number, or a date as AAAA-MM"),
        ("width: 4", "width: 4, checks: [cpff]", "fields[motivo].checks[0]: `cpff` is not one of 'cpf_cnpj', 'cpf', "),
        ("width: 4", "width: 4, checks: {}", "fields[motivo].checks: must be a list, not a list or a mapping"),
        ("length: 12", "length: 12\n        severity: falg", "x.yaml:14: versions[0].records[detalhe].severity: "),
        ("length: 12", "match: {field: tipo, equals: 1}", "x.yaml:13: versions[0].records[detalhe].match.field: m"),
        ("length: 12", "role: header", "x.yaml:11: versions[0].records: no record of role detail"),
        ("length: 12\n", "\n", "x.yaml:12: versions[0].records[detalhe]: a fixed-width record needs `length`"),
        ("      - {name: motivo, width: 4}", "      - motivo", "fields[1]: must be a mapping of keys to values"),
    ],
)  # fmt: skip
def test_each_fault_has_its_own_finding(tmp_path: Path, before: str, after: str, expected: str) -> None:
    text = changed(FIXED, before, after)
    if not expected:
        assert load_layout(write(tmp_path / "x.yaml", text)).unique == "flag"
        return
    assert [finding for finding in findings(tmp_path, text) if expected in finding]


def test_a_record_severity_that_is_no_severity_is_reported_once_and_not_at_each_field(tmp_path: Path) -> None:
    text = changed(FIXED, "length: 12", "length: 12\n        severity: falg")
    assert len(findings(tmp_path, text)) == 1


def test_a_group_is_told_by_its_key_and_only_its_own_keys_are_asked_for(tmp_path: Path) -> None:
    text = changed(FIXED, "{name: motivo, width: 4}", "{group: motivo, time: 2, fields: [{name: a, width: 2}]}")
    where = "x.yaml:16: versions[0].records[detalhe].fields[motivo]"
    assert findings(tmp_path, text) == [
        f"{where}.time: unknown key: did you mean `times`?",
        f"{where}.times: this key is required",
    ]


def test_a_group_expands_to_numbered_fields_in_file_order(tmp_path: Path) -> None:
    group = "{group: fone, times: 2, fields: [{name: ddd, width: 1}, {name: n, width: 1, title: 'N {n}'}]}"
    record = (
        load_layout(write(tmp_path / "x.yaml", changed(FIXED, "{name: motivo, width: 4}", group)))
        .versions[0]
        .records[0]
    )
    assert [field.name for field in record.fields[1:]] == ["fone_1_ddd", "fone_1_n", "fone_2_ddd", "fone_2_n"]
    assert [field.title for field in record.fields[1:]] == [None, "N 1", None, "N 2"]
    assert isinstance(record.groups["fone"], Group)
    assert record.field("fone_2_n").width == 1


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("{name: a, width: 2, title: 'N {m}'}", "fields[motivo].fields[a].title: a title in a group may hold {n}"),
        ("{name: a, width: 2, title: '{'}", "fields[motivo].fields[a].title: a title in a group may hold {n}"),
        ("{name: a, width: 2, at: 9}", "fields[motivo].fields[a].at: `at` has no meaning in a group"),
    ],
)
def test_fields_of_a_group_follow_each_other_and_number_their_titles(tmp_path: Path, field: str, expected: str) -> None:
    text = changed(FIXED, "{name: motivo, width: 4}", f"{{group: motivo, times: 2, fields: [{field}]}}")
    (found,) = findings(tmp_path, text)
    assert expected in found


def test_a_copy_of_a_record_does_not_keep_the_fields_of_the_original(tmp_path: Path) -> None:
    record = load_layout(write(tmp_path / "x.yaml", FIXED)).versions[0].records[0]
    assert [field.name for field in record.fields] == ["contrato", "motivo"]
    copy = record.model_copy(update={"items": record.items[:1]})
    assert [field.name for field in copy.fields] == ["contrato"]
    assert [field.name for field in record.fields] == ["contrato", "motivo"]


def test_versions_may_not_begin_on_one_day(tmp_path: Path) -> None:
    twice = FIXED + FIXED.partition("versions:\n")[2]
    assert findings(tmp_path, twice) == ["x.yaml:17: versions[1].since: two versions begin on the same day"]


def test_columns_of_one_title_cannot_be_told_apart(tmp_path: Path) -> None:
    group = "{group: fone, times: 2, fields: [{name: ddd, title: DDD}]}"
    assert findings(tmp_path, f"{DELIMITED}          - {group}\n") == [
        "x.yaml:12: versions[0].records[detalhe]: two columns have the title ddd"
    ]


def test_one_name_has_one_type_in_all_detail_records(tmp_path: Path) -> None:
    fields = "[{name: motivo, width: 4, type: integer}]"
    other = f"      - {{name: outro, length: 4, match: {{field: motivo, equals: x}}, fields: {fields}}}\n"
    text = changed(FIXED, "length: 12", "length: 12\n        match: {field: motivo, equals: y}") + other
    (found,) = findings(tmp_path, text)
    assert "x.yaml:18: versions[0].records[outro]: field motivo has another type in another record" in found


@pytest.mark.parametrize(
    ("keys", "attribute", "value"),
    [
        ("equals: 01", "equals", "01"),
        ("default: NO", "default", "NO"),
        ("default: 12:00", "default", "12:00"),
        ("default: '~'", "default", "~"),
        ("default: ~", "default", None),
        ("domain: {01: um, NO: não, 1e3: mil}", "domain", {"01": "um", "NO": "não", "1e3": "mil"}),
        ("type: integer, minimum: 010", "minimum", Decimal(10)),
        ("type: decimal, decimals: 2, maximum: 0.10", "maximum", Decimal("0.10")),
        ("type: date, format: DD/MM/AAAA, minimum: 2000-01-31", "minimum", date(2000, 1, 31)),
    ],
)
def test_a_scalar_is_the_text_that_stands_in_the_document(
    tmp_path: Path, keys: str, attribute: str, value: object
) -> None:
    assert getattr(field_of(tmp_path, keys), attribute) == value


def test_an_hour_of_the_portfolio_is_an_hour_and_no_number_of_base_sixty(tmp_path: Path) -> None:
    assert load_portfolio(write(tmp_path / "portfolio.yaml", PORTFOLIO)).operation.cutover == time(12, 0)
    with pytest.raises(StructureError, match=r":7: operation\.cutover: an hour is written HH:MM \(found `720`\)"):
        load_portfolio(write(tmp_path / "portfolio.yaml", changed(PORTFOLIO, "12:00", "720")))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ":1: the document is empty"),
        (b"# only a comment\n", ":1: the document is empty"),
        (b"a: 1\nb: [1", ":3: not YAML: while parsing a flow sequence"),
        (b"a: 1\n\tb: 1", ":2: not YAML: "),
        (b"a: 1\nb: S\xe3o\n", ":2: byte 10 of the file is no character of UTF-8 text: save it as UTF-8"),
        (b"a: 1\nb: x\x00\n", ":2: a control character (U+0000) stands here: take it out"),
        (b"a: 1\n---\nb: 2\n", ":2: not YAML: expected a single document"),
        (b"- a\n", ":1: must be a mapping of keys to values, not a list or a mapping"),
        (b"a: &x {b: 1}\nc: *x\n", ":2: c: an alias (*name) is not read here"),
        (b"a: &x [*x]\n", ":1: a[0]: an alias (*name) is not read here"),
        (b"a: !!python/name:os.system\n", ":1: a: the tag tag:yaml.org,2002:python/name:os.system is not read here"),
        (b"? [a]\n: 1\n", ":1: a key is a word, not a list or a mapping"),
    ],
)
def test_what_is_no_plain_document_is_refused_where_it_stands(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(StructureError) as raised:
        load_layout(path)
    assert any(expected in str(finding) for finding in raised.value.findings)


def test_a_document_that_cannot_be_read_is_a_finding_too(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"nada\.yaml:1: cannot be read: No such file or directory"):
        load_layout(tmp_path / "nada.yaml")


def test_findings_of_other_checks_stand_at_the_line_of_their_key(tmp_path: Path) -> None:
    document = read_document(write(tmp_path / "x.yaml", FIXED), Layout)
    assert document.finding(("versions", 0, "records", 0, "fields", 1, "width"), "m").line == 16
    missing = document.finding(("versions", 0, "until"), "m")
    assert (missing.line, missing.path) == (10, "versions[0].until")


def test_a_structure_error_survives_the_way_to_another_process(tmp_path: Path) -> None:
    with pytest.raises(StructureError) as raised:
        load_layout(write(tmp_path / "x.yaml", "layout: x\n"))
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (copy.findings, str(copy)) == (raised.value.findings, str(raised.value))
