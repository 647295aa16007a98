"""Error files that a person corrected and dropped again: a new version of the file they are about (R020, FA003, FA006).

An error file has, beside each line as it came (``original``), a mark (``controle``) over the bytes of the version it
was made from and the line's number. A correction applies to that version only, and to the lines the error file was
made with: a row moved, filled down or made from an older version does not fit its mark. What is corrected is the text
of physical lines as ``atom_pipeline.layout.lines`` counts them; whether the lines are good now is for the next run.

Finding the files in the drop and keeping bytes in the archive is in ``collect``. What is made depends on nothing but
the version and the error file, so that the same one seen again, or after a crash, is recognised by the bytes it makes.
Messages name files, lines and columns, never a value.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from atom_pipeline.errors import AtomError
from atom_pipeline.layout import pattern
from atom_pipeline.layout.blocks import printable
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.convert import RecordPlan
from atom_pipeline.layout.delimited import LONGEST_RECORD, column_order
from atom_pipeline.layout.lines import original_lines
from atom_pipeline.layout.model import DelimitedFormat, FixedFormat, Layout, Stage, Version
from atom_pipeline.layout.sniffing import HEAD_BYTES, choose_version
from resources.durable import hash_file, sync_file
from resources.ledger import Ledger
from resources.ledger_records import Arrival, Correction, FileRecord, FileStatus, NewFile, Recorded

# Puts a local file into the archive, unless its bytes are there already, and says where.
Archive = Callable[[Path, NewFile], str]

_UTF8_BOM = b"\xef\xbb\xbf"
_BREAK = printable("\n")  # how a line break within a record stands in an error file
_ESCAPES = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|[nrt])")


class CorrectionRefused(AtomError):
    """A corrected error file that cannot be applied; nothing was changed, and the text says what to do."""


@dataclass(frozen=True)
class CorrectedRow:
    """A row of an error file: where it stands in it (``at``), and its line of the file it is about."""

    at: int
    line: int
    text: str
    mark: str


@dataclass(frozen=True)
class DroppedErrors:
    """An error file found in the drop, already downloaded to ``path``, about the file ``about``."""

    name: str
    about: str
    path: Path


def control_mark(sha256: str, line: int) -> str:
    """The mark of one line of one version of a file. Begins with a letter: no spreadsheet takes it for a number."""
    return "c" + hashlib.blake2b(f"{sha256}:{line}".encode(), digest_size=12).hexdigest()


def errors_layout(catalogue: Catalogue) -> Layout | None:
    """The layout of the portfolio's error files, if it writes them."""
    found = (one for one in catalogue.layouts.values() if one.direction == "out" and one.stage is Stage.ERROS)
    return next(found, None)


def file_corrected_by(catalogue: Catalogue, name: str) -> str | None:
    """The name of the file that an error file of this name is about; None when it is not an error file's name."""
    layout = errors_layout(catalogue)
    for known in layout.names if layout else ():
        stamp = pattern.match(known.pattern, catalogue.portfolio.ascob, name)
        if stamp is not None and "ARQUIVO" in stamp.tokens:
            return stamp.tokens["ARQUIVO"]
    return None


def apply_correction(
    dropped: DroppedErrors, scratch: Path, *, catalogue: Catalogue, ledger: Ledger, archive_root: Path, archive: Archive
) -> Recorded:
    """Make, archive and record the corrected version of a file. ``scratch`` is a path for it that does not exist yet.

    The outcome is ``same`` when no line was changed, or when the same correction was applied before. Raises
    CorrectionRefused, or FileRefused when the file is not of the layout of error files.
    """
    rows = read_error_file(dropped, errors_layout(catalogue))
    versions = ledger.versions(dropped.about)
    if not versions:
        raise CorrectionRefused(
            f"{dropped.name}: nenhum arquivo {dropped.about} foi recebido; devolva o arquivo de erros com o nome que "
            "ele tinha"
        )
    current = versions[0]
    source = version_of(dropped, rows, versions)
    if source is None:
        return Recorded(Arrival.SAME, current, frozenset())
    layout = _layout_of(dropped, source, catalogue)
    archived = archive_root / source.archived_path
    version = _version(archived, layout, source)
    changes = changed_lines(dropped, rows, archived, layout, source, version)
    if not changes:
        return Recorded(Arrival.SAME, current, frozenset())
    rewrite(archived, scratch, changes, _record_length(version))
    sha256 = hash_file(scratch)
    if source.sha256 != current.sha256:
        if any(later.sha256 == sha256 for later in versions if later.version > source.version):
            return Recorded(Arrival.SAME, current, frozenset())
        raise CorrectionRefused(
            f"{dropped.name}: foi feito da versão {source.version} de {dropped.about}, e a atual é a "
            f"{current.version}; refaça o dia e corrija o arquivo de erros novo, se houver"
        )
    if current.status is not FileStatus.CURRENT:
        raise CorrectionRefused(
            f"{dropped.name}: {dropped.about} tem os mesmos bytes de outro arquivo do dia, que é o usado; corrija o "
            "arquivo de erros do outro"
        )
    new = NewFile(
        name=source.name,
        layout=source.layout,
        day=source.day,
        sha256=sha256,
        size=scratch.stat().st_size,
        archived_path="",
        stamp=source.stamp,
    )
    # The order matters: with the bytes kept and the correction known, a crash before the last step repeats it, and the
    # file as it came, which is still in the drop, never takes the corrected version's place.
    kept = archive(dropped.path, _error_file(dropped, catalogue, source))
    new = replace(new, archived_path=archive(scratch, new))
    ledger.record_correction(Correction(source.name, sha256, source.sha256, len(changes), kept))
    return ledger.record_file(new)


