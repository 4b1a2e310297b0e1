"""When the rate decays, ends and warms up, and whether it follows its schedule."""

import numpy as np
import pytest

from learnrate.schedules import schedule
from learnrate.watch import Observations, Severity, Watcher, diagnose

STEPS = np.arange(400)


def cosine(total_steps, steps=STEPS, peak=0.1):
    """The closed form of torch, which rises again past its end."""
    return peak * 0.5 * (1.0 + np.cos(np.pi * steps / total_steps))


def standing(noise=0.02, n=600):
    """A loss that falls for 80 updates and then stays."""
    noise_values = np.random.default_rng(0).standard_normal(n)
    return 0.5 + 1.8 * np.exp(-np.arange(n) / 20) + noise * noise_values


def test_a_loss_that_stands_at_a_constant_rate_is_a_plateau(runs):
    (finding,) = runs.diagnose(loss=standing(), lr=np.full(600, 0.1), total_steps=1000).findings
    assert finding.code == "LR301"
    assert finding.evidence["updates_left"] == 400
    assert finding.evidence["p"] < 0.02
    assert "it fell by less than 15 % of its total decrease" in finding.message


def test_a_loss_that_falls_is_not_a_plateau(runs):
    loss = standing() + np.linspace(1.0, 0.0, 600)
    assert runs.codes(loss=loss, lr=np.full(600, 0.1), total_steps=1000) == []


def test_a_loss_that_still_falls_by_a_third_of_its_fall_is_not_a_plateau(runs):
    for share, codes in ((0.05, ["LR301"]), (0.33, [])):
        fall = share * np.clip((np.arange(600) - 240) / 360, 0.0, 1.0)
        loss = standing() * (1 - share) + (1 - fall)
        assert runs.codes(loss=loss, lr=np.full(600, 0.1), total_steps=1000) == codes


def test_a_plateau_before_a_scheduled_decay_is_not_reported(runs):
    planned = schedule("0.1 * constant() >> linear(20%)").over(1000)
    known = {"loss": standing(), "lr": np.full(600, 0.1), "total_steps": 1000}
    assert runs.codes(**known, schedule=planned) == []
    assert runs.codes(**known, schedule=schedule("0.1 * constant()")) == ["LR301"]


def test_at_the_end_of_a_run_a_plateau_is_not_reported(runs):
    assert runs.codes(loss=standing(), lr=np.full(600, 0.1), total_steps=600) == ["LR302"]


def test_a_rate_that_stays_at_its_peak_never_decayed(runs):
    (finding,) = runs.diagnose(loss=runs.loss(), lr=np.full(400, 0.1)).findings
    assert (finding.code, finding.evidence["peak"]) == ("LR302", 0.1)


@pytest.mark.parametrize("rows", [12, 60, 400])
def test_a_cosine_that_is_incomplete_when_the_log_ends_was_cut_off(runs, rows):
    step = np.linspace(0, 399, rows).astype(int)

    def codes(lr):
        columns = {"loss": runs.loss()[step], "lr": lr[step]}
        return diagnose(Observations(run="a", step=step, columns=columns)).findings

    (finding,) = codes(cosine(640))
    assert (finding.code, finding.evidence["would_end"]) == ("LR302", 640)
    assert "640" in finding.message
    for decayed in (cosine(440), 0.01 + 0.9 * cosine(400), np.linspace(0.1, 0.033, 400)):
        assert not codes(decayed)


def test_a_rate_that_fell_to_a_third_decayed(runs):
    assert runs.codes(loss=runs.loss(), lr=np.linspace(0.1, 0.033, 400)) == []


def test_a_rate_that_is_still_rising_is_a_range_test(runs):
    assert runs.codes(loss=runs.loss(), lr=np.geomspace(1e-6, 0.1, 400)) == []


def test_a_schedule_that_stands_at_zero_ended_early(runs):
    lr = cosine(250) * (STEPS < 250)
    (finding,) = runs.diagnose(loss=runs.loss(), lr=lr).findings
    assert (finding.code, finding.step) == ("LR303", 250)
    assert finding.evidence["updates_after"] == 150


def test_a_schedule_that_ends_in_the_last_twentieth_ended_in_time(runs):
    lr = cosine(385) * (STEPS < 385)
    assert runs.codes(loss=runs.loss(), lr=lr) == []


def test_the_last_stage_of_a_step_decay_is_not_an_early_end(runs):
    lr = np.where(STEPS < 200, 0.1, np.where(STEPS < 300, 0.01, 0.001))
    assert runs.codes(loss=runs.loss(), lr=lr) == []


