"""How the files of one layout and one day become one table (DESIGN section 4).

What belongs here: the merge policies a layout may name. What does not: which files belong to a day (``layout.names``
and the ledger), and what a row does to the base (the other modules of ``rules``).

Every row carries where it comes from: ``carimbo`` (Datetime, the stamp in the file's name), ``ordem`` (Int64, order of
arrival of the file), ``arquivo`` (String) and ``linha`` (UInt32, physical line). The answer does not depend on the
order of files or rows given.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import polars as pl

from atom_pipeline.errors import ProgramError
from atom_pipeline.layout.model import Merge
from atom_pipeline.rules.picking import rows_without

ORIGIN = ("carimbo", "ordem", "arquivo", "linha")
NEWEST_LAST = ("carimbo", "ordem", "arquivo", "linha")  # later stamp wins, ties by order of arrival, then by line
ARRIVAL = ("ordem", "carimbo", "arquivo", "linha")


class Merged(NamedTuple):
    """One table of the day, sorted, and how many rows of the files are not in it because of others."""

    frame: pl.DataFrame
    superseded: int


def merge_files(
    frames: Sequence[pl.DataFrame],
    policy: Merge,
    key: Sequence[str] = (),
    *,
    stamps: Sequence[tuple[datetime | None, int]] | None = None,
) -> Merged:
    """Merge the accepted rows of a day's files of one layout.

    ``frames`` has one frame per file, with the columns of the layout and those of `ORIGIN`. ``key`` is the layout's,
    needed by ``latest_per_key`` and ``replace_per_key``. ``stamps`` gives (stamp, order of arrival) of each file, in
    the order of ``frames``: only a file without any row needs it, since an empty batimento is still the newest one.

    The frame is sorted by stamp, arrival, file and line; by arrival first under ``append``. Raises ProgramError when
    there is no frame, when a policy lacks its key, and when an empty file's stamp decides but was not given.
    """
    if not frames:
        raise ProgramError("merge_files needs at least one file; a day without files has no table to merge")
    if policy in {Merge.LATEST_PER_KEY, Merge.REPLACE_PER_KEY} and not key:
        raise ProgramError(f"merge policy {policy} needs a key")
    if policy is Merge.NEWEST_FILE:
        frames, every = [_newest(frames, stamps)], sum(frame.height for frame in frames)
        merged = _sorted(frames, NEWEST_LAST)
        return Merged(merged, every - merged.height)
    rows = _sorted(frames, ARRIVAL if policy is Merge.APPEND else NEWEST_LAST)
    if policy is Merge.LATEST_PER_KEY:
        merged = rows.unique(list(key), keep="last", maintain_order=True)
    elif policy is Merge.REPLACE_PER_KEY:
        merged = _newest_set_per_key(rows, key)
    elif policy is Merge.UNION:
        business = [column for column in rows.columns if column not in ORIGIN]
        merged = rows.unique(business, keep="first", maintain_order=True)
    else:
        merged = rows
    return Merged(merged, rows.height - merged.height)


def merge_in_order(
    frames: Sequence[pl.LazyFrame],
    policy: Merge,
    key: Sequence[str] = (),
    *,
    stamps: Sequence[tuple[datetime | None, int]],
) -> pl.LazyFrame:
    """What ``merge_files`` gives, of files too large for memory: nothing but keys and lines is looked at at once.

    ``frames`` has each file's rows in the order of its lines; one of them is given back as it is where all its rows
    and no others count. Raises ProgramError as ``merge_files`` does.
    """
    if not frames or policy is Merge.UNION:  # its rows are compared whole: files that stay small
        return merge_files([frame.collect() for frame in frames], policy, key, stamps=stamps).frame.lazy()
    if policy in {Merge.LATEST_PER_KEY, Merge.REPLACE_PER_KEY} and not key:
        raise ProgramError(f"merge policy {policy} needs a key")
    origins = [frame.select(ORIGIN).head(1).collect() for frame in frames]
    if policy is Merge.NEWEST_FILE:
        ages = [(stamp or datetime.min, order) for stamp, order in stamps]
        _, newest = max(zip(ages, frames, strict=True), key=lambda one: one[0])
        return newest
    by = ARRIVAL if policy is Merge.APPEND else NEWEST_LAST
    places = pl.concat([one.with_columns(file=pl.lit(place)) for place, one in enumerate(origins)])
    files = [frames[place] for place in places.sort(by, nulls_last=False)["file"]]  # one without rows has no place
    if not files:
        return frames[0]
    if policy is Merge.LATEST_PER_KEY or (policy is Merge.REPLACE_PER_KEY and len(files) > 1):
        files = _without_replaced(files, key, whole_files=policy is Merge.REPLACE_PER_KEY)
    merged: pl.LazyFrame = files[0] if len(files) == 1 else pl.concat(files)
    return merged


def latest_rows(rows: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
    """Of rows in their order, newest last, the newest of each key; ``rows`` itself where each key stands once."""
    keys = rows.select(key).collect()
    replaced = keys.select((~pl.struct(key).is_last_distinct()).arg_true().alias("_lugar")).to_series()
    if not replaced.len():
        return rows
    return rows_without(rows.with_row_index("_lugar"), replaced.cast(pl.UInt32)).drop("_lugar")


def _without_replaced(files: list[pl.LazyFrame], key: Sequence[str], *, whole_files: bool) -> list[pl.LazyFrame]:
    """The files, oldest first, without the rows whose key stands in a later one, or (not ``whole_files``) row."""
    keys = pl.concat(
        [file.select(*key, "linha").with_columns(_file=pl.lit(place)) for place, file in enumerate(files)]
    ).collect()
    one = pl.struct(list(key)) if len(key) > 1 else pl.col(key[0])
    replaced = pl.col("_file") < pl.col("_file").max().over(list(key)) if whole_files else ~one.is_last_distinct()
    gone = keys.filter(replaced).select("_file", "linha")
    kept: list[pl.LazyFrame] = []
    for place, file in enumerate(files):
        kept.append(rows_without(file, gone.filter(pl.col("_file") == place)["linha"]))
    return kept


def _sorted(frames: Sequence[pl.DataFrame], by: tuple[str, ...]) -> pl.DataFrame:
    """All rows in one order; a file without a stamp in its name is older than those with one."""
    return pl.concat(frames, how="diagonal").sort(by, nulls_last=False, maintain_order=True)


def _newest_set_per_key(rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The rows of the newest file that has the key, all of them and no others. ``rows`` are sorted, newest last."""
    files = rows.select("carimbo", "ordem", "arquivo").unique().sort("carimbo", "ordem", "arquivo", nulls_last=False)
    if files.height < 2:
        return rows
    files = files.with_row_index("_idade")
    aged = rows.join(files, on=["carimbo", "ordem", "arquivo"], nulls_equal=True, maintain_order="left")
    return aged.filter(pl.col("_idade") == pl.col("_idade").max().over(list(key))).drop("_idade")


def _newest(frames: Sequence[pl.DataFrame], stamps: Sequence[tuple[datetime | None, int]] | None) -> pl.DataFrame:
    """The frame of the file with the latest stamp, ties by order of arrival."""
    if len(frames) == 1:
        return frames[0]
    if stamps is None:
        if any(frame.is_empty() for frame in frames):
            raise ProgramError("a file without rows may be the newest one: give `stamps` to merge_files")
        stamps = [frame.select("carimbo", "ordem").row(0) for frame in frames]
    if len(stamps) != len(frames):
        raise ProgramError(f"merge_files got {len(frames)} files and {len(stamps)} stamps")
    ages = [(stamp or datetime.min, order) for stamp, order in stamps]
    return frames[ages.index(max(ages))]
