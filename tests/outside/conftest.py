"""The tests here take minutes, most of them waiting for a daemon's clock: they run side by side, from the beginning."""

from __future__ import annotations

from pathlib import Path

import pytest
from spread import spread

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = spread(items, lambda item: HERE in item.path.parents, workers)
