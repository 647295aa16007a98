"""What an answer of OMNE means, and what follows from it (FAULTS 36 and 38).

What belongs here: the one place that decides whether a message may be tried again. It may only when it is certain that
OMNE did not take it: the request never left, or OMNE said so itself. What does not: speaking HTTP (``resources.omne``).

``retry.statuses`` of portfolio.yaml lists the answers by which OMNE says of itself that it did not queue the message:
429, 500 and 503. 502 and 504, and whatever else begins with 5, are said by something between us and OMNE, which may
have passed the request on: the message is uncertain. Where OMNE's contract says otherwise, the list is changed there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from atom_pipeline.massiva.states import Answer, Fate, Recorded, Status
from atom_pipeline.portfolio import MassivaRetry

LONGEST_RETRY_AFTER = 86_400.0  # seconds: a message goes on its day or not at all, so more says nothing more


def answer_of_status(status: int, words: str, retry: MassivaRetry, wait: float | None = None) -> Answer:
    """What an HTTP status means. ``wait`` is its Retry-After, in seconds."""
    if 200 <= status < 300:
        fate = Fate.ACCEPTED
    elif status in retry.statuses:
        fate = Fate.RETRY
    elif status in retry.stop_statuses or 300 <= status < 400:
        fate = Fate.STOP
    elif 400 <= status < 500:
        fate = Fate.REFUSED
    else:
        fate = Fate.UNKNOWN
    return Answer(fate, words, status, wait if fate is Fate.RETRY else None)


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date. None without one, or when it is neither.

    At most a day: what a server may write there is any number of digits.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), LONGEST_RETRY_AFTER)


def recorded(answer: Answer, *, attempts: int, retry: MassivaRetry, now: datetime) -> Recorded:
    """What follows from the answer to the ``attempts``-th attempt (from 1)."""
    match answer.fate:
        case Fate.ACCEPTED:
            return Recorded(Status.ACEITO, answer.words, answer.http_status)
        case Fate.REFUSED:
            return Recorded(Status.RECUSADO, answer.words, answer.http_status)
        case Fate.UNKNOWN:
            return Recorded(Status.INCERTO, answer.words, answer.http_status)
        case Fate.STOP:
            return Recorded(Status.PLANEJADO, answer.words, answer.http_status)
        case Fate.RETRY:
            if attempts >= retry.attempts:
                words = f"desistiu após {attempts} tentativas; a última: {answer.words}"
                return Recorded(Status.RECUSADO, words, answer.http_status)
            seconds = answer.wait if answer.wait is not None else backoff(attempts, retry)
            return Recorded(Status.PLANEJADO, answer.words, answer.http_status, now + timedelta(seconds=seconds))


def backoff(attempts: int, retry: MassivaRetry) -> float:
    """Seconds to wait after the n-th attempt when OMNE does not say: twice as long each time, bounded."""
    seconds: float = retry.first_wait_seconds * 2.0 ** (attempts - 1)
    return min(retry.longest_wait_seconds, seconds)
