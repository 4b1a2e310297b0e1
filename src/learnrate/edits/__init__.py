"""Edits: changes to a running schedule, as data. A schedule with its edits is again a schedule.

Pure: standard library and numpy.
"""

from learnrate.edits._edit import (
    RATE_KINDS,
    Edit,
    EditKind,
    edit_in,
    in_effect,
    note_on_undo,
    words_of,
)
from learnrate.edits._edited import Edited, edited
from learnrate.edits._limits import AUTOMATIC, Limits

__all__ = [
    "AUTOMATIC",
    "RATE_KINDS",
    "Edit",
    "EditKind",
    "Edited",
    "Limits",
    "edit_in",
    "edited",
    "in_effect",
    "note_on_undo",
    "words_of",
]