def test_a_floor_is_an_early_end_if_the_schedule_says_so(runs):
    known = schedule("0.1 * cosine(floor=0.1)").over(250)
    lr = known(STEPS)
    assert runs.codes(loss=runs.loss(), lr=lr) == []
    assert runs.codes(loss=runs.loss(), lr=lr, schedule=known, total_steps=400) == ["LR303"]


def burst(runs, size):
    loss = runs.loss()
    loss[3:12] += size
    return loss


def test_a_loss_that_bursts_at_the_first_full_rate_lacks_a_warm_up(runs):
    (finding,) = runs.diagnose(loss=burst(runs, 1.5), lr=cosine(400)).findings
    assert finding.code == "LR304"
    assert "no warm-up" in finding.message
    assert finding.evidence["highest"] > 3.0


def test_a_burst_by_the_third_row_counts(runs):
    loss = burst(runs, 1.5)
    loss[1:3] = [4.0, 5.0]  # the median of the first three rows is no start then
    (finding,) = runs.diagnose(loss=loss, lr=cosine(400)).findings
    assert finding.code == "LR304"
    assert finding.evidence["start"] == loss[0]


def test_a_burst_while_the_rate_still_warms_up_is_not_its_fault(runs):
    assert "LR304" not in runs.codes(loss=burst(runs, 1.5), lr=runs.rate(warm=60))


def test_without_a_burst_a_missing_warm_up_is_not_reported(runs):
    assert runs.codes(loss=burst(runs, 0.1), lr=cosine(400)) == []


def jumped(factor, step=200):
    return np.where(step > STEPS, 1.0, factor) * cosine(400)


@pytest.mark.parametrize(("factor", "facts"), [(3.0, {}), (0.4, {"resumed_at": [200]})])
def test_a_rate_that_leaps_in_the_middle_of_its_decay_jumped(runs, factor, facts):
    (finding,) = runs.diagnose(loss=runs.loss(), lr=jumped(factor), facts=facts).findings
    assert (finding.code, finding.step) == ("LR305", 200)
    assert finding.evidence["resume_known"] is bool(facts)
    assert finding.severity is (Severity.ERROR if facts else Severity.WARNING)


