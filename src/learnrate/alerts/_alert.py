"""An alert, and its text for chats, mails and programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.watch import Severity

__all__ = ["Alert", "AlertFormat", "payload_of", "words_of_alerts"]

_MOST_LISTED = 20  # alerts of one message
_LONGEST_DISCORD = 2000  # characters; Discord refuses more


class AlertFormat(StrEnum):
    """The form of a webhook's message."""

    SLACK = "slack"
    DISCORD = "discord"
    JSON = "json"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A finding about a run, or the news that a run diverged, failed or was lost.

    Attributes:
        run: the run's id.
        name: the run's name.
        code: the code of the finding; or the run's status: diverged, failed or lost.
        severity: how severe it is; the end of a run is an error.
        step: the update it is about, or None.
        message: what was found.
        remedy: what to do about it.
        time: the time when it was found, in seconds since 1970.
    """

    run: str
    name: str
    code: str
    severity: Severity
    step: int | None
    message: str
    remedy: str
    time: float

    @property
    def words(self) -> str:
        """One line: severity, code, name and id of the run, step, message and remedy."""
        where = "" if self.step is None else f" at step {self.step:,}"
        remedy = f" {self.remedy}" if self.remedy else ""
        name = " ".join(self.name.split())
        return f"{self.severity} {self.code} in {name} ({self.run}){where}: {self.message}{remedy}"


def words_of_alerts(alerts: Sequence[Alert]) -> str:
    """Alerts as text, a line for each, the first 20."""
    lines = [alert.words for alert in alerts[:_MOST_LISTED]]
    if len(alerts) > _MOST_LISTED:
        lines.append(f"and {len(alerts) - _MOST_LISTED:,} more; see learnrate runs.")
    return "\n".join(lines)


def payload_of(alerts: Sequence[Alert], form: AlertFormat) -> bytes:
    """The body of a webhook's request; texts of users cannot mention anyone in a chat.

    Args:
        alerts: the alerts to send, at least one.
        form: the form of the body.
    """
    text = words_of_alerts(alerts)
    document: dict[str, Any] = {"alerts": [asdict(alert) for alert in alerts], "text": text}
    if form is AlertFormat.SLACK:
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        document = {"text": escaped}
    elif form is AlertFormat.DISCORD:
        shortened = text if len(text) <= _LONGEST_DISCORD else text[: _LONGEST_DISCORD - 1] + "…"
        document = {"content": shortened, "allowed_mentions": {"parse": []}}
    return json.dumps(document).encode()
