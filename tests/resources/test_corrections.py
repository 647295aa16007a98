"""Error files that come back corrected: which lines they change, what is refused, and that nothing happens twice."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_collect import ACORDOS, FRIDAY, LONG_AGO, Site, delimited

from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.document import load_layout
from atom_pipeline.layout.lines import original_lines
from atom_pipeline.layout.model import Layout
from resources.collect import CollectReport
from resources.corrections import control_mark, rewrite
from resources.ledger import Ledger
from resources.ledger_records import FileStatus
from resources.settings import PROJECT_ROOT

ERRORS = f"{ACORDOS}.erros.csv"
SHEET = "planilha_27112026.xlsx"
BLOCKS = "blocos_27112026.txt"
SOURCE = b"contrato;motivo\r\n1;ACORDO\r\n2;AC\xc7RDO  \n3;ACORDO"  # CR LF, LF, and no break at the end
COLUMNS = ("arquivo", "linha", "registro", "campo", "motivo", "detalhe", "original", "controle")


def sheet() -> Layout:
    layout = delimited("planilha", "planilha_<DDMMAAAA>.xlsx", ["contrato"])
    return layout.model_copy(update={"names": (layout.names[0].model_copy(update={"excel": True}),)})


def blocks() -> Layout:
    """Records of six bytes without line breaks."""
    record = {"name": "linha", "length": 6, "fields": [{"name": "contrato", "width": 6}]}
    return Layout.model_validate(
        {
            "layout": "blocos",
            "title": "blocos",
            "description": "blocos",
            "stage": "acordos",
            "names": ["blocos_<DDMMAAAA>.txt"],
            "versions": [{"format": {"kind": "fixed", "newline": "none"}, "records": [record]}],
        }
    )


@pytest.fixture
def site(tmp_path: Path, ledger: Ledger) -> Site:
    site = Site(tmp_path, ledger)
    errors = load_layout(PROJECT_ROOT / "layouts/banco_pan_veiculos/erros.yaml")
    layouts = site.catalogue.layouts | {one.layout: one for one in (errors, sheet(), blocks())}
    site.catalogue = Catalogue(site.catalogue.portfolio, layouts, tmp_path)
    return site


def put(site: Site, name: str, content: bytes, *, later: int = 0) -> None:
    (site.drop / name).write_bytes(content)
    os.utime(site.drop / name, (LONG_AGO + later, LONG_AGO + later))


def received(site: Site, name: str = ACORDOS, content: bytes = SOURCE) -> str:
    """A file collected; returns its hash."""
    put(site, name, content)
    [file] = site.collect().collected
    return file.sha256


def errors_of(
    sha256: str, lines: Sequence[tuple[int, str]] | Mapping[int, str], *, about: str = ACORDOS, **cells: str
) -> bytes:
    """An error file about lines of a version. ``cells`` replace a column in every row."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for number, text in lines.items() if isinstance(lines, Mapping) else lines:
        row = dict.fromkeys(COLUMNS, "x") | {"arquivo": about, "linha": str(number), "original": text}
        writer.writerow((row | {"controle": control_mark(sha256, number)} | cells).values())
    return out.getvalue().encode()


def drop_errors(site: Site, content: bytes, *, name: str = ERRORS, later: int = 0) -> CollectReport:
    put(site, name, content, later=later)
    return site.collect()


def in_force(site: Site, name: str = ACORDOS) -> bytes:
    file = site.ledger.versions(name)[0]
    return (site.archive / file.archived_path).read_bytes()


def untouched(site: Site) -> None:
    """The ledger has the file as it came, and the archive nothing else."""
    assert [(version, status) for _, version, status in site.in_ledger()] == [(1, FileStatus.CURRENT)]
    assert len([path for path in site.archive.rglob("*") if path.is_file()]) == 1
    assert site.ledger.corrections(ACORDOS) == []


# What is changed.


