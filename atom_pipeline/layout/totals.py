"""Header, trailer and lots: where they stand, what they say, and whether the file agrees (FAULTS 20).

Counts are of lines as they stand in the file, refused ones too; sums are over the lines whose value could be read.
What is wrong here refuses the file whole: CABECALHO_DIVERGE, TRAILER_DIVERGE or LOTE_DIVERGE, with both numbers,
SEQUENCIA_DIVERGE (``sequences``), and FORA_DO_LAYOUT when not one line is of the layout.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.batches import Batch, LineFault, Portion
from atom_pipeline.layout.lots import LotTally
from atom_pipeline.layout.model import DelimitedFormat, Numbered, Record, RecordRole, Severity, Total, Version
from atom_pipeline.layout.scopes import Scope, count_batch, words
from atom_pipeline.layout.sequences import Counting, numbers_of, sequence_field

CODES = {
    RecordRole.HEADER: "CABECALHO_DIVERGE",
    RecordRole.LOT_HEADER: "LOTE_DIVERGE",
    RecordRole.LOT_TRAILER: "LOTE_DIVERGE",
    RecordRole.TRAILER: "TRAILER_DIVERGE",
}
WORDS = {
    RecordRole.HEADER: "o cabeçalho",
    RecordRole.LOT_HEADER: "o cabeçalho do lote",
    RecordRole.LOT_TRAILER: "o trailer do lote",
    RecordRole.TRAILER: "o trailer",
}
OF_LOTS = frozenset({RecordRole.LOT_HEADER, RecordRole.LOT_TRAILER})
_STRUCTURAL = frozenset({"TAMANHO", "REGISTRO_DESCONHECIDO", "COLUNAS"})
_OTHER = "confira se o arquivo é deste layout e desta versão"
_REMEDY = "peça ao banco o arquivo inteiro"


class Tally:
    """Counts and sums a file while it is read. ``header`` and ``trailer`` are the values found, by field."""

    def __init__(self, version: Version, name: str) -> None:
        self._version = version
        self._name = name
        self._roles = {record.name: record.role for record in version.records}
        ends = [record for record in version.records if record.role in {RecordRole.HEADER, RecordRole.TRAILER}]
        self._scope = Scope(ends)
        self._counting = [
            Counting(Numbered.LINES, field.sequence.start, name)
            for record in version.records
            if (field := sequence_field(record, Numbered.LINES)) is not None and field.sequence is not None
        ][:1]
        self._lots = LotTally(version, self) if version.of_role(RecordRole.LOT_HEADER) else None
        self._found: dict[RecordRole, dict[str, Any]] = {}
        self._places: dict[RecordRole, int] = {}
        self._last_line = 0
        self._strange: list[LineFault] = []  # the first of them
        self._strangers = 0  # detail lines that are no record of the layout
        self.detail_lines = 0

    @property
    def lines(self) -> int:
        return self._scope.lines

    @property
    def header(self) -> dict[str, Any] | None:
        return self._found.get(RecordRole.HEADER)

    @property
    def trailer(self) -> dict[str, Any] | None:
        return self._found.get(RecordRole.TRAILER)

    @property
    def lots(self) -> dict[str, pl.DataFrame]:
        """The lines of lot headers and lot trailers by record type, with ``linha``; empty where there are no lots."""
        return self._lots.frames() if self._lots else {}

    def add(self, portion: Portion) -> None:
        """Take in a portion. Raises FileRefused for what disagrees already: a faulty header, a number out of order."""
        self._scope.lines += portion.physical_lines
        for batch in portion.batches:
            self._last_line = max(self._last_line, int(batch.lines[-1]))
            role = batch.plan.record.role
            count_batch(self._scope, batch)
            if role is RecordRole.DETAIL:
                self.detail_lines += len(batch.lines)
            else:
                self._refuse_faults(batch)
                if role not in OF_LOTS:
                    self._keep(batch)
        for fault in portion.faults:
            self._last_line = max(self._last_line, fault.line)
            if fault.record:
                self._scope.count(fault.record, 1)
            role = self._roles.get(fault.record, RecordRole.DETAIL)
            if role is not RecordRole.DETAIL:
                raise self.refused(role, f"{WORDS[role]} não é legível: {_told(fault)}", fault.line)
            self.detail_lines += 1
            if fault.reason in _STRUCTURAL:
                self._strangers += 1
                self._strange = self._strange or [fault]
        for counting in self._counting:
            counting.follow(numbers_of(self._version, Numbered.LINES, portion))
        if self._lots:
            self._lots.add(portion, self._name)

    def _refuse_faults(self, batch: Batch) -> None:
        role = batch.plan.record.role
        for fault in batch.decoded.faults:
            if fault.severity is Severity.REFUSE:
                detail = f"{fault.field}: {fault.reason} ({fault.details[0]})"
                raise self.refused(role, f"{WORDS[role]} não confere: {detail}", int(batch.lines[fault.rows[0]]))

    def _keep(self, batch: Batch) -> None:
        role, line = batch.plan.record.role, int(batch.lines[-1])
        if role in self._found or len(batch.lines) > 1:
            raise self.refused(role, f"{WORDS[role]} aparece mais de uma vez", line)
        self._found[role] = batch.decoded.frame.row(0, named=True)
        self._places[role] = line

    def verify(self) -> None:
        """Compare the file with its layout, its header and its trailer. Raises FileRefused, with both numbers."""
        if not self.lines:
            return
        if self.detail_lines and self._strangers == self.detail_lines:
            message = f"nenhuma das {self.detail_lines} linhas é do layout; a primeira: {_told(self._strange[0])}"
            raise FileRefused("FORA_DO_LAYOUT", message, _OTHER, file=self._name, line=self._strange[0].line)
        if self._lots:
            self._lots.finish(self._last_line)
        for role in (RecordRole.HEADER, RecordRole.TRAILER):
            record = self._version.of_role(role)
            if record is None:
                continue
            if role not in self._found:
                if record.required:
                    raise self.refused(role, f"falta {WORDS[role]} em {self.lines} linhas", None)
                continue
            self._verify_place(role)
            for total in record.totals:
                self.verify_total(record, total, self._scope, self._found[role], self._places[role])

    def _verify_place(self, role: RecordRole) -> None:
        place = self._places[role]
        shape = self._version.format
        first = 2 if isinstance(shape, DelimitedFormat) and shape.header else 1
        if role is RecordRole.HEADER and place != first:
            where = "primeira" if first == 1 else "segunda, depois dos títulos"
            raise self.refused(role, f"o cabeçalho está na linha {place}, não na {where}", place)
        if role is RecordRole.TRAILER and place != self._last_line:
            raise self.refused(role, f"o trailer está na linha {place} e o arquivo vai até a {self._last_line}", place)

    def verify_total(self, record: Record, total: Total, scope: Scope, found: dict[str, Any], line: int) -> None:
        """Compare a total with what was counted. Raises FileRefused, with both numbers."""
        said = found[total.field]
        said = int(said) if isinstance(said, str) else said
        have = scope.value(total)
        if said is None or Decimal(said) != Decimal(have):
            note = ""
            if scope.unreadable[total]:
                note = f"; em {scope.unreadable[total]} linhas recusadas o valor não é legível"
            says = "nada" if said is None else said
            where = "no lote" if record.role is RecordRole.LOT_TRAILER else "no arquivo"
            message = f"{total.field}: {words(total)} é {have} {where} e {says} n{WORDS[record.role]}{note}"
            raise self.refused(record.role, message, line)

    def refused(self, role: RecordRole, message: str, line: int | None) -> FileRefused:
        """The refusal of the file for what is wrong with a record of that role."""
        return FileRefused(CODES[role], message, _REMEDY, file=self._name, line=line)


def _told(fault: LineFault) -> str:
    return f"{fault.reason} ({fault.detail})"
