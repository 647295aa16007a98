"""One contender once, in a process of its own: ``python -m bench.one`` with a JSON of what to do; prints a JSON.

The clock runs from the call to its end. Imports of a peer's library and the start of Spark come before it; what this
project loads for a large file comes after.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

from bench.inputs import make_input
from bench.rules import CONTENDERS


def main() -> None:
    task = json.loads(sys.argv[1])
    if "rules" in task:
        folder, contender = Path(task["folder"]), CONTENDERS[task["rules"]]
        if task["rules"] == "pandas":
            importlib.import_module("pandas")
        started, used = time.perf_counter(), time.process_time()
        contratos, movimentos = contender(folder)
        seconds = time.perf_counter() - started
        contratos.write_parquet(folder / "out_contratos.parquet")
        movimentos.write_parquet(folder / "out_movimentos.parquet")
    else:
        peer = importlib.import_module(f"bench.peer_{task['peer']}")
        if task["peer"] == "spark":
            peer.session()
        made = make_input(
            task["shape"], accents=task["accents"], megabytes=task["megabytes"], folder=Path(task["folder"])
        )
        started, used = time.perf_counter(), time.process_time()
        peer.read(made.path, Path(task["target"]), made.layout, accents=made.accents)
        seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "cpu": time.process_time() - used, "memory": most_memory()}))


def most_memory() -> int:
    """The most memory (RSS, bytes) of this process, without what it started; 0 where the system does not tell.

    ``getrusage`` would count what the process had in common with the one that started it.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


if __name__ == "__main__":
    main()
