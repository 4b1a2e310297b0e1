"""All rules, found in `learnrate.watch.rules`, and the thresholds of all of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from learnrate._discovery import discover
from learnrate._errors import ArgumentError
from learnrate.watch import rules
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["RULES", "Options", "chosen_rules"]


def _in_order(modules: dict[str, Rule[Any]]) -> tuple[Rule[Any], ...]:
    """The rules by their codes.

    Raises:
        TypeError: the code of a rule is not the name of its file, or two rules have the same name.
    """
    names: dict[str, str] = {}
    for module, rule in sorted(modules.items()):
        if rule.code != module.upper():
            raise TypeError(
                f"rule {rule.code} must be in {rule.code.lower()}.py, not {module}.py."
            )
        if rule.name in names:
            raise TypeError(
                f"rule {rule.code}: name must differ from that of {names[rule.name]}; "
                f"got {rule.name!r}."
            )
        names[rule.name] = rule.code
    return tuple(rule for _, rule in sorted(modules.items()))


RULES: tuple[Rule[Any], ...] = _in_order(
    discover(rules, "RULE", Rule)  # type: ignore[type-abstract]  # only classes derived from it are found
)
"""Every rule, in the order of the codes."""


class Options(SimpleNamespace):
    """The thresholds of all rules: an attribute for each rule, by its name.

    Args:
        thresholds: the thresholds, by the names of their rules, such as `diverged`; the others
            keep their defaults.

    Raises:
        ArgumentError: no rule has such a name, or its thresholds are of another class.

    Examples:
        >>> from learnrate.watch.rules.lr201 import TooSlowOptions
        >>> options = Options(too_slow=TooSlowOptions(quarter_fall=0.2))
        >>> options.too_slow.quarter_fall, options.diverged.noise
        (0.2, 8.0)
    """

    def __init__(self, **thresholds: RuleOptions) -> None:
        defaults = {rule.name: rule.options for rule in RULES}
        for name, options in thresholds.items():
            if name not in defaults:
                raise ArgumentError(
                    f"Options({name}=...) must be the name of a rule; there are "
                    f"{', '.join(defaults)}."
                )
            if type(options) is not type(defaults[name]):
                raise ArgumentError(
                    f"Options({name}=...) must be {type(defaults[name]).__name__}(...); "
                    f"got {options!r}."
                )
        super().__init__(**(defaults | thresholds))

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: thresholds do not change once they are chosen."""
        raise AttributeError(f"Options.{name} cannot be set; make new Options(...) instead.")

    def of(self, rule: Rule[Any]) -> Any:
        """The thresholds of a rule; its defaults if it is not among the rules of learnrate."""
        return getattr(self, rule.name, rule.options)


def chosen_rules(only: Iterable[str] | None, ignore: Iterable[str]) -> tuple[Rule[Any], ...]:
    """The rules with some codes.

    Args:
        only: the codes of the rules to run; None for all.
        ignore: the codes of rules to leave out.

    Raises:
        ArgumentError: no rule has such a code.
    """
    known = {rule.code for rule in RULES}
    wanted = known if only is None else set(only)
    left_out = set(ignore)
    for code in sorted((wanted | left_out) - known):
        raise ArgumentError(
            f"no rule has the code {code!r}; there are {', '.join(sorted(known))}."
        )
    return tuple(rule for rule in RULES if rule.code in wanted - left_out)
