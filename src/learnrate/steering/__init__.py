"""Edits of stored runs: request and preview them, and replay a run with its edits."""

from learnrate.steering._replay import STORE, Replay, observations_as_edited, replayed
from learnrate.steering._request import (
    as_edit,
    edits_of,
    login,
    no_snapshot,
    preview,
    ratios_of,
    request,
)

__all__ = [
    "STORE",
    "Replay",
    "as_edit",
    "edits_of",
    "login",
    "no_snapshot",
    "observations_as_edited",
    "preview",
    "ratios_of",
    "replayed",
    "request",
]
