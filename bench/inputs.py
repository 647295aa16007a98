"""The files that are read: rows of the sample, made once per size under a folder, the same bytes from the same seed.

A file holds the detail rows of one record type alone, since a peer cannot tell record types apart. Its layout is that
record's, without header, trailer and key. The sample's rows have accents nearly everywhere: one shape of each file has
none, the other keeps them in a fifth of the rows.
"""

from __future__ import annotations

import tempfile
import unicodedata
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atom_pipeline.layout.catalogue import load_catalogue
from atom_pipeline.layout.model import Layout
from atom_pipeline.sample import generate

DAY = date(2026, 11, 23)
LAYOUTS = Path(__file__).parents[1] / "layouts" / "banco_pan_veiculos"
SEED = 20261123
CONTRACTS = 4_000  # of the sample; their rows are repeated under numbers of their own until the file is large enough
ACCENTED = 5  # one row of so many keeps its accents
SHAPES = {"280 fields": ("remessa_assessoria", "detalhe"), "20 fields": ("remessa_garantias", "bem")}


@dataclass(frozen=True)
class Input:
    """A file to read: ``rows`` lines of ``width`` bytes (line breaks not counted)."""

    shape: str
    accents: bool
    path: Path
    layout: Layout
    rows: int
    width: int

    @property
    def bytes(self) -> int:
        return self.rows * (self.width + 1)


def record_layout(layout: Layout, name: str) -> Layout:
    """A layout of one of the record types of another, alone, without a key."""
    version = layout.versions[-1]
    record = version.record(name).model_copy(update={"match": None})
    alone = version.model_copy(update={"records": (record,)})
    return layout.model_copy(update={"versions": (alone,), "key": (), "unique": "allow", "max_rejects": 1.0})


def make_input(shape: str, *, accents: bool, megabytes: float, folder: Path) -> Input:
    """The file of a shape, made if it is not there."""
    name, record_name = SHAPES[shape]
    layout = record_layout(load_catalogue(LAYOUTS).layouts[name], record_name)
    record = layout.versions[-1].records[0]
    width = record.length or 0
    rows = int(megabytes * 1e6 / (width + 1))
    path = folder / f"{name}_{'accents' if accents else 'ascii'}_{rows}.txt"
    made = Input(shape, accents, path, layout, rows, width)
    if not path.exists() or path.stat().st_size != made.bytes:
        folder.mkdir(parents=True, exist_ok=True)
        _write(made, _sample_rows(name, record_name, width))
    return made


@lru_cache
def _sample_rows(layout: str, record_name: str, width: int) -> npt.NDArray[np.uint8]:
    """Rows of the sample, one array row each: those of the record type and of its length."""
    catalogue = load_catalogue(LAYOUTS)
    match = catalogue.layouts[layout].versions[-1].record(record_name).match
    with tempfile.TemporaryDirectory() as folder:
        generate(catalogue, contracts=CONTRACTS, days=1, seed=SEED, target=Path(folder))
        pattern = {"remessa_assessoria": "*_remessa_*", "remessa_garantias": "*_garantias_*"}[layout]
        [path] = Path(folder).glob(pattern)
        lines = path.read_bytes().split(b"\r\n")
    kind = (match.equals if match else "").encode()
    rows = [line for line in lines if len(line) == width and line.startswith(kind)]
    return np.frombuffer(bytearray(b"".join(rows)), dtype=np.uint8).reshape(-1, width)


def _write(made: Input, sample: npt.NDArray[np.uint8]) -> None:
    """Write the sample's rows again and again, each with a number of its own in the ten bytes of the contract."""
    plain = _without_accents()[sample]
    contract = next(
        start for field, start, _ in made.layout.versions[-1].records[0].spans() if field.name == "contrato"
    )
    partial = made.path.with_suffix(".part")
    with partial.open("wb") as stream:
        for first in range(0, made.rows, len(sample)):
            count = min(len(sample), made.rows - first)
            lines = np.full((count, made.width + 1), 10, dtype=np.uint8)
            numbers = np.arange(first, first + count)
            lines[:, :-1] = plain[:count]
            if made.accents:
                kept = numbers % ACCENTED == 0
                lines[kept, :-1] = sample[:count][kept]
            digits = numbers[:, None] // 10 ** np.arange(9, -1, -1) % 10
            lines[:, contract : contract + 10] = digits + ord("0")
            stream.write(lines.tobytes())
    partial.replace(made.path)


def _without_accents() -> npt.NDArray[np.uint8]:
    """For every latin-1 byte the ASCII letter under its accent, or a question mark."""
    table = np.arange(256, dtype=np.uint8)
    for code in range(128, 256):
        plain = unicodedata.normalize("NFKD", chr(code)).encode("ascii", "ignore")
        table[code] = plain[0] if len(plain) == 1 else ord("?")
    return table
