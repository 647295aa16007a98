"""One day once, in a process of its own: ``python -m bench.one_day`` with a JSON of home, drop and day; prints a JSON.

Times are Unix seconds, those of the steps as Dagster recorded them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import date
from pathlib import Path

import polars as pl


def main() -> None:
    task = json.loads(sys.argv[1])
    os.environ.update(ATOM_HOME=task["home"], ATOM_DROP_URL=f"file://{task['drop']}")
    from atom_pipeline.garbage import nothing_is_garbage

    with nothing_is_garbage():
        from assets.build import build_defs
        from atom_pipeline.cli.running import collect_drop, dagster_instance, run_days
        from resources.runtime import open_portfolios
        from resources.settings import Settings

    settings, day = Settings.from_env(), date.fromisoformat(task["day"])
    Path(task["home"]).mkdir(parents=True, exist_ok=True)
    with open_portfolios(settings) as portfolios:
        [runtime] = portfolios.values()
        started = time.time()
        collected = collect_drop(runtime, pause=0.01)
        collect = (started, time.time())
        if collected.errors:
            sys.exit(f"not collected: {collected.errors}")
        with dagster_instance(settings, runtime.postgres_url) as instance:
            with nothing_is_garbage():
                definitions = build_defs(settings)
            began = time.time()
            [made] = run_days(runtime, definitions, instance, [day])
            seconds = time.time() - began
            stats = instance.get_run_step_stats(made.run_id)
        base = runtime.ledger.base(day)
        tables = ("cadastro", "parcelas_abertas", "garantias", "manager_mailing", "movimentos")
        rows = {table: runtime.lake.scan(table, day).select(pl.len()).collect().item() for table in tables}
        waves = [
            (wave.label, wave.kind.value, sum(file.rows for file in wave.files)) for wave in runtime.ledger.waves(day)
        ]
    steps = sorted((one.start_time, one.end_time, one.step_key) for one in stats if one.start_time and one.end_time)
    print(
        json.dumps({
            "collect": collect,
            "steps": [(name, start, end) for start, end, name in steps],
            "job_seconds": seconds,
            "hash": base.hash if base else "",
            "tables": dict(base.tables) if base else {},
            "failed": [*made.failures, *made.failed_checks],
            "rows": rows,
            "waves": waves,
        })
    )  # fmt: skip


if __name__ == "__main__":
    main()
