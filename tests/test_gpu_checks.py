"""The checks that are made on a GPU run through on a CPU, as far as a CPU can."""

import torch
from gpu import CHECKS, Check, Setting, checked


def test_no_check_fails_in_a_dry_run():
    names = ["attach", "scaler", "stack", "memory", "ddp"]
    checks = checked(Setting(device="cpu", small=True), names, 300.0)
    assert [check.name for check in checks] == names
    outcomes = {check.name: (check.outcome, check.figure) for check in checks}
    assert outcomes["scaler"][0] == "passes", outcomes["scaler"]
    assert "times as fast" in outcomes["stack"][1]
    if not torch.cuda.is_available():
        assert all(outcomes[name][0] == "skipped" for name in ("attach", "memory", "ddp"))


def test_a_check_that_raises_fails_and_the_others_run(monkeypatch):
    def broken(_):
        raise ValueError("no kernel")

    monkeypatch.setitem(CHECKS, "stack", broken)
    checks = checked(Setting(device="cpu", small=True), ["stack", "ddp"], 300.0)
    assert checks[0] == Check("stack", "fails", "ValueError: no kernel")
    assert checks[1].outcome == "skipped"


def test_no_check_begins_after_the_time_is_over():
    checks = checked(Setting(device="cpu", small=True), list(CHECKS), -1.0)
    assert {check.figure for check in checks} == {"the time is over"}
