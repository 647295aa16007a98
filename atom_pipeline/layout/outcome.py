"""What came of reading a file beside its accepted rows: refused lines, flags, counts, and whether it is refused whole.

``Findings`` gathers it portion by portion, for ``reading`` (frames) and ``storing`` (Parquet) alike. Every row is
accepted or refused: ``rows_read == rows_accepted + rows_refused``, always.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from atom_pipeline.errors import FileRefused, ProgramError
from atom_pipeline.layout.model import Layout, Version
from atom_pipeline.layout.rejects import FLAGS_SCHEMA, Reject, rejects_frame

if TYPE_CHECKING:
    from atom_pipeline.layout.reading import FileReader

# Below this many rows a share says nothing: one bad row of ten is no reason to refuse a file.
SMALLEST_SHARED = 20
MAX_REFUSED_BYTES = 512 * 1024 * 1024  # of refused lines kept in memory; a file with more of them is not of the layout


@dataclass(frozen=True)
class ReadPortion:
    """A part of a file: accepted rows by record type, refused lines, flags of accepted rows."""

    frames: dict[str, pl.DataFrame]
    rejects: list[Reject]
    flags: pl.DataFrame
    rows_read: int


@dataclass(frozen=True)
class FileOutcome:
    """What came of reading a file, the accepted rows aside.

    ``rejects`` has one row per refused line: the first fault in ``campo`` and ``motivo``, the others in ``outros``.
    ``flags`` are faults of rows that were kept. Counts are of rows: detail lines, those that join another one not
    counted. ``lots`` are the headers and trailers of lots, by record type. ``version`` is the one the file follows.
    """

    layout: Layout
    version: Version
    name: str
    header: dict[str, Any] | None
    trailer: dict[str, Any] | None
    lots: dict[str, pl.DataFrame]
    rejects: pl.DataFrame
    flags: pl.DataFrame
    rows_read: int
    rows_accepted: int
    rows_refused: int
    refused_by_reason: dict[str, int]


class Findings:
    """What is gathered of a file beside its accepted rows, portion by portion."""

    def __init__(self, reader: FileReader) -> None:
        self._reader = reader
        self._rejects: list[Reject] = []
        self._flags: list[pl.DataFrame] = []
        self._kept_bytes = 0

    def add(self, portion: ReadPortion) -> None:
        """Take in a portion. Raises FileRefused MUITAS_RECUSAS when the refused lines fill the memory."""
        self._rejects.extend(portion.rejects)
        self._flags.append(portion.flags)
        self._kept_bytes += sum(len(reject.original) for reject in portion.rejects)
        if self._kept_bytes > MAX_REFUSED_BYTES:
            message = f"{len(self._rejects)} linhas recusadas, e o arquivo não acabou"
            raise file_refused(self._reader, "MUITAS_RECUSAS", message)

    def repeated_keys(self, frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
        """Refuse or flag the rows whose key stands again further down; the lines of those that are refused.

        ``frames`` has a frame for each detail record type with the key, ``linha`` and ``registro`` of accepted rows.
        """
        layout = self._reader.layout
        repeated = _repeated(layout, frames)
        if layout.unique == "refuse" and repeated.height:
            self._rejects.extend(_refuse_repeated(self._reader, repeated))
            gone = repeated.select("linha")
            self._flags = [flags.join(gone, on="linha", how="anti") for flags in self._flags]
            return gone
        if repeated.height:
            self._flags.append(repeated.select(list(FLAGS_SCHEMA)))
        return pl.DataFrame(schema={"linha": pl.UInt32()})

    def outcome(self, accepted: int) -> FileOutcome:
        """Put it together and prove that no row was lost. Raises ProgramError."""
        reader, read = self._reader, self._reader.rows_read
        if accepted + len(self._rejects) != read:
            raise ProgramError(f"{reader.name}: {accepted} accepted + {len(self._rejects)} refused is not {read} read")
        reasons = Counter(reject.reason for reject in self._rejects)
        return FileOutcome(
            layout=reader.layout,
            version=reader.version,
            name=reader.name,
            header=reader.tally.header,
            trailer=reader.tally.trailer,
            lots=reader.tally.lots,
            rejects=rejects_frame(self._rejects),
            flags=stack(self._flags, FLAGS_SCHEMA).sort("linha", maintain_order=True),
            rows_read=read,
            rows_accepted=accepted,
            rows_refused=len(self._rejects),
            refused_by_reason=dict(sorted(reasons.items())),
        )


def refuse_too_many(outcome: FileOutcome) -> None:
    """Raise FileRefused MUITAS_RECUSAS, with ``outcome`` as its ``reading``, for a file with too many refused rows."""
    read, refused = outcome.rows_read, outcome.rows_refused
    if not too_many_refused(outcome.layout.max_rejects, read, refused):
        return
    counts = Counter(outcome.refused_by_reason).most_common()
    told = ", ".join(f"{reason} {count}" for reason, count in counts)
    limit = f"{outcome.layout.max_rejects:.2%}"
    message = f"{refused} de {read} linhas recusadas, limite {limit}: {told}"
    refusal = FileRefused("MUITAS_RECUSAS", message, _remedy(outcome.layout), file=outcome.name)
    refusal.reading = outcome  # type: ignore[attr-defined]
    raise refusal


def too_many_refused(max_rejects: float, read: int, refused: int) -> bool:
    """Whether the refused rows refuse the file.

    A limit of 0 means not one. Otherwise a file under 20 rows is refused only when nothing of it is left, and a larger
    one when the share of refused rows is above the limit; a limit of 1 never refuses.
    """
    if max_rejects == 0:
        return refused > 0
    if read < SMALLEST_SHARED:
        return 0 < refused == read and max_rejects < 1
    return refused > max_rejects * read


def _repeated(layout: Layout, frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Flags, with ``registro``, of the rows whose key stands again further down in the same record type."""
    parts = [pl.DataFrame(schema={**FLAGS_SCHEMA, "registro": pl.String()})]
    if layout.key and layout.unique != "allow":
        key = pl.struct(layout.key) if len(layout.key) > 1 else pl.col(layout.key[0])
        whole = pl.all_horizontal(pl.col(name).is_not_null() for name in layout.key)
        for frame in frames.values():
            earlier = frame.filter(whole & ~key.is_last_distinct())
            campo, motivo = pl.lit(", ".join(layout.key)), pl.lit("CHAVE_REPETIDA")
            parts.append(earlier.select("linha", campo.alias("campo"), motivo.alias("motivo"), "registro"))
    return pl.concat(parts)


def _refuse_repeated(reader: FileReader, repeated: pl.DataFrame) -> Iterator[Reject]:
    originals = reader.originals(set(repeated["linha"]))
    for line, field_, reason, record in repeated.iter_rows():
        yield Reject(line, record, field_, reason, "a chave está de novo mais abaixo no arquivo", "", originals[line])


def stack(frames: list[pl.DataFrame], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.concat(frames) if frames else pl.DataFrame(schema=schema)


def file_refused(reader: FileReader, code: str, message: str) -> FileRefused:
    return FileRefused(code, message, _remedy(reader.layout), file=reader.name)


def _remedy(layout: Layout) -> str:
    return f"confira se o arquivo é de {layout.layout} ({layout.title}) e peça ao banco um novo"
