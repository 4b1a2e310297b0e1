"""Edits of stored runs: request and preview them, and replay a run with its edits."""

from learnrate.steering._replay import STORE, Replay, observations_as_edited, replayed
from learnrate.steering._request import as_edit as as_edit
from learnrate.steering._request import edited_run as edited_run
from learnrate.steering._request import edits_of, preview, ratios_of, request
from learnrate.steering._request import login as login
from learnrate.steering._request import no_snapshot as no_snapshot
from learnrate.steering._request import request_edit as request_edit

# Names that are imported as themselves are for the other packages of learnrate.
__all__ = [
    "STORE",
    "Replay",
    "edits_of",
    "observations_as_edited",
    "preview",
    "ratios_of",
    "replayed",
    "request",
]
