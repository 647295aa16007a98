"""How a message reaches people: a webhook, and e-mail. Each sends one message, bounded in time, or says why it did not.

What is told, to whom and when again is elsewhere (``notice``, ``ledger_deliveries``). No message and no error holds a
secret: a webhook's address is one. A message that may have arrived is told from one that did not, since only the latter
may go again under another name.
"""

from __future__ import annotations

import logging
import queue
import smtplib
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formatdate
from typing import Protocol
from urllib.parse import unquote, urlsplit

import httpx

from atom_pipeline.errors import AtomError
from resources.notice import Notice
from resources.notify_settings import AlarmChannels

WEBHOOK, EMAIL = "webhook", "e-mail"
TOTAL_SECONDS = 12.0  # one message, whatever the server does
_STEP_SECONDS = 6.0  # one connection, one answer


class NotDelivered(AtomError):
    """The message was not taken. ``certain``: nothing of it arrived. ``wait`` is what the server asked for."""

    retry_helps = True

    def __init__(self, message: str, *, certain: bool, wait: timedelta = timedelta(0)) -> None:
        super().__init__(message)
        self.certain = certain
        self.wait = wait


class ChannelMisconfigured(AtomError):
    """The environment does not say all that a channel needs; the message says what is missing."""


class Channel(Protocol):
    """A way to people. ``name`` is what the ledger calls it, ``label`` what people may read."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    def send(self, notice: Notice) -> None:
        """Send one message within ``TOTAL_SECONDS``. Raises NotDelivered."""
        ...


def configured(settings: AlarmChannels) -> tuple[list[Channel], list[str]]:
    """The channels that can be used, and what is wrong with those that cannot."""
    channels: list[Channel] = []
    problems: list[str] = []
    for wanted, build in ((settings.webhook, Webhook.of), (settings.smtp_url, Email.of)):
        try:
            if wanted:
                channels.append(build(settings))
        except ChannelMisconfigured as error:
            problems.append(str(error))
    return channels, problems


# The webhook.


@dataclass(frozen=True)
class Webhook:
    """A POST of JSON: ``text`` for receivers that show it (Slack, Teams), the rest for those that read fields."""

    url: str = field(repr=False)
    tls: ssl.SSLContext = field(repr=False)
    total: float = TOTAL_SECONDS
    name: str = WEBHOOK

    @classmethod
    def of(cls, settings: AlarmChannels) -> Webhook:
        """Raises ChannelMisconfigured."""
        url = settings.webhook or ""
        if not url.startswith(("https://", "http://")) or not _host(url):
            raise ChannelMisconfigured("ATOM_ALARM_WEBHOOK must be a URL that begins with https:// (or http://)")
        return cls(url, _tls(settings))

    @property
    def label(self) -> str:
        return f"webhook {_host(self.url)}"

    def send(self, notice: Notice) -> None:
        _quiet()
        client = httpx.Client(verify=self.tls, timeout=_STEP_SECONDS, follow_redirects=False)
        _within(self.total, lambda: self._post(client, notice), client.close)

    def _post(self, client: httpx.Client, notice: Notice) -> None:
        headers = {"Idempotency-Key": notice.key, "User-Agent": "atom-pipeline"}
        try:
            # What a receiver answers beyond its status is not read, however long it is.
            with client.stream("POST", self.url, json={"text": notice.text, **notice.fields}, headers=headers) as got:
                status, words, asked = got.status_code, got.reason_phrase, got.headers.get("Retry-After", "")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.ProxyError) as error:
            raise NotDelivered(f"{self.label} cannot be reached: {type(error).__name__}", certain=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError) as error:
            raise NotDelivered(f"{self.label} did not answer: {type(error).__name__}", certain=False) from None
        finally:
            client.close()
        if status >= 300:
            raise NotDelivered(
                f"{self.label} answered {status} {words}".strip(), certain=status < 500, wait=_seconds(asked)
            )


# E-mail.


@dataclass(frozen=True)
class Email:
    """SMTP, never without verified TLS: ``smtps://``, or ``smtp://`` with STARTTLS."""

    host: str
    port: int
    implicit_tls: bool
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    sender: str = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)
    tls: ssl.SSLContext = field(repr=False)
    total: float = TOTAL_SECONDS
    name: str = EMAIL

    @classmethod
    def of(cls, settings: AlarmChannels) -> Email:
        """Raises ChannelMisconfigured."""
        try:
            parts = urlsplit(settings.smtp_url or "")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or parts.scheme not in {"smtp", "smtps"}:
            raise ChannelMisconfigured("ATOM_SMTP_URL must be smtp://[user@]host[:port], or smtps://…")
        user = unquote(parts.username) if parts.username else None
        password = settings.smtp_password or (unquote(parts.password) if parts.password else None)
        if user and not password:
            raise ChannelMisconfigured("ATOM_SMTP_URL names a user: set ATOM_SMTP_PASSWORD as well")
        if not settings.sender or not settings.recipients:
            raise ChannelMisconfigured("ATOM_SMTP_URL needs ATOM_ALARM_FROM and ATOM_ALARM_TO as well")
        if not all("@" in address.strip("@") for address in (settings.sender, *settings.recipients)):
            raise ChannelMisconfigured(
                "ATOM_ALARM_FROM and ATOM_ALARM_TO hold addresses of e-mail, with commas between"
            )
        implicit = parts.scheme == "smtps"
        return cls(
            host=host,
            port=port or (465 if implicit else 587),
            implicit_tls=implicit,
            user=user,
            password=password,
            sender=settings.sender,
            recipients=settings.recipients,
            tls=_tls(settings),
        )

    @property
    def label(self) -> str:
        return f"e-mail {self.host}"

    def send(self, notice: Notice) -> None:
        opened: list[smtplib.SMTP] = []

        def cancel() -> None:
            for connection in opened:
                connection.close()

        _within(self.total, lambda: self._send(notice, opened), cancel)

    def _send(self, notice: Notice, opened: list[smtplib.SMTP]) -> None:
        try:
            connection = self._connect(opened)
        except (smtplib.SMTPException, OSError) as error:
            raise NotDelivered(f"{self.label} cannot be used: {_smtp_words(error)}", certain=True) from None
        try:
            refused = connection.send_message(self._message(notice))
        except smtplib.SMTPRecipientsRefused as error:
            raise NotDelivered(f"{self.label} refused all {len(error.recipients)} recipients", certain=True) from None
        except (smtplib.SMTPResponseException, smtplib.SMTPNotSupportedError) as error:
            raise NotDelivered(f"{self.label} refused the message: {_smtp_words(error)}", certain=True) from None
        except (smtplib.SMTPException, OSError) as error:
            raise NotDelivered(f"{self.label} did not answer: {_smtp_words(error)}", certain=False) from None
        finally:
            # The message was taken, or not, before this: what goes wrong in parting changes nothing.
            with suppress(smtplib.SMTPException, OSError):
                connection.quit()
            connection.close()
        if refused:
            logging.getLogger(__name__).warning("%s refused %d recipient(s)", self.label, len(refused))

    def _connect(self, opened: list[smtplib.SMTP]) -> smtplib.SMTP:
        """A session in verified TLS, logged in where there is a user."""
        if self.implicit_tls:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=_STEP_SECONDS, context=self.tls)
        else:
            connection = smtplib.SMTP(self.host, self.port, timeout=_STEP_SECONDS)
        opened.append(connection)
        try:
            if not self.implicit_tls:
                connection.starttls(context=self.tls)
            if self.user and self.password:
                self._login(connection, self.user, self.password)
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _login(connection: smtplib.SMTP, user: str, password: str) -> None:
        """Try the password once: ``SMTP.login`` tries it by every way that the server knows, which may lock it."""
        connection.ehlo_or_helo_if_needed()
        known = connection.esmtp_features.get("auth", "").upper().split()
        connection.user, connection.password = user, password
        if "PLAIN" in known:
            connection.auth("PLAIN", connection.auth_plain)
        elif "LOGIN" in known:
            connection.auth("LOGIN", connection.auth_login)
        else:
            raise smtplib.SMTPNotSupportedError

    def _message(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = notice.subject
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{notice.key}@{self.sender.rpartition('@')[2].strip('> ')}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice.text, cte="quoted-printable")
        for name, content in notice.attachments:
            message.add_attachment(content, maintype="text", subtype="html", filename=name)
        return message


