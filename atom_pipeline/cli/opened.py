"""Opening a portfolio for a command: the only one there is, or the one that was named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.errors import AtomError

if TYPE_CHECKING:
    from resources.runtime import PortfolioRuntime
    from resources.settings import Settings

PortfolioOption = Annotated[str | None, typer.Option("--portfolio", help="Needed when there are several.")]


@contextmanager
def opened(name: str | None = None, *, settings: Settings | None = None) -> Iterator[PortfolioRuntime]:
    """A portfolio, with its ledger and lake. Raises AtomError when it is not clear which one."""
    from resources.runtime import open_portfolios
    from resources.settings import Settings

    with open_portfolios(settings or Settings.from_env()) as portfolios:
        if name is None and len(portfolios) == 1:
            yield next(iter(portfolios.values()))
        elif name in portfolios:
            yield portfolios[name]
        else:
            raise AtomError(f"say which portfolio with --portfolio: {', '.join(sorted(portfolios))}")
