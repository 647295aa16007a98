"""What every asset shares: keys, groups, the resource that opens a portfolio, and errors that tell no personal data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any, ParamSpec, TypeVar

import dagster as dg

from assets.partitions import working_days
from atom_pipeline.errors import AtomError
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.masking import HIDDEN, scrub
from resources.runtime import Clock, PortfolioRuntime, open_portfolios
from resources.settings import Settings

RECEIVE, BASE, MODELS, PUBLISH = "receive", "base", "models", "publish"

# Quoted text with a blank in it; an apostrophe within a word ends no quote.
_QUOTED = re.compile(
    r"""(?<!\w)(?:"[^"\n]*\S [^"\n]*"|'(?:[^'\n]|(?<=\w)'(?=\w))*\S (?:[^'\n]|(?<=\w)'(?=\w))*')(?!\w)"""
)

P = ParamSpec("P")
R = TypeVar("R")


def asset_key(portfolio: str, *path: str) -> dg.AssetKey:
    """The key of an asset: the portfolio, then the table as the lake names it."""
    return dg.AssetKey([portfolio, *path])


def asset_spec(
    catalogue: Catalogue, group: str, path: str, *, deps: Sequence[str], description: str, kinds: set[str]
) -> dg.AssetSpec:
    """An asset of a portfolio: ``path`` and ``deps`` as the lake names tables, one partition per working day."""
    portfolio = catalogue.portfolio
    return dg.AssetSpec(
        asset_key(portfolio.portfolio, *path.split("/")),
        deps=[asset_key(portfolio.portfolio, *dep.split("/")) for dep in deps],
        group_name=group,
        kinds=kinds,
        owners=list(portfolio.owners),
        description=description,
        partitions_def=working_days(portfolio.operation),
    )


@dataclass(frozen=True)
class Portfolios:
    """The portfolios, opened once per run. An asset asks for them as ``OpenPortfolios``."""

    opened: Mapping[str, PortfolioRuntime]

    def portfolio(self, name: str) -> PortfolioRuntime:
        return self.opened[name]


OpenPortfolios = dg.ResourceParam[Portfolios]


def portfolios_resource(settings: Settings | None = None, clock: Clock | None = None) -> dg.ResourceDefinition:
    """Opens the portfolios of these settings, or of the environment's: nothing secret is in a run's configuration."""

    def open_for_run(_: dg.InitResourceContext) -> Iterator[Portfolios]:
        with open_portfolios(settings or Settings.from_env(), clock=clock) as opened:
            yield Portfolios(opened)

    return dg.ResourceDefinition(open_for_run, description="Layouts, ledger, lake and servers of every portfolio.")


def told_to_people(function: Callable[P, R]) -> Callable[P, R]:
    """Turn what stops an asset into an error that says what to do and shows no personal data.

    What this application raises on purpose fails the step at once: no retry mends a document or a file. In any other
    error and what caused it, whatever looks like personal data is masked before Dagster stores the words.
    """

    if isgeneratorfunction(function):

        @wraps(function)
        def results(*args: P.args, **kwargs: P.kwargs) -> Any:
            with _told_to_people():
                yield from function(*args, **kwargs)

        return results

    @wraps(function)
    def result(*args: P.args, **kwargs: P.kwargs) -> R:
        with _told_to_people():
            return function(*args, **kwargs)

    return result


@contextmanager
def _told_to_people() -> Iterator[None]:
    try:
        yield
    except dg.Failure:
        raise
    except AtomError as error:
        raise dg.Failure(description=scrub(str(error)), allow_retries=False) from None
    except Exception as error:
        words = [_without_values(one) for one in _chain(error)]
        if words == [_words(one) for one in _chain(error)]:
            raise
        raise RuntimeError("; from ".join(words)).with_traceback(error.__traceback__) from None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from: Dagster stores the words of each."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _words(error: BaseException) -> str:
    return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])


def _without_values(error: BaseException) -> str:
    """An error's words without what looks like a document, a phone or an e-mail, and without quoted text of several
    words: so a library tells a name or a street that it could not use."""
    return _QUOTED.sub(lambda found: f"{found[0][0]}{HIDDEN}{found[0][0]}", scrub(_words(error)))
