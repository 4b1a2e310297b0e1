"""Schedules in transformers' Trainer, and its own schedules as schedules of learnrate."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnrate import ArgumentError, schedules
from needed import needed

torch = pytest.importorskip("torch")
transformers = needed("transformers")
needed("accelerate")
integration = needed("learnrate.integrations.transformers")

PEAK = 0.3
RUN = 3e-2 * schedules.Warmup(2).then(schedules.Cosine(6, floor=0.1))
few = settings(max_examples=20)


# Schedules of learnrate in the Trainer, which trains a tiny GPT-2.


@pytest.fixture
def model():
    transformers.set_seed(0)
    sizes = {"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}
    tokens = {"bos_token_id": 0, "eos_token_id": 0}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, **tokens))


@pytest.fixture
def arguments(tmp_path):
    def make(**changes):
        values = {
            "output_dir": str(tmp_path),
            "max_steps": 8,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 3,
            "learning_rate": 7.0,
            "logging_steps": 1,
            "save_steps": 4,
            "report_to": "none",
            "disable_tqdm": True,
            "use_cpu": True,
            "dataloader_pin_memory": False,
        }
        return transformers.TrainingArguments(**{**values, **changes})

    return make


DATA = [
    {"input_ids": torch.arange(6) + i % 4, "labels": torch.arange(6) + i % 4} for i in range(60)
]


def recording():
    """A callback that lists the rates of each update."""

    class Recording(transformers.TrainerCallback):
        def __init__(self):
            self.rates = []

        def on_pre_optimizer_step(self, args, state, control, optimizer=None, **_):
            self.rates.append([group["lr"] for group in optimizer.param_groups])

    return Recording()


def test_the_trainer_makes_every_update_at_the_rate_of_the_schedule(model, arguments):
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    recorded = recording()
    trainer = transformers.Trainer(
        model,
        arguments(),
        train_dataset=DATA,
        callbacks=[recorded],
        optimizers=integration.to_transformers(RUN, optimizer),
    )
    trainer.train()
    assert recorded.rates == [[RUN(step)] for step in range(8)]
    logged = [entry["learning_rate"] for entry in trainer.state.log_history[:-1]]
    assert logged[:3] == pytest.approx([RUN(step) for step in (0, 1, 2)])


def test_a_trainer_is_given_a_schedule_of_shares_and_keeps_its_own_optimizer(model, arguments):
    recorded = recording()
    decaying = arguments(weight_decay=0.1)
    trainer = transformers.Trainer(model, decaying, train_dataset=DATA, callbacks=[recorded])
    assert integration.schedule_trainer(1e-2 * schedules.warmup_cosine("25%"), trainer) is trainer
    trainer.train()
    schedule = (1e-2 * schedules.warmup_cosine("25%")).over(8)
    assert recorded.rates == [[schedule(step)] * 2 for step in range(8)]
    assert [g["weight_decay"] for g in trainer.optimizer.param_groups] == [0.1, 0.0]


def test_it_resumes_from_a_checkpoint_of_the_trainer(model, arguments, tmp_path):
    def trainer(callback):
        new = transformers.Trainer(model, arguments(), train_dataset=DATA, callbacks=[callback])
        return integration.schedule_trainer(RUN, new)

    trainer(recording()).train()
    recorded = recording()
    trainer(recorded).train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert recorded.rates == [[RUN(step)] * 2 for step in range(4, 8)]


def test_a_trainer_with_a_scheduler_is_refused(model, arguments):
    pair = integration.to_transformers(RUN, torch.optim.SGD(model.parameters(), lr=1.0))
    trainer = transformers.Trainer(model, arguments(), train_dataset=DATA, optimizers=pair)
    with pytest.raises(ArgumentError, match="no scheduler yet; this one has a TorchSchedule"):
        integration.schedule_trainer(RUN, trainer)


# Schedules of transformers as schedules of learnrate: at every step, and far past the end.

WARMUPS = st.integers(1, 30)
RESTS = st.integers(2, 60)
SHARES = st.sampled_from([0.0, 0.01, 0.1, 0.5])


def transformers_rates(name, warmup=None, total_steps=None, **options):
    """The factor of `get_scheduler` times the peak, by step."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=PEAK)
    scheduler = transformers.get_scheduler(
        name,
        optimizer,
        num_warmup_steps=warmup,
        num_training_steps=total_steps,
        scheduler_specific_kwargs=options,
    )
    return lambda step: PEAK * scheduler.lr_lambdas[0](step)


def same(expected, schedule, steps):
    steps = list(steps)
    actual = [schedule(step) for step in steps]
    assert [expected(step) for step in steps] == pytest.approx(actual, rel=1e-12, abs=1e-16)


def to_far_past(total_steps):
    return [*range(total_steps + 3), 10 * total_steps, 10**6]


def test_constant_is_that_of_transformers():
    same(transformers_rates("constant"), PEAK * schedules.Constant(), range(9))


@few
@given(warmup=WARMUPS)
def test_a_warmup_from_zero_then_a_constant_is_that_of_transformers(warmup):
    schedule = PEAK * schedules.Warmup(warmup, start=0.0).then(schedules.Constant())
    same(transformers_rates("constant_with_warmup", warmup), schedule, to_far_past(warmup))


@few
@given(warmup=WARMUPS, rest=RESTS)
def test_linear_is_that_of_transformers_after_a_warmup_from_zero(warmup, rest):
    total_steps = warmup + rest
    schedule = PEAK * schedules.Warmup(warmup, start=0.0).then(schedules.Linear(rest))
    same(transformers_rates("linear", warmup, total_steps), schedule, to_far_past(total_steps))


