"""The learning-rate range test, and the rules that read a rate off its curve."""

from learnrate.range_test import _picture as _picture
from learnrate.range_test._find import MEMORY, find, measure_repeat, rates_between
from learnrate.range_test._result import RangeTest, Zones
from learnrate.range_test._rules import RULES, Rule, smoothed, without_dips

__all__ = [
    "MEMORY",
    "RULES",
    "RangeTest",
    "Rule",
    "Zones",
    "find",
    "measure_repeat",
    "rates_between",
    "smoothed",
    "without_dips",
]
