"""Changes to a running schedule, as data: a schedule with its edits is again a schedule.

Pure: standard library and numpy.
"""

from learnrate.edits._edit import RATE_KINDS, Edit, EditKind, edit_in
from learnrate.edits._edited import Edited, edited
from learnrate.edits._limits import AUTOMATIC, Limits
from learnrate.edits._words import words_of

__all__ = [
    "AUTOMATIC",
    "RATE_KINDS",
    "Edit",
    "EditKind",
    "Edited",
    "Limits",
    "edit_in",
    "edited",
    "words_of",
]
