"""Header and trailer: where they stand, what they say, and whether the file agrees (FAULTS 20).

Counts are of lines as they stand in the file, refused ones too; sums are over the lines whose value could be read.
What is wrong here refuses the file whole: CABECALHO_DIVERGE or TRAILER_DIVERGE, with both numbers, and FORA_DO_LAYOUT
when not one line is of the layout.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.batches import Batch, LineFault, Portion
from atom_pipeline.layout.model import Record, RecordRole, Severity, Total, Version

_CODES = {RecordRole.HEADER: "CABECALHO_DIVERGE", RecordRole.TRAILER: "TRAILER_DIVERGE"}
_WORDS = {RecordRole.HEADER: "o cabeçalho", RecordRole.TRAILER: "o trailer"}
_STRUCTURAL = frozenset({"TAMANHO", "REGISTRO_DESCONHECIDO", "COLUNAS"})
_OTHER = "confira se o arquivo é deste layout e desta versão"
_REMEDY = "peça ao banco o arquivo inteiro"


class Tally:
    """Counts and sums a file while it is read. ``header`` and ``trailer`` are the values found, by field."""

    def __init__(self, version: Version, name: str) -> None:
        self._version = version
        self._name = name
        self._roles = {record.name: record.role for record in version.records}
        self._records = [record for record in version.records if record.totals]
        self._summed: dict[str, list[str]] = {}
        for record in self._records:
            for total in record.totals:
                if total.sum_of is not None:
                    of, field = total.sum_of.split(".")
                    self._summed.setdefault(of, []).append(field)
        self._counts: Counter[str] = Counter()
        self._sums: dict[str, Any] = defaultdict(int)
        self._unreadable: Counter[str] = Counter()
        self._found: dict[RecordRole, dict[str, Any]] = {}
        self._places: dict[RecordRole, int] = {}
        self._last_line = 0
        self._strange: list[LineFault] = []  # the first of them
        self._strangers = 0  # detail lines that are no record of the layout
        self.lines = 0
        self.rows_read = 0

    @property
    def header(self) -> dict[str, Any] | None:
        return self._found.get(RecordRole.HEADER)

    @property
    def trailer(self) -> dict[str, Any] | None:
        return self._found.get(RecordRole.TRAILER)

    def add(self, portion: Portion) -> None:
        """Take in a portion. Raises FileRefused for a faulty header or trailer, or one that stands elsewhere."""
        self.lines += portion.physical_lines
        for batch in portion.batches:
            self._counts[batch.plan.name] += len(batch.lines)
            self._last_line = max(self._last_line, int(batch.lines[-1]))
            if batch.plan.record.role is RecordRole.DETAIL:
                self.rows_read += len(batch.lines)
                self._sum(batch)
            else:
                self._keep(batch)
        for fault in portion.faults:
            self._last_line = max(self._last_line, fault.line)
            if fault.record:
                self._counts[fault.record] += 1
                for field in self._summed.get(fault.record, ()):
                    self._unreadable[f"{fault.record}.{field}"] += 1
            role = self._roles.get(fault.record, RecordRole.DETAIL)
            if role is RecordRole.DETAIL:
                self.rows_read += 1
                if fault.reason in _STRUCTURAL:
                    self._strangers += 1
                    self._strange = self._strange or [fault]
            else:
                raise self._refused(role, f"{_WORDS[role]} não é legível: {_told(fault)}", fault.line)

    def _sum(self, batch: Batch) -> None:
        for field in self._summed.get(batch.plan.name, ()):
            self._sums[f"{batch.plan.name}.{field}"] += batch.decoded.frame[field].sum() or 0
            self._unreadable[f"{batch.plan.name}.{field}"] += sum(
                len(fault.rows) for fault in batch.decoded.faults if fault.field == field and fault.reason == "TIPO"
            )

    def _keep(self, batch: Batch) -> None:
        role, line = batch.plan.record.role, int(batch.lines[-1])
        if role in self._found or len(batch.lines) > 1:
            raise self._refused(role, f"{_WORDS[role]} aparece mais de uma vez", line)
        for fault in batch.decoded.faults:
            if fault.severity is Severity.REFUSE:
                detail = f"{fault.field}: {fault.reason} ({fault.details[0]})"
                raise self._refused(role, f"{_WORDS[role]} não confere: {detail}", line)
        self._found[role] = batch.decoded.frame.row(0, named=True)
        self._places[role] = line

    def verify(self) -> None:
        """Compare the file with its layout, its header and its trailer. Raises FileRefused, with both numbers."""
        if not self.lines:
            return
        if self.rows_read and self._strangers == self.rows_read:
            message = f"nenhuma das {self.rows_read} linhas é do layout; a primeira: {_told(self._strange[0])}"
            raise FileRefused("FORA_DO_LAYOUT", message, _OTHER, file=self._name, line=self._strange[0].line)
        for record in self._version.records:
            if record.role is RecordRole.DETAIL:
                continue
            if record.role not in self._found:
                if record.required:
                    raise self._refused(record.role, f"falta {_WORDS[record.role]} em {self.lines} linhas", None)
                continue
            self._verify_place(record.role)
            for total in record.totals:
                self._verify_total(record, total)

    def _verify_place(self, role: RecordRole) -> None:
        place = self._places[role]
        if role is RecordRole.HEADER and place != 1:
            raise self._refused(role, f"o cabeçalho está na linha {place}, não na primeira", place)
        if role is RecordRole.TRAILER and place != self._last_line:
            raise self._refused(role, f"o trailer está na linha {place} e o arquivo vai até a {self._last_line}", place)

    def _verify_total(self, record: Record, total: Total) -> None:
        said = self._found[record.role][total.field]
        said = int(said) if isinstance(said, str) else said
        note = ""
        if total.sum_of is not None:
            have: int | Decimal = self._sums[total.sum_of]
            what = f"a soma de {total.sum_of}"
            if self._unreadable[total.sum_of]:
                note = f"; em {self._unreadable[total.sum_of]} linhas recusadas o valor não é legível"
        else:
            have = self.lines if total.count == ("*",) else sum(self._counts[name] for name in total.count)
            what = "a contagem de " + ("linhas" if total.count == ("*",) else ", ".join(total.count))
        if said is None or Decimal(said) != Decimal(have):
            says = "nada" if said is None else said
            message = f"{total.field}: {what} é {have} no arquivo e {says} n{_WORDS[record.role]}{note}"
            raise self._refused(record.role, message, self._places[record.role])

    def _refused(self, role: RecordRole, message: str, line: int | None) -> FileRefused:
        return FileRefused(_CODES[role], message, _REMEDY, file=self._name, line=line)


def _told(fault: LineFault) -> str:
    return f"{fault.reason} ({fault.detail})"