def read_error_file(dropped: DroppedErrors, layout: Layout | None) -> list[CorrectedRow]:
    """The rows of an error file, text exact: blanks at its end are part of a line.

    A UTF-8 mark at the beginning, which spreadsheets write, is no fault. Raises CorrectionRefused, FileRefused.
    """
    if layout is None:
        raise CorrectionRefused(f"{dropped.name}: a carteira não tem layout de arquivo de erros")
    version = layout.versions[-1]
    shape, record = version.format, version.details[0]
    if not isinstance(shape, DelimitedFormat):
        raise CorrectionRefused(f"{dropped.name}: o layout {layout.layout} não é delimitado, e não pode ser devolvido")
    encoding = "utf-8-sig" if shape.encoding == "utf-8" else shape.encoding
    rows: list[CorrectedRow] = []
    try:
        with dropped.path.open(encoding=encoding, newline="") as stream:
            reader = csv.reader(stream, delimiter=shape.delimiter, quotechar=shape.quote or None, strict=True)
            columns = column_order(RecordPlan(record), next(reader, []), dropped.name, 1)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    rows.append(_row(dropped, columns, cells, reader.line_num))
    except UnicodeDecodeError as error:
        raise CorrectionRefused(
            f"{dropped.name}: não está em {shape.encoding} (byte {error.start}); grave como CSV UTF-8"
        ) from error
    except csv.Error as error:
        raise CorrectionRefused(
            f"{dropped.name}: não é um CSV do layout {layout.layout}; confira as aspas e o separador"
        ) from error
    return rows


def _row(dropped: DroppedErrors, columns: Sequence[str], cells: Sequence[str], at: int) -> CorrectedRow:
    where = f"{dropped.name}:{at}"
    if len(cells) != len(columns):
        raise CorrectionRefused(f"{where}: {len(cells)} colunas; o arquivo de erros tem {len(columns)}")
    values = dict(zip(columns, cells, strict=True))
    if values["arquivo"] != dropped.about:
        raise CorrectionRefused(f"{where}: a coluna `arquivo` não é {dropped.about}; devolva só as linhas dele")
    if not re.fullmatch("[1-9][0-9]{0,17}", values["linha"], re.ASCII):
        raise CorrectionRefused(f"{where}: a coluna `linha` não é o número de uma linha; deixe-a como veio")
    text = values["original"]
    if "\n" in text or "\r" in text:
        raise CorrectionRefused(f"{where}: a coluna `original` tem uma quebra de linha; escreva-a em uma linha só")
    return CorrectedRow(at, int(values["linha"]), text, values["controle"])


def version_of(
    dropped: DroppedErrors, rows: Sequence[CorrectedRow], versions: Sequence[FileRecord]
) -> FileRecord | None:
    """The version (of those, newest first) that every row's mark is of; None when there are no rows."""
    fitting = list(versions)
    for row in rows:
        fitting = [version for version in fitting if control_mark(version.sha256, row.line) == row.mark]
        if not fitting:
            raise CorrectionRefused(
                f"{dropped.name}:{row.at}: `linha` e `controle` não são as de um arquivo de erros de "
                f"{dropped.about}, ou são de versões diferentes dele; mude só a coluna `original`"
            )
    return fitting[0] if rows else None


def _layout_of(dropped: DroppedErrors, source: FileRecord, catalogue: Catalogue) -> Layout:
    layout = catalogue.layouts.get(source.layout)
    if layout is None:
        raise CorrectionRefused(f"{dropped.name}: o layout {source.layout}, de {dropped.about}, não existe mais")
    if source.excel:
        raise CorrectionRefused(
            f"{dropped.name}: {dropped.about} é uma planilha, que não se corrige por linhas; corrija a planilha e "
            "mande-a de novo com o mesmo nome"
        )
    return layout


