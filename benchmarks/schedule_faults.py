"""Are the faults of schedules found at every spacing of the log, without findings on healthy ones?

    python benchmarks/schedule_faults.py [--json] [--page docs/findings/measured.md]

Makes the logs of `_schedule_cases.py`, some 6,000, of schedulers of torch and transformers, healthy
and with the faults that people make; diagnoses each, and prints the share that is judged rightly. It
takes a minute or two.

A faulty log is right if one of its right codes is found and no other of LR305 to LR308; a healthy
one if none of them is found.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from _page import parser_of, table, write_section
from _schedule_cases import FRESH, LEFT_OUT, SPACINGS, TUNED, Setting, settings

from learnrate.watch import diagnose

if TYPE_CHECKING:
    from collections.abc import Iterable

CODES = ("LR302", "LR305", "LR306", "LR307", "LR308")
GROUPS = {"tuned on": TUNED, "left out": LEFT_OUT, "never looked at": FRESH}


def is_right(setting: Setting) -> bool:
    """Whether a log is judged correctly."""
    codes = set(diagnose(setting.observations(), only=CODES).codes())
    judged = {code for code in codes if code != "LR302" or code in setting.right}
    return (
        bool(judged & setting.right) and judged <= setting.right if setting.right else not judged
    )


def shares(cases: Iterable[Setting]) -> dict[str, dict[str, dict[int, tuple[int, int]]]]:
    """How many logs are right, and how many there are, by group of families, fault and spacing."""
    counts: dict[str, dict[str, dict[int, tuple[int, int]]]] = {
        group: defaultdict(lambda: dict.fromkeys(SPACINGS, (0, 0))) for group in GROUPS
    }
    for setting in cases:
        group = next(name for name, families in GROUPS.items() if setting.family in families)
        right = is_right(setting)
        for fault in (setting.fault, "**all faults**" if setting.right else "**all healthy**"):
            row = counts[group][fault]
            before, all_before = row[setting.spacing]
            row[setting.spacing] = (before + right, all_before + 1)
    return counts


def page_text(counts: dict[str, dict[str, dict[int, tuple[int, int]]]]) -> str:
    """The table: a row for each fault, a column for each group of families and spacing."""
    faults = sorted({fault for rows in counts.values() for fault in rows}, key=_order)
    header = ["", *(f"{group}, {spacing}" for group in GROUPS for spacing in SPACINGS)]
    rows = [
        [
            fault,
            *(_text(counts[group][fault][spacing]) for group in GROUPS for spacing in SPACINGS),
        ]
        for fault in faults
    ]
    return table(header, rows)


def _order(fault: str) -> tuple[int, str]:
    return (0 if fault.startswith("**") else 1, fault)


def _text(count: tuple[int, int]) -> str:
    right, number = count
    return "-" if not number else f"{right}/{number}"


def main() -> None:
    """Make the logs, diagnose them, count."""
    arguments = parser_of(__doc__, as_json=True).parse_args()
    counts = shares(settings())
    text = page_text(counts)
    if arguments.page:
        write_section(arguments.page, "schedule-faults", text)
    print(json.dumps(counts) if arguments.json else text)


if __name__ == "__main__":
    main()