def test_the_changed_line_alone_is_replaced_in_a_new_version_and_the_day_is_told(site: Site) -> None:
    sha256 = received(site)
    content = errors_of(sha256, {2: "1;ACORDO", 3: "2;AÇORDO"})
    report = drop_errors(site, content)
    assert report.errors == ()
    assert [(file.name, file.layout, file.day) for file in report.corrected] == [(ACORDOS, "acordos", FRIDAY)]
    assert (report.days, report.replaced, report.collected, report.unknown) == ((FRIDAY,), (), (), ())
    assert in_force(site) == SOURCE.replace(b"2;AC\xc7RDO  ", b"2;A\xc7ORDO")
    assert site.in_ledger() == [(ACORDOS, 1, FileStatus.REPLACED), (ACORDOS, 2, FileStatus.CURRENT)]
    [correction] = site.ledger.corrections(ACORDOS)
    assert (correction.corrects, correction.sha256, correction.lines) == (sha256, report.corrected[0].sha256, 1)
    assert (site.archive / correction.error_file).read_bytes() == content
    assert (site.archive / "2026-11-27/acordos" / ACORDOS).read_bytes() == SOURCE
    assert (site.drop / ERRORS).read_bytes() == content


@pytest.mark.parametrize(("line", "text"), [(2, "9;ACORDO"), (4, "9;ACORDO")])
def test_the_break_of_the_line_is_kept_with_or_without_one(site: Site, line: int, text: str) -> None:
    drop_errors(site, errors_of(received(site), {line: text}))
    was = SOURCE.split(b"\n")
    was[line - 1] = text.encode() + (b"\r" if line == 2 else b"")
    assert in_force(site) == b"\n".join(was)


def test_a_file_as_a_spreadsheet_writes_it_is_read(site: Site) -> None:
    content = errors_of(received(site), {3: "2;AÇORDO"}).replace(b"\r\n", b"\n") + b";;;;;;;\n"
    report = drop_errors(site, b"\xef\xbb\xbf" + content)
    assert (report.errors, len(report.corrected)) == ((), 1)


@pytest.mark.parametrize(
    ("source", "line", "text"),
    [
        (SOURCE, 3, "2;ACÇRDO  "),  # blanks at the end are part of the line
        (b"contrato;motivo\n1;A\x00B\x85\n", 2, "1;A\\x00B\\x85"),  # bytes that stand as escapes
        (b'contrato;motivo\n1;"A\nB\nC"\n2;D\n', 2, '1;"A\\nB\\nC"'),  # a record over three lines
        (b"contrato;motivo\n\n2;D\n", 2, ""),
    ],
)
def test_rows_left_as_they_were_change_nothing(site: Site, source: bytes, line: int, text: str) -> None:
    report = drop_errors(site, errors_of(received(site, content=source), {line: text}))
    assert (report.errors, report.corrected, report.days) == ((), (), ())
    assert ERRORS in report.same
    untouched(site)


def test_rows_that_were_taken_out_of_the_error_file_change_nothing(site: Site) -> None:
    report = drop_errors(site, errors_of(received(site), {}))
    assert (report.errors, report.corrected) == ((), ())
    untouched(site)


def test_an_escaped_byte_that_was_replaced_is_a_correction(site: Site) -> None:
    drop_errors(site, errors_of(received(site, content=b"contrato;motivo\n1;A\x00B\n"), {2: "1;A B"}))
    assert in_force(site) == b"contrato;motivo\n1;A B\n"


def test_of_two_rows_about_a_line_one_may_be_left_as_it_was(site: Site) -> None:
    drop_errors(site, errors_of(received(site), [(2, "1;ACORDO"), (2, "9;ACORDO")]))
    assert in_force(site) == SOURCE.replace(b"1;ACORDO", b"9;ACORDO")


