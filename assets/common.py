"""What every asset shares: keys, groups, the resource that opens a portfolio, and errors that tell no personal data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any, ParamSpec, TypeVar

import dagster as dg

from assets.partitions import working_days
from atom_pipeline.errors import AtomError
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.masking import masked_words, scrub
from atom_pipeline.sql import Database
from resources.retention import no_pruning, refuse_if_pruned
from resources.retries import retry_may_help
from resources.runtime import Clock, PortfolioRuntime, open_portfolios
from resources.settings import Settings

RECEIVE, BASE, MODELS, PUBLISH = "receive", "base", "models", "publish"
PARTITION_TAG = "dagster/partition"
RETRY = "tentar de novo"  # metadata of a failure: whether that may help, without anybody doing something
CAUSE = "erro"  # metadata of a failure: the class of what stopped the step, which alarms tell apart

P = ParamSpec("P")
R = TypeVar("R")


def asset_key(portfolio: str, *path: str) -> dg.AssetKey:
    """The key of an asset: the portfolio, then the table as the lake names it."""
    return dg.AssetKey([portfolio, *path])


def one_at_a_time(portfolio: str) -> str:
    """The pool of everything that makes days of a portfolio: one of its runs at a time, whoever starts them.

    A day starts from the one before it. Runs of another portfolio go beside it.
    """
    return f"{portfolio}__dia"


def with_rules(description: str, rules: Sequence[str]) -> str:
    """An asset's description that ends with the numbers of its rules."""
    return f"{description}\n\nRegras: {', '.join(rules)}." if rules else description


def rule_tags(rules: Sequence[str]) -> dict[str, str]:
    """Tags by which the catalogue finds every asset of a rule, e.g. ``tag:regra/R020``."""
    return {f"regra/{rule}": "" for rule in rules}


def asset_spec(
    catalogue: Catalogue,
    group: str,
    path: str,
    *,
    deps: Sequence[str],
    description: str,
    kinds: set[str],
    rules: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> dg.AssetSpec:
    """An asset of a portfolio: ``path`` and ``deps`` as the lake names tables, one partition per working day."""
    portfolio = catalogue.portfolio
    return dg.AssetSpec(
        asset_key(portfolio.portfolio, *path.split("/")),
        deps=[asset_key(portfolio.portfolio, *dep.split("/")) for dep in deps],
        group_name=group,
        kinds=kinds,
        owners=list(portfolio.owners),
        description=with_rules(description, rules),
        tags=rule_tags(rules),
        metadata=dict(metadata or {}),
        partitions_def=working_days(portfolio.operation),
    )


@dataclass(frozen=True)
class Portfolios:
    """The portfolios, opened once per run. An asset asks for them as ``OpenPortfolios``."""

    opened: Mapping[str, PortfolioRuntime]

    def portfolio(self, name: str) -> PortfolioRuntime:
        return self.opened[name]


class DayBusy(AtomError):
    """Another process is making the day."""

    retry_helps = True


OpenPortfolios = dg.ResourceParam[Portfolios]


def portfolios_resource(
    settings: Settings | None = None, clock: Clock | None = None, *, alone: bool = True
) -> dg.ResourceDefinition:
    """Opens the portfolios of these settings, or of the environment's: nothing secret is in a run's configuration.

    With ``alone`` a run that makes a day fails at once while another one makes it: Dagster's queue keeps the UI's runs
    of a day apart, but knows nothing of the command line's.
    """

    def open_for_run(context: dg.InitResourceContext) -> Iterator[Portfolios]:
        found = open_portfolios(settings or Settings.from_env(), clock=clock)
        with found as opened, Database() as models, ExitStack() as held:
            for runtime in opened.values():
                runtime.models = models
            if alone and context.run is not None:
                for name in _made_by(context.run, opened):
                    held.enter_context(_making(opened[name], context.run.tags.get(PARTITION_TAG)))
            yield Portfolios(opened)

    return dg.ResourceDefinition(open_for_run, description="Layouts, ledger, lake and servers of every portfolio.")


def day_activity(day: str) -> str:
    """What the ledger's lock on the making of a day is called; ``day`` as the partition is."""
    return f"dia-{day}"


def _made_by(run: dg.DagsterRun, names: Iterable[str]) -> list[str]:
    """The portfolios whose assets a run makes: of its selection, else of its job's name, else all."""
    keys = {*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())}
    chosen = {key.path[0] for key in keys}
    found = [name for name in names if name in chosen or (not keys and run.job_name.startswith(f"{name}__"))]
    return sorted(found or names)


@contextmanager
def _making(runtime: PortfolioRuntime, day: str | None) -> Iterator[None]:
    """Hold the making of a day. Raises DayBusy when another run has it, AtomError when its files are kept no more."""
    if day is None:
        yield
        return
    with no_pruning(runtime), runtime.ledger.exclusive(day_activity(day)) as alone:
        refuse_if_pruned(runtime, date.fromisoformat(day))
        if not alone:
            raise DayBusy(f"another run is making {day} of {runtime.name}: wait for it to end, then run the day again")
        yield


def told_to_people(function: Callable[P, R]) -> Callable[P, R]:
    """Turn what stops an asset into an error that says what to do and shows no personal data.

    What this application raises on purpose, and what had to be masked, becomes a failure that says whether trying again
    may help; what starts runs reads it there. In any other error and what caused it, whatever looks like personal data
    is masked before Dagster stores the words.
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
        raise failure(str(error), again=error.retry_helps, metadata={CAUSE: type(error).__name__}) from None
    except Exception as error:
        masked = masked_words(error)
        if masked is None:
            raise
        if retry_may_help(error):  # its class, which would say so, is lost
            raise failure(masked, again=True).with_traceback(error.__traceback__) from None
        raise RuntimeError(masked).with_traceback(error.__traceback__) from None


def failure(words: str, *, again: bool, metadata: Mapping[str, Any] | None = None) -> dg.Failure:
    """A step's failure in words for people, without personal data, that says whether trying again may help."""
    said = {RETRY: dg.MetadataValue.bool(again), **(metadata or {})}
    return dg.Failure(description=scrub(words), metadata=said, allow_retries=again)
