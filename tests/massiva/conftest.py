"""What the tests of massive actions share: the server, and a house whose day is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from massiva.massiva_house import House, massiva_house
from massiva.omne_server import TOKEN, OmneServer, omne_server


@pytest.fixture
def omne() -> Iterator[OmneServer]:
    with omne_server() as server:
        yield server


@pytest.fixture
def open_house(tmp_path: Path, ledger_url: str, omne: OmneServer) -> Iterator[Callable[..., House]]:
    """``open_house(massivas={...}, now=...)``: a house on the server, over one ledger."""
    with ExitStack() as opened:

        def make(**how: Any) -> House:
            return opened.enter_context(massiva_house(tmp_path / "home", ledger_url, omne.url, TOKEN, **how))

        yield make


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    return open_house()