def test_a_record_of_a_file_without_line_breaks_is_replaced_in_its_place(site: Site) -> None:
    sha256 = received(site, BLOCKS, b"000001000002000003")
    name = f"{BLOCKS}.erros.csv"
    report = drop_errors(site, errors_of(sha256, {2: "000009"}, about=BLOCKS), name=name)
    assert report.errors == ()
    assert in_force(site, BLOCKS) == b"000001000009000003"
    report = drop_errors(site, errors_of(report.corrected[0].sha256, {2: "00009"}, about=BLOCKS), name=name, later=60)
    assert "5 bytes e tinha 6" in report.errors[0].message
    assert in_force(site, BLOCKS) == b"000001000009000003"


# Once, whatever happens.


def test_the_same_error_file_seen_again_changes_nothing(site: Site) -> None:
    content = errors_of(received(site), {3: "2;AÇORDO"})
    drop_errors(site, content)
    before, kept = site.in_ledger(), sorted(site.archive.rglob("*"))
    for later in (0, 60):  # as it is, and uploaded again
        report = drop_errors(site, content, later=later)
        assert (report.corrected, report.errors, report.days) == ((), (), ())
        assert sorted(report.same) == sorted([ACORDOS, ERRORS])
    assert (site.in_ledger(), sorted(site.archive.rglob("*"))) == (before, kept)


