"""Models run in DuckDB: exact types, the same bytes again, clear errors without anyone's data."""

from __future__ import annotations

import hashlib
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest

from atom_pipeline.errors import ProgramError, StructureError
from atom_pipeline.portfolio import Block
from atom_pipeline.sql import Database, SqlModel, calendar_table, load_model, run


def model(folder: Path, sql: str, columns: str = "contrato", key: str = "contrato") -> SqlModel:
    lines = "".join(f"  {name.strip()}: D.\n" for name in columns.split(","))
    header = f"/* ---\ndescription: D.\ngrain: G.\nkey: [{key}]\ncolumns:\n{lines}--- */\n"
    path = folder / "modelo.sql"
    path.write_text(header + sql, encoding="utf-8")
    return load_model(path)


FRAME = pl.DataFrame(
    {
        "contrato": ["2", "1"],
        "valor": [Decimal("1.10"), None],
        "dia": [date(2026, 1, 2), None],
        "carimbo": [datetime(2026, 1, 2, 3, 4, 5, 678), None],
        "hora": [time(1, 2, 3), None],
        "linha": [7, None],
        "vezes": [1, None],
        "util": [True, None],
    },
    schema={
        "contrato": pl.String,
        "valor": pl.Decimal(18, 2),
        "dia": pl.Date,
        "carimbo": pl.Datetime("us"),
        "hora": pl.Time,
        "linha": pl.UInt32,
        "vezes": pl.Int64,
        "util": pl.Boolean,
    },
)


@pytest.mark.parametrize("form", ["frame", "lazy", "parquet"])
def test_types_come_out_as_they_went_in(tmp_path: Path, form: str) -> None:
    columns = ", ".join(FRAME.columns)
    select = model(tmp_path, f"SELECT {columns} FROM contratos ORDER BY contrato", columns)
    path = tmp_path / "it's here.parquet"
    FRAME.write_parquet(path)
    table = {"frame": FRAME, "lazy": FRAME.lazy(), "parquet": path}[form]
    result = run(select, {"contratos": table}, {})
    assert result.schema == FRAME.schema
    assert result.equals(FRAME.sort("contrato"))


def test_a_table_without_rows_keeps_its_types(tmp_path: Path) -> None:
    columns = ", ".join(FRAME.columns)
    select = model(tmp_path, f"SELECT {columns} FROM contratos ORDER BY contrato", columns)
    assert run(select, {"contratos": FRAME.clear()}, {}).schema == FRAME.schema


def test_parameters_are_values_never_text_of_the_sql(tmp_path: Path) -> None:
    select = model(tmp_path, "SELECT contrato FROM contratos WHERE contrato = $qual ORDER BY contrato")
    frame = pl.DataFrame({"contrato": ["1", "' OR 1 = 1 --"]})
    assert run(select, {"contratos": frame}, {"qual": "' OR 1 = 1 --", "outro": 1})["contrato"].to_list() == [
        "' OR 1 = 1 --"
    ]


def test_the_same_inputs_give_the_same_bytes_whatever_the_threads_and_the_order_of_rows(tmp_path: Path) -> None:
    sql = """SELECT contrato, sum(valor) AS valor, string_agg(nome, ',' ORDER BY nome) AS nomes
FROM linhas GROUP BY contrato ORDER BY contrato"""
    select = model(tmp_path, sql, "contrato, valor, nomes")
    frame = pl.DataFrame(
        {
            "contrato": [f"{n % 5000}" for n in range(300_000)],
            "nome": [f"n{n % 7}" for n in range(300_000)],
            "valor": pl.int_range(300_000, eager=True).cast(pl.Decimal(18, 2)),
        }
    )

    def fingerprint(table: pl.DataFrame, threads: int) -> str:
        buffer = BytesIO()
        with Database(threads=threads) as database:
            run(select, {"linhas": table}, {}, database=database).write_parquet(buffer)
        return hashlib.sha256(buffer.getvalue()).hexdigest()

    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    assert len({fingerprint(frame, 1), fingerprint(frame, 2), fingerprint(shuffled, 2)}) == 1


