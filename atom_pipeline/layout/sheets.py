"""``atom layout import``: a spreadsheet's field lists as a layout, with every doubt beside the field it is about.

Making records of field lists belongs here: fixed or delimited, order, gaps, lengths, what tells records apart. The
sheet is read in ``sheet_reading``, a field understood in ``sheet_places`` and ``sheet_fields``, the document written in
``sheet_writing``, and compared with a layout that there is in ``sheet_differences``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from atom_pipeline.layout.model import RecordRole, Stage
from atom_pipeline.layout.sheet_fields import SheetField, field_name, is_filler, understand
from atom_pipeline.layout.sheet_places import Place, measure, placed
from atom_pipeline.layout.sheet_reading import Doubt, FieldList, FieldRow, Workbook, read_field_lists
from atom_pipeline.layout.sheet_words import Column, plain

_TOTALS = frozenset({"total", "tamanho total", "tamanho registro", "tamanho do registro", "total registro"})
_ROLES = {
    RecordRole.HEADER: re.compile(r"\b(header|cabecalho|abertura)\b"),
    RecordRole.TRAILER: re.compile(r"\b(trailer|trailler|rodape|fechamento|encerramento|totalizador)\b"),
}
_ROLE_CODES = {RecordRole.HEADER: "0", RecordRole.DETAIL: "1", RecordRole.TRAILER: "9"}
_TYPE_NUMBER = re.compile(r"\b(?:tipo|type)(?: (?:de )?registro)? (\d{1,2})\b")
_UNNAMED = re.compile(r"(?:plan|planilha|sheet|folha|tabela|table)\d*|.*_csv")
_DELIMITED = re.compile(r"\b(csv|delimitado|delimitador|separador|separado|separados)\b")
_STAGES = {
    "garantia": Stage.GARANTIAS,
    "parcela": Stage.PARCELAS,
    "telefone": Stage.TELEFONES,
    "refin": Stage.REFIN,
    "acordo": Stage.ACORDOS,
    "exclusao": Stage.EXCLUSAO,
    "retirada": Stage.EXCLUSAO,
    "batimento": Stage.BATIMENTO,
    "massiva": Stage.MASSIVA,
    "historico": Stage.HISTORICO,
    "remessa": Stage.REMESSA,
}


@dataclass
class SheetRecord:
    """One record type of the sheet. ``length`` in bytes, None in a delimited file; ``match`` is (field, constant)."""

    name: str
    sheet: str
    role: RecordRole
    description: str
    fields: list[SheetField]
    length: int | None = None
    match: tuple[str, str] | None = None
    doubts: list[str] = field(default_factory=list)


@dataclass
class SheetLayout:
    """A layout as a sheet describes it. ``doubts`` are those about no record; ``all_doubts`` has every one."""

    name: str
    title: str
    file: str
    stage: Stage
    delimiter: str | None  # None: fixed width
    records: list[SheetRecord]
    doubts: list[Doubt] = field(default_factory=list)

    @property
    def fixed(self) -> bool:
        return self.delimiter is None

    def all_doubts(self) -> list[Doubt]:
        """Every doubt: of the sheet, then record by record, field by field."""
        out = list(self.doubts)
        for record in self.records:
            out += [Doubt(record.sheet, 0, record.name, message) for message in record.doubts]
            for item in record.fields:
                out += [Doubt(record.sheet, item.row, item.name, message) for message in item.doubts]
        return out


def read_sheet(path: Path, name: str | None = None) -> SheetLayout:
    """The layout that an .xlsx or .csv of field lists describes. Raises SheetError when there is none to read."""
    book = read_field_lists(path)
    lists = [part for each in book.lists for part in _by_record_column(each)]
    titles = [title for each in book.lists for title in each.titles]
    spoken = plain(" ".join([path.stem, *titles]))
    places = [[measure(row) for row in each.rows] for each in lists]
    fixed = _is_fixed(places, spoken, path, book)
    records = [_record(each, own, lists, fixed=fixed) for each, own in zip(lists, places, strict=True)]
    _name_apart(records)
    if len(records) > 1:
        _match_apart(records, lists)
    stage = next((stage for word, stage in _STAGES.items() if word in plain(name or "") + " " + spoken), None)
    text = (
        "the sheet does not say the file's name, stage, key or merge: `names` is made up, and with `direction: import`"
    )
    book.doubts.append(Doubt(path.name, 0, "", f"{text} no file is collected by this layout until you set them"))
    if stage is None:
        book.doubts.append(Doubt(path.name, 0, "", "no stage could be told from the names: historico was taken"))
    return SheetLayout(
        name or field_name(path.stem),
        titles[0] if titles else path.stem,
        path.name,
        stage or Stage.HISTORICO,
        None if fixed else _delimiter(" ".join(titles), path, book),
        records,
        book.doubts,
    )


def _by_record_column(each: FieldList) -> list[FieldList]:
    """One list per record type where a column names it; else the list itself."""
    kinds = list(dict.fromkeys(row[Column.RECORD] for row in each.rows if row[Column.RECORD]))
    if not kinds:
        return [each]
    parts: dict[str, list[FieldRow]] = {kind: [] for kind in kinds}
    kind = kinds[0]
    for row in each.rows:  # a merged cell names the rows under it too
        kind = row[Column.RECORD] or kind
        parts[kind].append(row)
    return [replace(each, titles=(*each.titles, kind), rows=tuple(rows)) for kind, rows in parts.items()]


def _is_fixed(places: Sequence[Sequence[Place]], spoken: str, path: Path, book: Workbook) -> bool:
    """Whether the fields stand at bytes. Lengths alone may also be those of columns."""
    every = [place for own in places for place in own]
    if any(place.says_position for place in every):
        return True
    measured = all(place.width or place.picture for place in every)
    fixed = measured and not _DELIMITED.search(spoken)
    kind = "fixed width, each field after the one before it" if fixed else "delimited columns"
    book.doubts.append(Doubt(path.name, 0, "", f"the sheet says no positions: taken as {kind}"))
    return fixed


def _delimiter(titles: str, path: Path, book: Workbook) -> str:
    spoken = plain(titles)
    for words, mark in (("ponto e virgula", ";"), ("pipe", "|"), ("tab", "\t"), ("virgula", ",")):
        if re.search(rf"\b{words}", spoken):
            return mark
    quoted = re.search("[\"'(]([;|,])[\"')]", titles)
    if quoted:
        return quoted[1]
    text = "the sheet does not say what parts the columns, nor whether titles stand in the first line: `;` and titles"
    book.doubts.append(Doubt(path.name, 0, "", text))
    return ";"


def _record(each: FieldList, places: list[Place], lists: Sequence[FieldList], *, fixed: bool) -> SheetRecord:
    """The record of a list: its fields in the order of their bytes, gaps filled, length counted."""
    alone = len([other for other in lists if other.sheet == each.sheet]) == 1
    title = each.titles[-1] if each.titles else ""
    named = title if title and (not alone or _UNNAMED.fullmatch(field_name(each.sheet))) else each.sheet
    spoken = plain(f"{each.sheet if alone else ''} {title}")
    role = next((role for role, words in _ROLES.items() if words.search(spoken)), RecordRole.DETAIL)
    name = "_".join(field_name(named).split("_")[:5])
    if len(lists) == 1 and _UNNAMED.fullmatch(field_name(each.sheet)):
        name = "detalhe"
    record = SheetRecord(name, each.sheet, role, title or each.sheet, [])
    pairs = list(zip(each.rows, places, strict=True))
    said: int | None = None
    if pairs and plain(pairs[-1][0][Column.NAME]) in _TOTALS:
        said = pairs.pop()[1].width
    nameless = [row.number for row, _ in pairs if not row[Column.NAME]]
    if nameless:
        record.doubts.append(f"rows without a field's name, not read: {', '.join(map(str, nameless))}")
        pairs = [(row, place) for row, place in pairs if row[Column.NAME]]
    if fixed:
        pairs = _in_order(pairs, record)
    record.fields = [understand(row, place, fixed=fixed) for row, place in pairs]
    if fixed:
        _fill_gaps(record)
        record.length = max(
            (one.start + one.width - 1 for one in record.fields if one.start and one.width), default=None
        )
        if said is not None and said != record.length:
            record.doubts.append(f"the fields fill {record.length} bytes, the sheet says {said} in all")
    _tell_names_apart(record)
    return record


def _in_order(pairs: list[tuple[FieldRow, Place]], record: SheetRecord) -> list[tuple[FieldRow, Place]]:
    starts = [place.start for _, place in pairs if place.start is not None]
    if len(starts) == len(pairs) and starts != sorted(starts):
        record.doubts.append("the rows are not in the order of their positions: they were put into it")
        pairs = sorted(pairs, key=lambda pair: pair[1].start or 0)
    return list(zip([row for row, _ in pairs], placed([place for _, place in pairs]), strict=True))


def _fill_gaps(record: SheetRecord) -> None:
    """Bytes that belong to no field become a field of ours; bytes that belong to two are said, and stay as they are."""
    out: list[SheetField] = []
    cursor = 1
    for item in record.fields:
        start = item.start or cursor
        if start > cursor:
            filler = SheetField(0, f"reservado_{cursor}", "", cursor, start - cursor)
            filler.keys["description"] = "Sem uso na planilha"
            filler.doubts.append(f"bytes {cursor} to {start - 1} are of no field of the sheet: this one was put there")
            out.append(filler)
        elif start < cursor:
            item.doubts.append(f"byte {start} is of the field before it too (up to {cursor - 1}): mend one of both")
        out.append(item)
        cursor = max(cursor, start + (item.width or 0))
    record.fields = out


def _tell_names_apart(record: SheetRecord) -> None:
    seen: dict[str, int] = {}
    taken = {item.name for item in record.fields}
    for item in record.fields:
        name = item.name
        seen[name] = seen.get(name, 0) + 1
        if seen[name] == 1:
            continue
        while f"{name}_{seen[name]}" in taken:
            seen[name] += 1
        item.name = f"{name}_{seen[name]}"
        taken.add(item.name)
        if not is_filler(name):
            item.doubts.append(f"the name {name} stands more than once: this one was numbered")


def _name_apart(records: list[SheetRecord]) -> None:
    names: set[str] = set()
    for record in records:
        name, number = record.name, 2
        while record.name in names:
            record.name = f"{name}_{number}"
            number += 1
        names.add(record.name)


def _match_apart(records: list[SheetRecord], lists: Sequence[FieldList]) -> None:
    """What tells each record from the others: a constant at the same place of all, else the usual 0, 1, 9."""
    constants = [
        {(item.start or place, item.width): item for place, item in enumerate(record.fields) if "equals" in item.keys}
        for record in records
    ]
    for key in constants[0]:
        items = [own[key] for own in constants if key in own]
        if len(items) == len(records) == len({item.keys["equals"] for item in items}):
            for record, item in zip(records, items, strict=True):
                record.match = (item.name, item.keys["equals"])
            return
    codes = [_usual_code(record, each) for record, each in zip(records, lists, strict=True)]
    first = [record.fields[0] for record in records if record.fields]
    alike = len({item.width for item in first}) == 1 and all(
        "registro" in item.name or "tipo" in item.name for item in first
    )
    if alike and len(first) == len(records) == len(set(codes)):
        for record, item, code in zip(records, first, codes, strict=True):
            given = item.keys.setdefault("equals", code.zfill(item.width or 1))
            record.match = (item.name, given)
            item.doubts.append(f"the sheet does not say its constant: {given} was taken, by the record's title")
        return
    for record in records:
        record.doubts.append("nothing tells this record from the others: write its `match`")


def _usual_code(record: SheetRecord, each: FieldList) -> str:
    spoken = plain(" ".join([each.sheet, *each.titles[-1:]]))
    found = _TYPE_NUMBER.search(spoken)
    return found[1] if found else _ROLE_CODES[record.role]