def test_an_applied_error_file_is_not_fetched_at_every_poll(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    drop_errors(site, errors_of(received(site), {3: "2;AÇORDO"}))
    monkeypatch.setattr("resources.file_server.FileServer.download", lambda *_: pytest.fail("fetched again"))
    assert sorted(site.collect().same) == sorted([ACORDOS, ERRORS])


def test_the_file_as_it_came_does_not_take_the_place_of_its_correction(site: Site) -> None:
    sha256 = received(site)
    drop_errors(site, errors_of(sha256, {3: "2;AÇORDO"}))
    put(site, ACORDOS, SOURCE, later=3600)  # touched, or uploaded once more
    report = site.collect()
    assert (report.replaced, report.days, report.errors) == ((), (), ())
    assert in_force(site) == SOURCE.replace(b"2;AC\xc7RDO  ", b"2;A\xc7ORDO")


def test_a_correction_of_a_correction_stands_on_both(site: Site) -> None:
    sha256 = received(site)
    [first] = drop_errors(site, errors_of(sha256, {3: "2;AÇORDO"})).corrected
    [second] = drop_errors(site, errors_of(first.sha256, {3: "2;ACORDO"}), later=60).corrected
    put(site, ACORDOS, SOURCE, later=3600)
    assert site.collect().replaced == ()
    file = site.ledger.versions(ACORDOS)[0]
    assert (file.version, file.sha256) == (3, second.sha256)
    assert in_force(site) == b"contrato;motivo\r\n1;ACORDO\r\n2;ACORDO\n3;ACORDO"


def test_an_error_file_applied_before_a_newer_version_came_is_known_and_not_applied_again(site: Site) -> None:
    content = errors_of(received(site), {3: "2;AÇORDO"})
    drop_errors(site, content)
    put(site, ACORDOS, b"contrato;motivo\n7;ACORDO\n", later=3600)
    assert len(site.collect().replaced) == 1
    report = drop_errors(site, content, later=7200)
    assert (report.corrected, report.errors) == ((), ())
    assert in_force(site) == b"contrato;motivo\n7;ACORDO\n"


class Killed(BaseException):
    """Ends a collection as a killed process does."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["record_correction", "record_file", "record_verified"])
def test_killed_at_any_step_the_next_collection_ends_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    sha256 = received(site)
    honest = getattr(Ledger, step)

    def killed(self: Ledger, given: object) -> None:
        if when == "after":
            honest(self, given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, step, killed)
        with pytest.raises(Killed):
            drop_errors(site, errors_of(sha256, {3: "2;AÇORDO"}))
    put(site, ACORDOS, SOURCE, later=60)  # and the file as it came is looked at once more
    report = site.collect()
    assert report.errors == ()
    assert in_force(site) == SOURCE.replace(b"2;AC\xc7RDO  ", b"2;A\xc7ORDO")
    assert site.in_ledger() == [(ACORDOS, 1, FileStatus.REPLACED), (ACORDOS, 2, FileStatus.CURRENT)]
    assert len(site.ledger.corrections(ACORDOS)) == 1
    assert len([path for path in site.archive.rglob("*") if path.is_file()]) == 3


# What is refused.


def refused(site: Site, content: bytes, *, name: str = ERRORS) -> str:
    """Drop an error file that must be refused, left where it is, and record nothing; returns the message."""
    before = site.in_ledger()
    report = drop_errors(site, content, name=name)
    assert (report.corrected, report.days, report.unknown) == ((), (), ())
    [error] = report.errors
    assert error.name == name
    assert (site.drop / name).read_bytes() == content
    assert site.in_ledger() == before
    return error.message


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({99: "x"}, "não tem essa linha"),
        ({2: "1;ACORDO\n9;ACORDO"}, "quebra de linha"),
        ({2: "1;ACORDO\r"}, "quebra de linha"),
        ({2: "1;ACORDO €"}, "caractere 10 não existe em latin-1"),
        ({2: "  "}, "em branco"),
        ([(2, "8;ACORDO"), (2, "9;ACORDO")], "duas maneiras"),
    ],
)
def test_a_line_that_cannot_be_written_refuses_the_whole_correction(
    site: Site, lines: Mapping[int, str] | Sequence[tuple[int, str]], said: str
) -> None:
    pairs = list(lines.items() if isinstance(lines, Mapping) else lines)
    message = refused(site, errors_of(received(site), [(4, "7;ACORDO"), *pairs]))
    assert said in message
    assert ACORDOS in message
    untouched(site)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"controle": "c0"}, "`linha` e `controle`"),
        ({"linha": "3"}, "`linha` e `controle`"),  # filled down over another line
        ({"linha": "0"}, "coluna `linha`"),
        ({"linha": "2,0"}, "coluna `linha`"),
        ({"arquivo": "outro.csv"}, "coluna `arquivo`"),
    ],
)
def test_a_row_that_is_not_as_it_was_given_refuses_the_correction(site: Site, cells: dict[str, str], said: str) -> None:
    assert said in refused(site, errors_of(received(site), {2: "9;ACORDO"}, **cells))
    untouched(site)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: b"", "FORA_DO_LAYOUT"),
        (lambda _: b"contrato;motivo\n1;ACORDO\n", "FORA_DO_LAYOUT"),
        (lambda content: content.replace(b";", b","), "FORA_DO_LAYOUT"),
        (lambda content: content.replace(b";controle", b""), "faltam: controle"),
        (lambda content: content + b"a;b\r\n", "2 colunas"),
        (lambda content: content.replace(b'ACORDO";', b'ACORDO"x;'), "aspas"),
        (lambda content: content.decode().encode("utf-16"), "não está em utf-8"),
        (lambda content: content.replace(b"9;ACORDO", b"9;A\xc7ORDO"), "não está em utf-8"),
    ],
)
def test_a_file_that_is_not_of_the_layout_of_error_files_is_refused(
    site: Site, change: Callable[[bytes], bytes], said: str
) -> None:
    content = errors_of(received(site), {2: "9;ACORDO"})
    assert said in refused(site, change(content))
    untouched(site)


def test_an_error_file_of_an_older_version_is_refused(site: Site) -> None:
    sha256 = received(site)
    put(site, ACORDOS, b"contrato;motivo\n7;ACORDO\n", later=60)
    site.collect()
    message = refused(site, errors_of(sha256, {2: "9;ACORDO"}))
    assert "versão 1" in message
    assert "a atual é a 2" in message
    assert in_force(site) == b"contrato;motivo\n7;ACORDO\n"


def test_a_newer_version_in_the_same_collection_comes_first(site: Site) -> None:
    sha256 = received(site)
    put(site, ERRORS, errors_of(sha256, {2: "9;ACORDO"}), later=10)
    put(site, ACORDOS, b"contrato;motivo\n7;ACORDO\n", later=60)
    report = site.collect()
    assert ([file.name for file in report.replaced], report.corrected) == ([ACORDOS], ())
    assert [error.error for error in report.errors] == ["CorrectionRefused"]


def test_an_error_file_about_a_file_that_never_came_is_refused(site: Site) -> None:
    sha256 = received(site)
    name = "acordos_26112026_528.csv"
    message = refused(site, errors_of(sha256, {2: "9;ACORDO"}, about=name), name=f"{name}.erros.csv")
    assert f"nenhum arquivo {name} foi recebido" in message
    untouched(site)


def test_a_workbook_is_corrected_in_itself(site: Site) -> None:
    sha256 = received(site, SHEET, b"PK\x03\x04planilha")
    message = refused(site, errors_of(sha256, {2: "9"}, about=SHEET), name=f"{SHEET}.erros.csv")
    assert "é uma planilha" in message


@pytest.mark.parametrize(
    ("source", "text", "said"),
    [
        (b"contrato;motivo\n1;A\x00B\n", "9;A\\x00B", "ainda tem \\x00"),
        (b'contrato;motivo\n1;"A\nB"\n', '9;"A\\nB"', "várias linhas"),
    ],
)
def test_what_stands_in_place_of_other_bytes_is_never_written(site: Site, source: bytes, text: str, said: str) -> None:
    assert said in refused(site, errors_of(received(site, content=source), {2: text}))
    untouched(site)


def test_a_refusal_tells_nothing_of_the_line(site: Site) -> None:
    person = "52998224725"
    sha256 = received(site, content=f"contrato;motivo\n{person};A\x00B\n".encode())
    for text in (f"{person};A\\x00C", f"{person}€", f"{person}\n"):
        assert person not in refused(site, errors_of(sha256, {2: text}))


def test_without_a_layout_of_error_files_their_names_are_unknown(site: Site) -> None:
    sha256 = received(site)
    layouts = {name: layout for name, layout in site.catalogue.layouts.items() if name != "erros"}
    site.catalogue = replace(site.catalogue, layouts=layouts)
    assert drop_errors(site, errors_of(sha256, {2: "9;ACORDO"})).unknown == (ERRORS,)


# The invariant of a rewritten file.


LINES = st.lists(
    st.tuples(st.binary(max_size=6).map(lambda line: line.translate(None, b"\r\n")), st.sampled_from([b"\n", b"\r\n"])),
    min_size=1,
    max_size=8,
)


@given(lines=LINES, final=st.booleans(), data=st.data())
def test_a_rewritten_file_has_the_changed_lines_and_every_other_byte_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[bytes, bytes]], final: bool, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("reescrito")
    if not final:
        lines[-1] = (lines[-1][0] + b"z", b"")
    numbers = st.integers(1, len(lines))
    changes = data.draw(st.dictionaries(numbers, st.sampled_from([b"a", b"bb", b"ccccccccc"])))
    (folder / "antes").write_bytes(b"".join(line + end for line, end in lines))
    rewrite(folder / "antes", folder / "depois", changes, None)
    expected = [(changes.get(number, line), end) for number, (line, end) in enumerate(lines, start=1)]
    assert (folder / "depois").read_bytes() == b"".join(line + end for line, end in expected)
    layout = delimited("x", "x_<DDMMAAAA>.csv", ["contrato"])
    found = original_lines(folder / "depois", layout, date(2026, 11, 27), changes)
    assert found == {number: changes[number] for number in sorted(changes)}


def test_what_the_ledger_says_of_a_correction_stays_as_it_was_said_first(site: Site) -> None:
    sha256 = received(site)
    drop_errors(site, errors_of(sha256, {3: "2;AÇORDO"}))
    [first] = site.ledger.corrections(ACORDOS)
    site.moment = datetime(2027, 1, 1, tzinfo=UTC)
    site.ledger.record_correction(first)
    assert site.ledger.corrections(ACORDOS) == [first]
