"""Where alerts are sent: a webhook, a command, an e-mail address."""

from __future__ import annotations

import os
import shlex
import smtplib
import ssl
import subprocess
import urllib.request
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from learnrate._errors import AlertError, ArgumentError
from learnrate.alerts._alert import AlertFormat, payload_of, words_of_alerts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.alerts._alert import Alert

__all__ = ["Command", "Email", "Target", "Webhook"]

_WAIT = 20  # seconds for an answer
_CHAT_HOSTS = {
    "hooks.slack.com": AlertFormat.SLACK,
    "discord.com": AlertFormat.DISCORD,
    "discordapp.com": AlertFormat.DISCORD,
}
_SMTP_PORT = 25


class Target(Protocol):
    """Sends alerts to a person or a program."""

    def send(self, alerts: Sequence[Alert], /) -> None:
        """Send alerts, at least one, in one message.

        Raises:
            AlertError: they could not be sent.
        """

    @property
    def key(self) -> str:
        """A text that is the same for the same target."""


@dataclass(frozen=True)
class Webhook:
    """A POST request with JSON.

    Args:
        url: http or https. It is never shown, since URLs of chats contain a secret.
        form: the form of the message; None for that of Slack or Discord if the URL is theirs, or
            JSON.

    Raises:
        ArgumentError: the URL is of another kind.
    """

    url: str
    form: AlertFormat | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ArgumentError(
                "a webhook must be an address that begins with https:// or http://."
            )

    @property
    def key(self) -> str:
        """The identity of the target in the store: its kind and its address."""
        return f"webhook {self.url}"

    def send(self, alerts: Sequence[Alert], /) -> None:
        """Post the alerts to the address, in one message.

        Raises:
            AlertError: the address does not answer, or refuses the message.
        """
        host = urlsplit(self.url).hostname
        form = self.form or _CHAT_HOSTS.get(str(host), AlertFormat.JSON)
        headers = {"Content-Type": "application/json", "User-Agent": "learnrate"}
        request = urllib.request.Request(self.url, payload_of(alerts, form), headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_WAIT):  # noqa: S310 - http or https
                pass
        except HTTPError as error:
            error.close()
            reason: object = f"{error.code} {error.reason}"
        except (URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
        else:
            return
        raise AlertError(f"the webhook at {host} was not reached: {reason}.")


@dataclass(frozen=True)
class Command:
    """A program that reads the alerts as JSON from its standard input.

    Args:
        text: the program and its arguments, as typed in a shell; no shell runs it.

    Raises:
        ArgumentError: the text is empty or has an open quote.
    """

    text: str

    def __post_init__(self) -> None:
        try:
            words = shlex.split(self.text)
        except ValueError as error:
            raise ArgumentError(f"the command {self.text!r} cannot be read: {error}.") from None
        if not words:
            raise ArgumentError("the command is empty.")

    @property
    def key(self) -> str:
        """The identity of the target in the store: its kind and its command."""
        return f"command {self.text}"

    def send(self, alerts: Sequence[Alert], /) -> None:
        """Run the program with the alerts as JSON on its standard input, and wait for its end.

        Raises:
            AlertError: the program cannot be started, takes too long, or ends with another status than 0.
        """
        words = shlex.split(self.text)
        try:
            ended = subprocess.run(  # noqa: S603 - the user's own command
                words,
                input=payload_of(alerts, AlertFormat.JSON),
                check=False,
                timeout=_WAIT,
                capture_output=True,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AlertError(f"the command {words[0]} failed: {error}.") from None
        if ended.returncode:
            stderr = ended.stderr.decode(errors="replace").strip()[-200:]
            raise AlertError(
                f"the command {words[0]} ended with status {ended.returncode}: {stderr}"
            )


@dataclass(frozen=True, kw_only=True)
class Email:
    """A mail in plain text. It is encrypted if the server can do so.

    The variables LEARNRATE_SMTP_USER and LEARNRATE_SMTP_PASSWORD log in to the server.

    Args:
        to: the address of the person.
        sender: the address it comes from.
        server: host, or host:port, of the mail server.

    Raises:
        ArgumentError: an address has no @, or the port is not a number.
    """

    to: str
    sender: str
    server: str = "localhost"

    def __post_init__(self) -> None:
        for address in (self.to, self.sender):
            if "@" not in address or any(character.isspace() for character in address):
                raise ArgumentError(
                    f"a mail address must be like ann@example.org; got {address!r}."
                )
        port = self.server.partition(":")[2]
        if port and not (port.isdigit() and int(port) < 2**16):
            raise ArgumentError(f"a mail server must be host or host:port; got {self.server!r}.")

    @property
    def key(self) -> str:
        """The identity of the target in the store: its kind and its address."""
        return f"email {self.to}"

    def send(self, alerts: Sequence[Alert], /) -> None:
        """Send the alerts in one mail, encrypted if the server can.

        Raises:
            AlertError: the server cannot be reached, or refuses the mail.
        """
        message = EmailMessage()
        message["From"], message["To"] = self.sender, self.to
        first = alerts[0]
        more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
        message["Subject"] = f"learnrate: {first.severity} {first.code} in {first.run}{more}"
        message.set_content(words_of_alerts(alerts))
        host, _, port = self.server.partition(":")
        try:
            with smtplib.SMTP(host, int(port or _SMTP_PORT), timeout=_WAIT) as smtp:
                smtp.ehlo()
                if smtp.has_extn("starttls"):
                    smtp.starttls(context=ssl.create_default_context())
                user = os.environ.get("LEARNRATE_SMTP_USER")
                if user:
                    smtp.login(user, os.environ.get("LEARNRATE_SMTP_PASSWORD", ""))
                smtp.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise AlertError(f"the mail server {self.server} failed: {error}.") from None