def _smtp_words(error: Exception) -> str:
    """What went wrong, without the server's own words: they may repeat an address."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the server refuses the user or the password ({error.smtp_code})"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"code {error.smtp_code}"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the server does not offer what is needed (STARTTLS, or a way to log in)"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    return type(error).__name__


# What both need.


def _within(seconds: float, work: Callable[[], None], cancel: Callable[[], None]) -> None:
    """Do something that may hang, for so long and no longer. Raises what it raises, or NotDelivered.

    Timeouts of sockets count from byte to byte: a server that sends one a second would hold them for ever.
    """
    outcome: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=run, name="atom-alarm", daemon=True).start()
    try:
        error = outcome.get(timeout=seconds)
    except queue.Empty:
        cancel()
        raise NotDelivered(f"no answer within {seconds:g} s", certain=False) from None
    if error is not None:
        raise error


def _tls(settings: AlarmChannels) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(settings.ca) if settings.ca else None)
    except (OSError, ssl.SSLError):
        raise ChannelMisconfigured(f"ATOM_ALARM_CA: {settings.ca} holds no certificate that can be read") from None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _seconds(retry_after: str) -> timedelta:
    """What a server asks to wait; its other form, a date, is left to our own waiting."""
    return timedelta(seconds=int(retry_after)) if retry_after.isdecimal() and len(retry_after) < 7 else timedelta(0)


def _quiet() -> None:
    """httpx logs every address it calls."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
