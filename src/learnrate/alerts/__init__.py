"""Alerts: findings and ends of runs, sent to a person who is not looking at the dashboard.

They are sent by the process that reads the store, so training never waits for them.
"""

from learnrate._errors import AlertError
from learnrate.alerts._alert import Alert, AlertFormat, words_of_alerts
from learnrate.alerts._quiet import QuietTimes
from learnrate.alerts._sending import follow_alerts, send_alerts
from learnrate.alerts._targets import Command, Email, Target, Webhook

__all__ = [
    "Alert",
    "AlertError",
    "AlertFormat",
    "Command",
    "Email",
    "QuietTimes",
    "Target",
    "Webhook",
    "follow_alerts",
    "send_alerts",
    "words_of_alerts",
]
