"""Sink: one connection that writes one run, opened and opened again as need be."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError

from learnrate.store import _writes as writes
from learnrate.store._chunks import CHUNK, merged
from learnrate.store._migrations import migrate
from learnrate.store._place import engine_of, shown, speaking_plainly
from learnrate.store._records import RunStatus, new_id
from learnrate.watch import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import URL, Connection, Engine

    from learnrate.store._chunks import Rows

__all__ = ["Sink", "Turn"]