@few
@given(warmup=WARMUPS, rest=RESTS, floor=SHARES)
def test_cosine_is_that_of_transformers_until_its_end_where_that_rises_again(warmup, rest, floor):
    total_steps = warmup + rest
    schedule = PEAK * schedules.Warmup(warmup, start=0.0).then(schedules.Cosine(rest, floor=floor))
    least = transformers_rates("cosine_with_min_lr", warmup, total_steps, min_lr_rate=floor)
    same(least, schedule, range(total_steps + 1))
    if floor == 0:
        same(transformers_rates("cosine", warmup, total_steps), schedule, range(total_steps + 1))
        assert transformers_rates("cosine", warmup, total_steps)(
            total_steps + rest
        ) == pytest.approx(PEAK)
        assert schedule(total_steps + rest) == 0.0


@few
@given(warmup=WARMUPS, cycles=st.sampled_from([1, 2, 4]), length=st.integers(1, 20))
def test_cosine_restarts_are_those_of_transformers(warmup, cycles, length):
    rest = cycles * length
    expected = transformers_rates("cosine_with_restarts", warmup, warmup + rest, num_cycles=cycles)
    cosines = schedules.CosineRestarts(rest, every=length)
    same(
        expected,
        PEAK * schedules.Warmup(warmup, start=0.0).then(cosines),
        to_far_past(warmup + rest),
    )


@few
@given(warmup=WARMUPS, rest=RESTS, floor=SHARES, power=st.sampled_from([0.5, 1.0, 2.0, 3.7]))
def test_polynomial_is_that_of_transformers_and_floor_is_its_lr_end_as_a_share(
    warmup, rest, floor, power
):
    total_steps = warmup + rest
    expected = transformers_rates(
        "polynomial", warmup, total_steps, lr_end=PEAK * floor, power=power
    )
    schedule = PEAK * schedules.Warmup(warmup, start=0.0).then(
        schedules.Polynomial(rest, power, floor)
    )
    same(expected, schedule, to_far_past(total_steps))


@few
@given(warmup=WARMUPS, every=st.integers(1, 500))
def test_inverse_sqrt_is_that_of_transformers_and_every_is_its_timescale(warmup, every):
    schedule = PEAK * schedules.Warmup(warmup, start=0.0).then(schedules.InverseSqrt(every=warmup))
    same(transformers_rates("inverse_sqrt", warmup), schedule, to_far_past(warmup))
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=PEAK)
    scheduler = transformers.get_inverse_sqrt_schedule(optimizer, warmup, timescale=every)
    schedule = PEAK * schedules.Warmup(warmup, start=0.0).then(schedules.InverseSqrt(every=every))
    same(lambda step: PEAK * scheduler.lr_lambdas[0](step), schedule, to_far_past(warmup))


@few
@given(warmup=WARMUPS, half=st.integers(1, 20))
def test_a_cosine_of_transformers_with_more_waves_falls_and_rises_again(warmup, half):
    expected = transformers_rates(
        "cosine_with_min_lr", warmup, warmup + 3 * half, num_cycles=1.5, min_lr=0.03
    )
    down = schedules.Cosine(half, floor=0.1)
    up = schedules.Warmup(half, start=0.1, curve="cosine")
    schedule = PEAK * schedules.Warmup(warmup, start=0.0).then(down, up, down)
    same(expected, schedule, range(warmup + 3 * half + 1))


@few
@given(warmup=st.integers(2, 30), rest=RESTS, floor=SHARES, start=st.sampled_from([None, 0.2]))
def test_the_cosine_of_transformers_whose_warmup_ends_at_the_peak_is_one_step_shorter(
    warmup, rest, floor, start
):
    total_steps = warmup + rest
    expected = transformers_rates(
        "cosine_warmup_with_min_lr", warmup, total_steps, min_lr_rate=floor, warmup_lr_rate=start
    )
    rise = schedules.Warmup(warmup - 1, start=1 / warmup if start is None else start)
    schedule = PEAK * rise.then(schedules.Cosine(rest, floor=floor))
    assert schedule.total_steps == total_steps - 1
    same(expected, schedule, range(total_steps))


@few
@given(
    warmup=WARMUPS,
    stable=RESTS,
    rest=RESTS,
    floor=SHARES,
    rise=st.sampled_from(["linear", "cosine", "1-sqrt"]),
    fall=st.sampled_from(
        [
            ("linear", schedules.Linear),
            ("cosine", schedules.Cosine),
            ("1-sqrt", schedules.OneMinusSqrt),
        ]
    ),
)
def test_warmup_stable_decay_is_that_of_transformers(  # noqa: PLR0917 - each is drawn
    warmup, stable, rest, floor, rise, fall
):
    total_steps = warmup + stable + rest
    name, shape = fall
    expected = transformers_rates(
        "warmup_stable_decay",
        warmup,
        total_steps,
        num_decay_steps=rest,
        warmup_type=rise,
        decay_type=name,
        min_lr_ratio=floor,
    )
    curve = rise.replace("1-sqrt", "one_minus_sqrt")
    schedule = schedules.Warmup(warmup, start=floor, curve=curve).then(
        schedules.Constant(stable), shape(rest, floor=floor)
    )
    same(expected, PEAK * schedule, to_far_past(total_steps))