@pytest.mark.parametrize(
    ("epochs", "by_epoch"), [(2, False), (3, False), (5, False), (3, True), (5, True)]
)
def test_a_warm_up_that_is_stepped_once_an_epoch_does_not_jump(runs, epochs, by_epoch):
    warm = 20 * epochs
    late = STEPS // 20 * 20 if by_epoch else STEPS
    lr = np.where(warm > STEPS, 0.1 * (STEPS // 20 + 1) / epochs, cosine(400 - warm, late - warm))
    assert runs.codes(loss=runs.loss(), lr=lr) == []


def reported_row_by_row(watcher, **columns):
    reported = []
    for step in STEPS.tolist():
        rows = {name: values[step : step + 1] for name, values in columns.items()}
        reported += [(step, finding.code) for finding in watcher.feed([step], rows)]
    return reported


def test_a_rise_from_a_constant_rate_is_a_jump_if_no_second_one_follows(runs):
    lr = np.where(STEPS < 100, 0.03, 0.1)
    assert runs.codes(loss=runs.loss(), lr=lr) == ["LR305"]
    ((step, code),) = reported_row_by_row(Watcher("a", total_steps=400), loss=runs.loss(), lr=lr)
    assert (code, 200 < step < 320) == ("LR305", True)


def test_a_second_warm_up_after_a_fall_is_a_restart_of_the_schedule(runs):
    lr = np.concatenate([runs.rate()[:200], runs.rate()[:200]])
    assert runs.codes(loss=runs.loss(), lr=lr) == ["LR305"]


@pytest.mark.parametrize(
    "facts", [{"resumed_at": [200]}, {}], ids=["resumed", "no interruption known"]
)
def test_a_rate_that_continues_where_it_was_did_not_jump(runs, facts):
    assert runs.codes(loss=runs.loss(), lr=cosine(400), facts=facts) == []


def test_a_warm_restart_from_the_floor_is_not_a_jump(runs):
    lr = cosine(100, STEPS % 100)
    assert runs.codes(loss=runs.loss(), lr=lr) == []


def test_a_jump_that_a_person_made_is_not_reported(runs):
    assert runs.codes(loss=runs.loss(), lr=jumped(3.0), facts={"edits": [200]}) == []


def test_if_the_schedule_is_known_any_jump_off_it_is_an_error(runs):
    known = schedule("0.1 * cosine()").over(400)
    (finding,) = runs.diagnose(
        loss=runs.loss(), lr=jumped(1.3), schedule=known, total_steps=400
    ).findings
    assert finding.code == "LR305"
    assert finding.evidence["meant"] == pytest.approx(0.05)


def test_a_rate_that_came_back_to_its_known_schedule_did_not_jump(runs):
    known = schedule("0.1 * cosine()").over(400)
    lr = known(STEPS) * np.where((STEPS >= 150) & (STEPS < 200), 1.3, 1.0)
    assert runs.codes(loss=runs.loss(), lr=lr, schedule=known, total_steps=400) == ["LR308"]


@pytest.mark.parametrize("half", [220, 300, 350])
def test_a_cosine_past_its_end_rises_again(runs, half):
    (finding,) = runs.diagnose(loss=runs.loss(), lr=cosine(half)).findings
    assert finding.code == "LR306"
    assert abs(finding.step - half) <= 1


def test_a_cosine_that_reaches_its_end_did_not(runs):
    assert runs.codes(loss=runs.loss(), lr=cosine(399)) == []


def test_cycles_that_begin_with_a_rise_are_cycles(runs):
    triangular = schedule("0.1 * triangular(every=25%)").over(400).table()
    assert runs.codes(loss=runs.loss(), lr=triangular) == []


KNOWN = schedule("0.1 * warmup(10%) >> cosine()").over(400)


def test_a_schedule_over_updates_stepped_once_an_epoch_is_on_the_wrong_clock(runs):
    lr = KNOWN(STEPS // 20)
    known = {"loss": runs.loss(), "lr": lr, "total_steps": 400}
    (finding,) = runs.diagnose(**known, schedule=KNOWN).findings
    assert (finding.code, finding.evidence["updates_per_change"]) == ("LR307", 20)
    assert runs.codes(**known) == ["LR307"]


def test_a_schedule_over_epochs_stepped_once_an_epoch_is_right(runs):
    lr = schedule("0.1 * cosine()").over(20)(STEPS // 20)
    assert runs.codes(loss=runs.loss(), lr=lr, total_steps=400) == []


def test_a_schedule_over_epochs_stepped_at_every_update_ends_at_once(runs):
    lr = schedule("0.1 * cosine(floor=0.01)").over(20)(STEPS)
    (finding,) = runs.diagnose(loss=runs.loss(), lr=lr, total_steps=400).findings
    assert (finding.code, finding.step) == ("LR307", 20)


def test_torchs_cosine_over_epochs_stepped_at_every_update_oscillates(runs):
    assert runs.codes(loss=runs.loss(), lr=cosine(20), total_steps=400) == ["LR307"]


@pytest.mark.parametrize(
    "lr",
    [KNOWN(STEPS // 20), schedule("0.1 * cosine(floor=0.01)").over(20)(STEPS)],
    ids=["updates stepped by epochs", "epochs stepped by updates"],
)
def test_if_the_schedule_is_known_a_wrong_clock_is_reported_early_in_the_run(runs, lr):
    watcher = Watcher("a", total_steps=400, schedule=KNOWN)
    ((step, code),) = reported_row_by_row(watcher, loss=runs.loss(), lr=lr)
    assert (code, step < 100) == ("LR307", True)
    assert watcher.finish() == ()


def test_a_known_schedule_followed_to_an_early_end_is_not_reported_at_once(runs):
    known = schedule("0.1 * cosine(floor=0.01)").over(20)
    watcher = Watcher("a", total_steps=400, schedule=known)
    reported = reported_row_by_row(watcher, loss=runs.loss(), lr=known(STEPS))
    assert [code for step, code in reported if step < 100] == []


def test_a_rate_that_does_not_follow_its_schedule_was_not_applied(runs):
    lr = np.full(400, 0.1)
    (finding,) = runs.diagnose(loss=runs.loss(), lr=lr, schedule=KNOWN, total_steps=400).findings
    assert (finding.code, finding.severity) == ("LR308", Severity.ERROR)
    assert "stayed at 0.1" in finding.message


def test_ten_times_the_scheduled_rate_was_not_applied_either(runs):
    assert runs.codes(loss=runs.loss(), lr=10 * KNOWN.table(), schedule=KNOWN) == ["LR308"]


def test_a_rate_that_follows_its_schedule_was_applied(runs):
    rounded = np.array([float(f"{rate:.3g}") for rate in KNOWN.table()])
    assert runs.codes(loss=runs.loss(), lr=rounded, schedule=KNOWN, total_steps=400) == []


def test_updates_that_do_not_follow_the_rate_show_that_it_was_not_applied(runs):
    noise = np.exp(0.1 * np.random.default_rng(0).standard_normal(400))
    known = {"loss": runs.loss(), "lr": runs.rate(), "facts": {"optimizer": "adamw"}}
    assert runs.codes(**known, update_ratio=1e-3 * noise) == ["LR308"]
    assert runs.codes(**known, update_ratio=1e-2 * runs.rate() * noise) == []


@pytest.mark.parametrize(("last", "codes"), [(1e-8, []), (1e-3, ["LR308"])])
def test_updates_of_a_vanished_gradient_do_not_count(runs, last, codes):
    norm = np.geomspace(1.0, last, 400)  # the data are memorised, and Adam's epsilon dominates
    known = {"lr": runs.rate(), "facts": {"optimizer": "adamw"}, "gradient_norm": norm}
    ratio = 1e-3 * norm / (norm + 30 * last)
    assert runs.codes(loss=runs.loss(), update_ratio=ratio, **known) == codes


def test_the_updates_of_sgd_are_compared_per_gradient(runs):
    norm = np.geomspace(10.0, 0.1, 400)
    known = {"loss": runs.loss(), "lr": runs.rate(), "gradient_norm": norm}
    facts = {"optimizer": "sgd"}
    assert runs.codes(**known, facts=facts, update_ratio=1e-3 * norm) == ["LR308"]
    assert runs.codes(**known, facts=facts, update_ratio=1e-2 * norm * runs.rate()) == []


def test_updates_with_momentum_may_shrink_while_gradients_alternate(runs):
    """Successive gradients alternate at high rates and agree at low ones, as at the edge."""
    lr = KNOWN.table()
    agreement = 1.0 - lr / lr.max()
    size = lr / (1.9 - 1.8 * agreement)  # from 1 / (1 + m) to 1 / (1 - m) of the rate
    known = {"loss": runs.loss(), "lr": lr, "gradient_norm": np.ones(lr.size) * 1.0}
    known["gradient_norm"] *= np.exp(0.1 * np.random.default_rng(0).standard_normal(lr.size))
    facts = {"optimizer": "SGD", "momentum": 0.9}
    ratio = 1e-3 * size * known["gradient_norm"]
    assert runs.codes(**known, facts=facts, update_ratio=ratio) == []
    assert runs.codes(**known, facts=facts | {"momentum": 0.0}, update_ratio=ratio) == ["LR308"]
    cycled = {"momentum": 0.0, "momentum_used": [[50, 0.5], [100, 0.9], [300, 0.4]]}
    assert runs.codes(**known, facts=facts | cycled, update_ratio=ratio) == []
    constant = 1e-3 * known["gradient_norm"]
    assert runs.codes(**known, facts=facts, update_ratio=constant) == ["LR308"]


@pytest.mark.parametrize(
    ("total_steps", "rows"), [(150, 20), (160, 20), (200, 30), (240, 30), (160, 16)]
)
def test_a_cosine_in_epochs_is_known_from_rows_as_far_apart_as_its_half_periods(total_steps, rows):
    """Of torch's cosine with its lengths in epochs and a step at every update, twenty half periods."""
    step = np.linspace(0, total_steps, rows + 1).astype(int)[1:] - 1
    lr = cosine(total_steps / 20, step)
    (finding,) = diagnose(Observations(run="a", step=step, columns={"lr": lr})).findings
    assert finding.code == "LR307"
    two_rates = np.where(np.arange(rows) % 2, 0.1, 0.02)  # two optimizers, or cycles of two rows
    for other in (two_rates, np.where(np.arange(rows) % 2, 0.1, 0.0)):
        columns = {"lr": other}
        assert not diagnose(Observations(run="a", step=step, columns=columns)).findings


def test_an_early_end_of_a_known_schedule_is_reported_after_half_as_many_further_updates(runs):
    """A decay of 40 epochs that is stepped at every update, in a run of 1,000 updates."""
    planned = schedule("0.1 * linear(1000)")
    step = np.arange(100)
    lr = 0.1 * np.clip(1 - step / 40, 0.0, 1.0)
    known = {"loss": runs.loss(n=100), "lr": lr}

    def codes(rows):
        columns = {name: values[:rows] for name, values in known.items()}
        return runs.diagnose(**columns, total_steps=1000, schedule=planned, only=["LR307"]).codes()

    assert codes(55) == []
    assert codes(65) == ["LR307"]


def test_a_rate_that_drops_to_almost_nothing_ended_at_the_drop(runs):
    lr = np.where(np.arange(400) < 40, 0.1, 1e-5)
    (finding,) = runs.diagnose(loss=runs.loss(), lr=lr, total_steps=1000, only=["LR307"]).findings
    assert finding.evidence["ended"] == 40


def test_fewer_than_forty_updates_do_not_show_whether_they_follow_the_rate(runs):
    known = {"only": ["LR308"], "facts": {"optimizer": "AdamW"}}
    for rows, codes in ((36, []), (48, ["LR308"])):
        columns = {"loss": runs.loss(n=rows), "lr": np.geomspace(0.1, 0.001, rows)}
        columns["update_ratio"] = 1e-3 * (1 + 0.01 * np.sin(np.arange(rows)))
        assert runs.diagnose(**columns, **known).codes() == codes
