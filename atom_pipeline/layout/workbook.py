"""The first sheet of a workbook (.xlsx) as text, read by a process of its own with a limit of memory and of time.

A workbook of a few kilobytes can ask for hundreds of gigabytes: a part that inflates without end, one cell in the last
row and the last column, one long text that a million cells share (FAULTS 17). The native library that reads it then
ends the process it is in, so it gets one of its own. What the cells mean is in ``excel``.

This file is also what that process runs, so it imports nothing of this application.
"""

from __future__ import annotations

import io
import subprocess
import sys

import polars as pl

MEMORY = 2 * 1024 * 1024 * 1024  # bytes of address space, 0.4 GB of them Python's own; 100,000 rows of refin take 0.7
SECONDS = 120
_UNREADABLE = 3  # exit code


class NoWorkbook(ValueError):
    """The bytes are no workbook that can be read."""


class TooLarge(ValueError):
    """The workbook asks for more than its limits of memory or of time."""


def first_sheet(content: bytes) -> pl.DataFrame:
    """Every cell of the first sheet as text, blanks around it removed, null where nothing is left; no header row.

    Rows and columns that have no value are there, but for those after the last that has one. Raises NoWorkbook and
    TooLarge.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", __file__], input=content, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TooLarge(f"{SECONDS} segundos") from error
    if done.returncode == _UNREADABLE:
        raise NoWorkbook("not a workbook that can be read")
    if done.returncode != 0:
        raise TooLarge(f"{MEMORY} bytes de memória")
    return pl.read_ipc_stream(io.BytesIO(done.stdout))


def _read() -> int:
    """In the process of its own: standard input to standard output, as Arrow. Returns its exit code."""
    import resource

    import fastexcel

    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        sheet = fastexcel.read_excel(sys.stdin.buffer.read()).load_sheet(0, header_row=None, dtypes="string")
    except fastexcel.FastExcelError:
        return _UNREADABLE
    frame: pl.DataFrame = sheet.to_polars()
    frame = frame.select(pl.all().cast(pl.String).str.strip_chars())
    frame = frame.select(pl.when(pl.all() != "").then(pl.all()))
    if frame.width:
        used = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series().arg_true()
        frame = frame.head(int(used[-1]) + 1 if len(used) else 0)
    frame.write_ipc_stream(sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(_read())
