"""The file to typed Parquet with this project: every check of the layout, every refusal and flag told."""

from __future__ import annotations

from pathlib import Path

from atom_pipeline.layout.model import Layout
from atom_pipeline.layout.storing import read_to_parquet
from bench.inputs import DAY


def read(source: Path, target: Path, layout: Layout, *, accents: bool) -> None:
    """Read as the pipeline does; what was refused goes beside the rows."""
    del accents
    outcome = read_to_parquet(layout, source, target, name=source.name, day=DAY)
    outcome.rejects.write_parquet(target.with_suffix(".rejects"))
