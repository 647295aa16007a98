"""Sending a day's WhatsApp messages: a bounded number at once, each intent on the record before it leaves (R033).

The order is: claim (the intent is committed), POST, record (the answer is committed). A process that dies in between
leaves messages that nobody knows of; the next one marks them as uncertain and never sends them again. At most
``concurrency`` messages are claimed and not recorded at any moment, so no more than that can become uncertain.

One run sends for a slice of time. The base, the day's decisions and the hours are looked at again every few seconds:
a message goes to a contract that is ATIVO in the newest good base at that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from time import monotonic
from typing import Any, TypeVar

import polars as pl

from atom_pipeline.errors import AtomError
from atom_pipeline.masking import mask_phone
from atom_pipeline.massiva.answers import recorded
from atom_pipeline.massiva.breaker import Breaker
from atom_pipeline.massiva.fates import ENVIAR, WAITING, end_of, fates
from atom_pipeline.massiva.queue import Queue, Rate
from atom_pipeline.massiva.states import Answer, Fate, Recorded
from resources.ledger_massiva import Claim, Intent
from resources.ledger_waves import Busy
from resources.massiva import ACTIVITY, Plan, breaker_of, config_of, plan_massivas, reasons_not_to_send
from resources.omne import Hsm, Omne, OmneDown, OmneRefusesUs
from resources.runtime import PortfolioRuntime

LOOK_AGAIN_SECONDS = 5.0  # at the base, the decisions, the hours
PROGRESS_SECONDS = 10.0
_LONGEST_SLEEP = 1.0

T = TypeVar("T")
Told = Callable[["Progress"], None]


@dataclass
class Progress:
    """What a run did so far. ``left`` are the rows that may still go today; ``reasons`` why it stopped before them."""

    accepted: int = 0
    refused: int = 0
    uncertain: int = 0
    put_back: int = 0  # attempts that OMNE certainly did not take, to be made again
    interrupted: int = 0  # messages that an earlier run left without an answer
    left: int = 0
    seconds: float = 0.0
    reasons: tuple[str, ...] = ()
    resume_at: datetime | None = None
    error: AtomError | None = field(default=None, repr=False)

    @property
    def sent(self) -> int:
        """Requests that were made."""
        return self.accepted + self.refused + self.uncertain + self.put_back


def send_massivas(
    runtime: PortfolioRuntime, day: date, *, minutes: float | None = None, told: Told | None = None
) -> Progress:
    """Send what may go of a day now, for at most ``minutes`` (by default until nothing is left to send).

    What a run that ended without an answer left is marked as uncertain first. Safe to run again at any time: nothing
    is ever sent twice. The answer's ``error`` says what a person should see, e.g. that OMNE is down. Raises Busy when
    another process sends, OmneMisconfigured without address or token.
    """
    config = config_of(runtime)
    progress, started = Progress(), monotonic()
    until = None if minutes is None else started + minutes * 60
    with runtime.ledger.exclusive(ACTIVITY) as alone:
        if not alone:
            raise Busy("another process is sending the messages")
        progress.interrupted = runtime.ledger.give_up_interrupted()
        breaker = breaker_of(runtime, day)
        again = True
        while again:
            plan = plan_massivas(runtime, day)
            judged = fates(plan.rows, config, day=day, now=runtime.now())
            going = judged.filter(pl.col("destino").is_in([ENVIAR, *WAITING]))
            progress.left, progress.reasons = going.height, plan.reasons
            if going.is_empty() or plan.reasons:
                break
            run = _Run(runtime, plan, going, breaker, progress, until, started, told)
            again = asyncio.run(run.send())
    progress.seconds = monotonic() - started
    if told is not None:
        told(progress)
    return progress


class _Run:
    """One stretch of sending, over rows that were judged on one base."""

    def __init__(
        self,
        runtime: PortfolioRuntime,
        plan: Plan,
        rows: pl.DataFrame,
        breaker: Breaker,
        progress: Progress,
        until: float | None,
        started: float,
        told: Told | None,
    ) -> None:
        self.runtime, self.plan, self.rows = runtime, plan, rows
        self.config = config_of(runtime)
        self.breaker, self.progress, self.until, self.started, self.told = breaker, progress, until, started, told
        tried = rows.with_row_index("lugar").filter(pl.col("id").is_not_null())
        self.message_of: dict[int, int] = dict(tried.select("lugar", "id").iter_rows())  # by place
        later = [(at or runtime.now(), place) for at, place in tried.select("nao_antes", "lugar").iter_rows()]
        self.queue = Queue(rows["ufs"].to_list(), later, self.config)
        self.tasks: set[asyncio.Task[None]] = set()
        self.done: list[tuple[Claim, int, Answer]] = []
        self.paused_until: datetime | None = runtime.ledger.paused_until(plan.day)
        self.rate = Rate(self.config.rate_per_second, monotonic())
        self.looked_at, self.told_at = monotonic(), monotonic()
        self.broken: Exception | None = None

    async def send(self) -> bool:
        """Send until there is nothing more to do; returns whether to judge the rows anew and go on."""
        with ThreadPoolExecutor(1, "massivas-ledger") as self.thread:
            async with Omne(self.runtime.settings.omne, self.config) as self.omne:
                try:
                    return await self._loop()
                finally:
                    # Whatever ended the run, what is on its way gets its time to be answered and recorded.
                    if self.tasks:
                        await asyncio.wait(self.tasks, timeout=self.config.timeout_seconds + 1)
                    await self._record()

    async def _loop(self) -> bool:
        while True:
            await self._record()
            self._tell()
            if self.broken is not None:
                raise self.broken
            if self.progress.error is not None or self._time_is_up():
                return False
            if monotonic() - self.looked_at >= LOOK_AGAIN_SECONDS:
                self.queue.look_at_the_hours()
                self.looked_at = monotonic()
                if await self._in_thread(self._is_another_base):
                    return True
            pause = self._pause()
            if pause is not None:
                if not self._worth_waiting(pause):
                    self.progress.resume_at = pause
                    return False
                await self._sleep_until(pause)
                continue
            # What has its answer and is not on the record yet still takes a place: no more than so many are in doubt.
            room = min(self.breaker.pace, self.config.concurrency) - len(self.tasks) - len(self.done)
            room = min(room, self.rate.allowed(monotonic()))
            places = self.queue.take(room, self.runtime.now())
            if places:
                await self._claim_and_post(places)
            elif self.tasks or self.done or self.rate.seconds_to_next() > 0:
                await self._wait_a_little(self.rate.seconds_to_next() or _LONGEST_SLEEP)
            else:
                now = self.runtime.now()
                upcoming = self.queue.next_moment(now, end_of(self.plan.day, now))
                if upcoming is None or not self._worth_waiting(upcoming):
                    self.progress.resume_at = upcoming
                    return False
                await self._sleep_until(upcoming)

    # One step.

    async def _claim_and_post(self, places: Sequence[int]) -> None:
        """Put the intents on the record, then start the requests of those that are ours."""
        rows = {place: self.rows.row(place, named=True) for place in places}
        intents = [_intent(row, self.plan.day, self.message_of.get(place)) for place, row in rows.items()]
        place_of = {row["chave"]: place for place, row in rows.items()}
        self.rate.use(len(places))
        now = self.runtime.now()
        claims = await self._in_thread(lambda: self.runtime.ledger.claim_messages(intents, now))
        self.progress.left -= len(places) - len(claims)  # somebody else's
        for claim in claims:
            place = place_of[claim.row_key]
            self.message_of[place] = claim.message_id
            task = asyncio.create_task(self._post(claim, place, Hsm.of_row(rows[place], self.config)))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _post(self, claim: Claim, place: int, hsm: Hsm) -> None:
        try:
            answer = await self.omne.send(hsm)
        except Exception as error:  # a defect of ours: the message is uncertain, and the run ends with the error
            self.broken = error
            answer = Answer(Fate.UNKNOWN, f"erro do programa ({type(error).__name__})")
        self.done.append((claim, place, answer))

    async def _record(self) -> None:
        """Put the answers that came on the record, and let them slow us down or stop us."""
        done, self.done = self.done, []
        if not done:
            return
        now = self.runtime.now()
        results = [
            (claim, recorded(answer, attempts=claim.attempt, retry=self.config.retry, now=now))
            for claim, _, answer in done
        ]
        marked_on = self.runtime.calendar.roll_forward(now.date())
        await self._in_thread(lambda: self.runtime.ledger.record_answers(results, now=now, marked_on=marked_on))
        for (_, place, answer), (_, result) in zip(done, results, strict=True):
            self._learn(place, answer, result, now)

    def _learn(self, place: int, answer: Answer, result: Recorded, now: datetime) -> None:
        self.progress.left -= 1
        match answer.fate:
            case Fate.ACCEPTED:
                self.progress.accepted += 1
            case Fate.UNKNOWN:
                self.progress.uncertain += 1
            case Fate.STOP:
                self.progress.put_back += 1
                self.progress.left += 1
                self.progress.error = OmneRefusesUs(
                    f"OMNE takes nothing from us, so sending stopped: {answer.words}. Check ATOM_OMNE_URL, "
                    "ATOM_OMNE_TOKEN and the templates of portfolio.yaml; no contract was marked"
                )
                return
            case Fate.RETRY | Fate.REFUSED:
                if result.not_before is None:
                    self.progress.refused += 1
                else:
                    self.progress.put_back += 1
                    self.progress.left += 1
                    self.queue.put_back(place, result.not_before)
                    if answer.pauses_all and (self.paused_until is None or result.not_before > self.paused_until):
                        self.paused_until = result.not_before
        if answer.http_status == 429:
            self.breaker.pace = 1
        else:
            self.breaker.record(answer.failed, now)
            if self.breaker.given_up:
                self.progress.resume_at = self.breaker.open_until(now)
                self.progress.error = OmneDown(
                    f"OMNE failed massively, so sending stopped; the last answer: {answer.words}. The next run goes on "
                    "where it was"
                )

    # When to stop, and how long to wait.

    def _is_another_base(self) -> bool:
        """Whether the rows must be judged anew: there is a newer base, or a reason not to send."""
        base = self.runtime.ledger.newest_base()
        mine = self.plan.base
        if base is None or mine is None or (base.day, base.hash) != (mine.day, mine.hash):
            return True
        return bool(reasons_not_to_send(self.runtime, self.plan.day, base))

    def _time_is_up(self) -> bool:
        return self.until is not None and monotonic() >= self.until

    def _pause(self) -> datetime | None:
        """Until when nothing may go: OMNE asked for it, or the circuit breaker is open."""
        now = self.runtime.now()
        waits = [self.paused_until, self.breaker.open_until(now)]
        return max((moment for moment in waits if moment is not None and moment > now), default=None)

    def _worth_waiting(self, moment: datetime) -> bool:
        """Whether the moment comes within this run."""
        if self.until is None:
            return True
        return monotonic() + (moment - self.runtime.now()).total_seconds() < self.until

    async def _sleep_until(self, moment: datetime) -> None:
        """Sleep, for a second at most, so that everything is looked at again."""
        seconds = (moment - self.runtime.now()).total_seconds()
        await self._wait_a_little(min(_LONGEST_SLEEP, max(0.0, seconds)))

    async def _wait_a_little(self, seconds: float) -> None:
        """Wait for an answer to come, for so long at most."""
        seconds = min(seconds, _LONGEST_SLEEP)
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=max(seconds, 0.001), return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(seconds)

    def _tell(self) -> None:
        if self.told is not None and monotonic() - self.told_at >= PROGRESS_SECONDS:
            self.told_at = monotonic()
            self.progress.seconds = monotonic() - self.started
            self.told(self.progress)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """The ledger's statements block, so they have a thread of their own; one at a time."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, work)


def _intent(row: Mapping[str, Any], day: date, message_id: int | None) -> Intent:
    return Intent(
        day=day,
        row_key=row["chave"],
        file=row["arquivo"],
        line=row["linha"],
        contrato=row["contrato"],
        number_hash=row["numero_hash"],
        number_masked=mask_phone(row["numero"]),
        jornada=row["jornada"],
        template=row["template"],
        message_id=message_id,
    )
