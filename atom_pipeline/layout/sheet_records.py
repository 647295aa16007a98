"""A layout as a sheet or a copybook describes it, before it is a document: records, fields, doubts.

What records have in common belongs here: names, roles, the constants that tell them apart, the file's stage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from atom_pipeline.layout.model import RecordRole, Stage
from atom_pipeline.layout.sheet_fields import SheetField, is_filler
from atom_pipeline.layout.sheet_files import Doubt

_ROLES = {
    RecordRole.HEADER: re.compile(r"\b(header|cabecalho|abertura|inicio)\b"),
    RecordRole.TRAILER: re.compile(r"\b(trailer|trailler|rodape|fechamento|fecho|fim|encerramento|totalizador)\b"),
}
_ROLE_CODES = {RecordRole.HEADER: "0", RecordRole.DETAIL: "1", RecordRole.TRAILER: "9"}
_TYPE_NUMBER = re.compile(r"\b(?:tipo|type)(?: (?:de )?registro)? (\d{1,2})\b")
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
    """One record type of the sheet. ``length`` in bytes, None in a delimited file; ``match`` is (field, constant).

    ``spoken`` are the plain words of the titles and sheet it stands under. ``composed`` are keys of a layout's
    record that say how records go together, which no sheet says.
    """

    name: str
    sheet: str
    role: RecordRole
    description: str
    fields: list[SheetField]
    length: int | None = None
    match: tuple[str, str] | None = None
    doubts: list[str] = field(default_factory=list)
    spoken: str = ""
    composed: dict[str, Any] = field(default_factory=dict)

    def blocks(self) -> Iterator[list[SheetField]]:
        """The fields in order, each alone but those of one repeating group together."""
        for _, items in groupby(enumerate(self.fields), lambda item: item[1].group or item[0]):
            yield [field for _, field in items]

    def expanded(self) -> list[SheetField]:
        """Every field with groups repeated, as a layout names them: ``<group>_<n>_<field>``."""
        out: list[SheetField] = []
        for block in self.blocks():
            first = block[0]
            if not first.group:
                out.append(first)
                continue
            size = sum(item.width or 0 for item in block)
            for n in range(first.times):
                out += [
                    replace(
                        item,
                        name=f"{item.group}_{n + 1}_{item.name}",
                        start=item.start + n * size if item.start is not None else None,
                        group="",
                        times=1,
                    )
                    for item in block
                ]
        return out

    def size(self) -> int | None:
        """Bytes from the first to the last one of a field; None when no field says its place."""
        return max((item.start + (item.width or 0) - 1 for item in self.expanded() if item.start), default=None)


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
    delimiter_said: bool = True

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


def role_of(spoken: str) -> RecordRole:
    """A record's role by the plain words of its title."""
    return next((role for role, words in _ROLES.items() if words.search(spoken)), RecordRole.DETAIL)


def stage_of(spoken: str, file: str, doubts: list[Doubt]) -> Stage:
    """The file's stage by the plain words of names and titles; what a document needs and no list says is a doubt."""
    text = "`names` is made up, and with `direction: import` no file is collected by this layout until you set them"
    doubts.append(Doubt(file, 0, "", f"the sheet does not say the file's name, stage, key or merge: {text}"))
    stage = next((stage for word, stage in _STAGES.items() if word in spoken), None)
    if stage is None:
        doubts.append(Doubt(file, 0, "", "no stage could be told from the names: historico was taken"))
    return stage or Stage.HISTORICO


def tell_fields_apart(record: SheetRecord) -> None:
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


def name_apart(records: list[SheetRecord]) -> None:
    names: set[str] = set()
    for record in records:
        name, number = record.name, 2
        while record.name in names:
            record.name = f"{name}_{number}"
            number += 1
        names.add(record.name)


def match_apart(records: list[SheetRecord]) -> None:
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
    codes = [_usual_code(record) for record in records]
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


def _usual_code(record: SheetRecord) -> str:
    found = _TYPE_NUMBER.search(record.spoken)
    return found[1] if found else _ROLE_CODES[record.role]