def test_what_does_not_fit_in_memory_spills_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spill))
    select = model(tmp_path, "SELECT contrato, nome FROM linhas ORDER BY nome, contrato", "contrato, nome")
    path = tmp_path / "linhas.parquet"
    frame = pl.DataFrame({"contrato": pl.int_range(1_500_000, eager=True).cast(pl.String)})
    frame.with_columns(nome=pl.col("contrato").hash().cast(pl.String)).write_parquet(path)
    with Database(threads=1, memory_limit="40MB") as database:
        assert run(select, {"linhas": path}, {}, database=database).height == 1_500_000
        assert [path.parent for path in spill.iterdir()] == [spill]  # it is there while the block lasts
    assert list(spill.iterdir()) == []


def test_models_of_one_database_do_not_see_each_other_s_tables_and_may_run_at_once(tmp_path: Path) -> None:
    select = model(tmp_path, "SELECT contrato, nome FROM linhas ORDER BY contrato", "contrato, nome")
    frames = [pl.DataFrame({"contrato": [f"{n}"], "nome": [f"n{n}"]}) for n in range(8)]
    path = tmp_path / "linhas.parquet"
    with Database() as database:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda frame: run(select, {"linhas": frame}, {}, database=database), frames))
        assert [frame.rows() for frame in found] == [frame.rows() for frame in frames]
        for frame in frames[:2]:  # the same file, written again between two models
            frame.write_parquet(path)
            assert run(select, {"linhas": path}, {}, database=database).rows() == frame.rows()
        with database.connection() as connection:
            assert connection.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall() == []


def test_a_table_or_parameter_that_was_not_given_is_named(tmp_path: Path) -> None:
    select = model(tmp_path, "SELECT contrato FROM contratos WHERE contrato = $qual ORDER BY contrato")
    with pytest.raises(ProgramError, match=r"modelo reads table contratos, parameter \$qual, which it was not given"):
        run(select, {}, {})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    select = model(tmp_path, "SELECT contrato FROM contratos ORDER BY contrato")
    with pytest.raises(ProgramError, match=r"table contratos: no Parquet file at .*none\.parquet"):
        run(select, {"contratos": tmp_path / "none.parquet"}, {})


def test_a_column_that_the_table_lacks_is_named_with_the_file(tmp_path: Path) -> None:
    select = model(tmp_path, "SELECT numero AS contrato FROM contratos ORDER BY contrato")
    with pytest.raises(StructureError, match=r"modelo.sql:1: the SQL does not fit the tables: .*numero"):
        run(select, {"contratos": FRAME}, {})


def test_rows_that_repeat_the_key_are_refused_and_counted(tmp_path: Path) -> None:
    select = model(tmp_path, "SELECT contrato FROM contratos ORDER BY contrato")
    with pytest.raises(ProgramError, match=r"modelo: 1 rows repeat the key of another \(contrato\)"):
        run(select, {"contratos": pl.DataFrame({"contrato": ["1", "1", "2"]})}, {})


def test_an_error_of_a_row_never_tells_its_value(tmp_path: Path) -> None:
    select = model(tmp_path, "SELECT CAST(nome AS BIGINT) AS contrato FROM contratos ORDER BY contrato")
    name = "".join(["Ma", "ria da Sil", "va"])  # the traceback quotes this file
    with pytest.raises(ProgramError) as caught:
        run(select, {"contratos": pl.DataFrame({"nome": [name]})}, {})
    told = "".join(traceback.format_exception(caught.value))
    assert "modelo failed in DuckDB" in told
    assert name not in told


def test_the_calendar_counts_the_days_of_the_block() -> None:
    bank = calendar_table(date(2026, 2, 13), date(2026, 2, 19), Block())
    assert bank.filter(pl.col("dia") <= date(2026, 2, 19))["ordem"].to_list() == [1, 1, 1, 1, 1, 2, 3]
    assert bank["dia"].max() == date(2026, 3, 24)
    every = calendar_table(date(2026, 2, 13), date(2026, 2, 15), Block(calendar="calendar"))
    assert every["ordem"].to_list()[:3] == [1, 2, 3]