def changed_lines(
    dropped: DroppedErrors,
    rows: Sequence[CorrectedRow],
    archived: Path,
    layout: Layout,
    source: FileRecord,
    version: Version,
) -> dict[int, bytes]:
    """The new bytes, without line break, of the lines whose text was changed. Raises CorrectionRefused."""
    encoding = version.format.encoding
    wanted = {row.line + more for row in rows for more in range(min(row.text.count(_BREAK), LONGEST_RECORD) + 1)}
    lines = original_lines(archived, layout, source.day, wanted)
    changes: dict[int, bytes] = {}
    for row in rows:
        where = f"{dropped.name}:{row.at}: linha {row.line} de {dropped.about}"
        if row.line not in lines:
            raise CorrectionRefused(f"{where}: o arquivo não tem essa linha; mude só a coluna `original`")
        mark = _UTF8_BOM if row.line == 1 and encoding == "utf-8" and lines[1].startswith(_UTF8_BOM) else b""
        content = [lines[number].removeprefix(mark) for number in _following(row, lines)]
        told = [line.decode(encoding, "backslashreplace") for line in content]
        given = printable(told[0])
        if row.text in {told[0], *(_BREAK.join(map(printable, told[:many])) for many in range(1, len(told) + 1))}:
            continue
        _refuse_leftovers(row.text, content[0].decode(encoding, "replace"), given, where)
        try:
            changed = mark + row.text.encode(encoding)
        except UnicodeEncodeError as error:
            raise CorrectionRefused(
                f"{where}: o caractere {error.start + 1} não existe em {encoding}, a codificação do arquivo; troque-o"
            ) from error
        if not row.text.strip():
            raise CorrectionRefused(f"{where}: a coluna `original` está em branco; uma linha não se apaga por aqui")
        if _record_length(version) is not None and len(changed) != len(lines[row.line]):
            raise CorrectionRefused(
                f"{where}: tem {len(changed)} bytes e tinha {len(lines[row.line])}; o arquivo não tem quebras de "
                "linha, e o tamanho não pode mudar"
            )
        if changes.setdefault(row.line, changed) != changed:
            raise CorrectionRefused(f"{where}: foi corrigida de duas maneiras; deixe uma só")
    return changes


def _following(row: CorrectedRow, lines: Mapping[int, bytes]) -> Iterator[int]:
    """The row's line and, for a record over several, those after it that its text may be of."""
    number = row.line
    while number in lines and number <= row.line + row.text.count(_BREAK):
        yield number
        number += 1


def _refuse_leftovers(text: str, line: str, given: str, where: str) -> None:
    """Refuse a text that still has what an error file writes for bytes that cannot stand in it (see ``printable``)."""
    left = [mark for mark in _ESCAPES.findall(given) if mark in text and mark not in line]
    if left:
        raise CorrectionRefused(
            f"{where}: ainda tem {left[0]}, que está no lugar de um byte que não se pode escrever; troque por espaço"
        )
    if _BREAK in text and _BREAK not in line:
        raise CorrectionRefused(
            f"{where}: o registro ocupa várias linhas do arquivo, e não se corrige por aqui; corrija o próprio arquivo "
            "e mande-o de novo com o mesmo nome"
        )


def rewrite(source: Path, target: Path, changes: Mapping[int, bytes], record_length: int | None) -> None:
    """Copy a file to a path that does not exist yet, with those lines' bytes in place of theirs, line breaks kept."""
    with source.open("rb") as stream, target.open("xb") as out:
        for number, line in enumerate(_physical(stream, record_length), start=1):
            changed = changes.get(number)
            if changed is None:
                out.write(line)
            else:
                content = line if record_length else line.removesuffix(b"\n").removesuffix(b"\r")
                out.write(changed + line[len(content) :])
    sync_file(target)


def _physical(stream: BinaryIO, record_length: int | None) -> Iterator[bytes]:
    """Lines with their breaks, or records of a file that has none."""
    if record_length is None:
        yield from stream
        return
    while record := stream.read(record_length):
        yield record


def _version(archived: Path, layout: Layout, source: FileRecord) -> Version:
    with archived.open("rb") as stream:
        return choose_version(layout, source.day, stream.read(HEAD_BYTES))


def _record_length(version: Version) -> int | None:
    shape = version.format
    return version.records[0].length if isinstance(shape, FixedFormat) and shape.newline == "none" else None


def _error_file(dropped: DroppedErrors, catalogue: Catalogue, source: FileRecord) -> NewFile:
    """The error file itself, kept in the archive of the day: it says who changed what."""
    layout = errors_layout(catalogue)
    return NewFile(
        name=dropped.name,
        layout=layout.layout if layout else Stage.ERROS.value,
        day=source.day,
        sha256=hash_file(dropped.path),
        size=dropped.path.stat().st_size,
        archived_path="",
    )
