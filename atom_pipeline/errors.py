"""The errors of the core: structure, data and program are different classes, since a person mends each differently.

A ``StructureError`` is mended in a YAML document, a ``FileRefused`` or a ``RecordError`` by the sender of the data, a
``ProgramError`` in the code. None of them is mended by trying again. Errors of servers and networks, which may be, do
not belong here: they are in ``resources``. No message holds personal data: file, line, field and remedy only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class AtomError(Exception):
    """What this application raises on purpose; its text is meant for a person.

    ``retry_helps`` says whether the same may succeed later without anybody doing something. It does not by default: a
    document, a file or a decision stays as it is until a person changes it. Errors of servers and locks say True.
    """

    retry_helps: bool = False


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong with a document: where, and what to do about it."""

    file: str
    line: int  # from 1
    path: str  # the key's path in the document, e.g. versions[0].records[1].fields[2].width; may be empty
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: "
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


class StructureError(AtomError):
    """Documents (layouts, portfolios) are wrong. Carries every finding at once, ordered by file and line."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: tuple[Finding, ...] = tuple(sorted(set(findings)))
        super().__init__("\n".join(str(finding) for finding in self.findings))

    def __reduce__(self) -> tuple[type[StructureError], tuple[tuple[Finding, ...]]]:
        return type(self), (self.findings,)


class FileRefused(AtomError):
    """A data file is refused whole (FA001): the base stays as it was.

    ``code`` is the reason that operators and the bank read, in Portuguese (FORA_DO_LAYOUT, TRAILER_DIVERGE, ...);
    ``message`` says what was found, with numbers; ``remedy`` what to do next; ``file`` and ``line`` where.
    """

    def __init__(self, code: str, message: str, remedy: str = "", *, file: str = "", line: int | None = None) -> None:
        self.code = code
        self.message = message
        self.remedy = remedy
        self.file = file
        self.line = line
        where = f"{file}:{line}" if file and line is not None else file
        super().__init__(f"{f'{where}: ' if where else ''}{code}: {message}{f' ({remedy})' if remedy else ''}")

    def __reduce__(self) -> tuple[object, ...]:
        return _file_refused, (self.code, self.message, self.remedy, self.file, self.line)


def _file_refused(code: str, message: str, remedy: str, file: str, line: int | None) -> FileRefused:
    """Rebuild the error in another process."""
    return FileRefused(code, message, remedy, file=file, line=line)


class RecordError(AtomError):
    """Records given to a writer do not fit the layout: a value too long, a column unknown, a required one missing."""


class ProgramError(AtomError):
    """An invariant of the program does not hold, e.g. accepted + refused = read: a defect, not bad data."""
