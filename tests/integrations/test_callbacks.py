"""The callbacks for Lightning, transformers and Keras set rates and record the run."""

import numpy as np
import pytest

import learnrate
from learnrate import ArgumentError
from learnrate.run import Measure
from learnrate.store import Sink

torch = pytest.importorskip("torch")
SCHEDULE = "3e-2 * warmup(2) >> cosine(6, floor=0.1)"
RATES = [learnrate.schedule(SCHEDULE)(step) for step in range(8)]


class StepsSink(Sink):
    """A sink that keeps the steps it receives."""

    def __init__(self):
        self.steps, self.closed = [], False

    def __call__(self, observations):
        self.steps += observations.step.tolist()

    def close(self):
        self.closed = True


# Lightning


@pytest.fixture
def fit(tmp_path):
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer, self.used = torch.nn.Linear(3, 1), []

        def training_step(self, batch, index):
            return self.layer(batch).square().mean()

        def validation_step(self, batch, index):
            self.log("val_loss", self.layer(batch).square().mean())

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.5)

        def on_before_optimizer_step(self, optimizer):
            self.used.append(optimizer.param_groups[0]["lr"])

    def run(callback, steps=8, *, accumulate=1, resume=None):
        data = torch.utils.data.DataLoader(
            torch.randn(16, 3, generator=torch.Generator().manual_seed(0)), batch_size=2
        )
        module = Module()
        trainer = lightning.Trainer(
            max_steps=steps,
            accumulate_grad_batches=accumulate,
            callbacks=[callback],
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
            val_check_interval=4,
        )
        trainer.fit(module, data, data, ckpt_path=resume)
        return trainer, module

    return run


lightnings = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before"),
]


def filtered(test):
    for mark in lightnings:
        test = mark(test)
    return test


@filtered
def test_lightning_trains_at_the_schedule_and_records(fit, tmp_path):
    from learnrate.integrations.attach_lightning import LightningCallback

    place, sink = tmp_path / "a.db", StepsSink()
    callback = LightningCallback(SCHEDULE, store=place, sinks=[sink])
    _, module = fit(callback)
    observations = learnrate.Store(place).observations(callback.run.id)
    assert module.used == pytest.approx(RATES)
    assert observations.column("lr").tolist() == pytest.approx(RATES)
    assert np.isfinite(observations.column("loss")).all()
    assert np.flatnonzero(np.isfinite(observations.column("validation"))).tolist() == [3, 7]
    assert np.isfinite(observations.column("gradient_norm"))[0]
    assert sorted(set(sink.steps)) == list(range(8))
    assert sink.closed
    assert str(learnrate.Store(place).run(callback.run.id).status) == "finished"


@filtered
def test_a_schedule_that_ends_before_the_trainer_is_reported(fit):
    from learnrate.integrations.attach_lightning import LightningCallback

    message = (
        r"cosine\(6, floor=0.1\) ends after 8 of the Trainer's 12 updates. .* last rate, 0.003\."
    )
    with pytest.warns(UserWarning, match=message):
        fit(LightningCallback(SCHEDULE, store=False), 12)


def test_a_callback_refuses_an_unknown_option_when_it_is_made():
    pytest.importorskip("lightning")
    from learnrate.integrations.attach_lightning import LightningCallback

    with pytest.raises(ArgumentError, match=r"no argument warm\. It also takes the arguments of"):
        LightningCallback(SCHEDULE, warm=2)


@filtered
def test_lightning_records_the_loss_itself_under_accumulation(fit, tmp_path):
    from learnrate.integrations.attach_lightning import LightningCallback

    place = tmp_path / "a.db"
    losses = []
    for accumulate in (1, 2):
        callback = LightningCallback(None, store=place)
        fit(callback, 4, accumulate=accumulate)
        losses.append(learnrate.Store(place).observations(callback.run.id).column("loss"))
    assert len(losses[1]) == 4
    assert 0.2 < losses[1][0] / losses[0][0] < 5


@filtered
def test_lightning_resumes_in_the_same_run(fit, tmp_path):
    from learnrate.integrations.attach_lightning import LightningCallback

    place = tmp_path / "a.db"
    first = LightningCallback(SCHEDULE, store=place)
    trainer, _ = fit(first, 5)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = LightningCallback(SCHEDULE, store=place)
    _, module = fit(again, 8, resume=tmp_path / "a.ckpt")
    assert again.run.id == first.run.id
    assert module.used == pytest.approx(RATES[5:])
    observations = learnrate.Store(place).observations(again.run.id)
    assert observations.column("lr").tolist() == pytest.approx(RATES)


@filtered
def test_lightning_trains_further_in_the_same_run_if_the_change_is_meant(fit, tmp_path):
    from learnrate.integrations.attach_lightning import LightningCallback

    place, longer = tmp_path / "a.db", "3e-2 * warmup(2) >> cosine(10, floor=0.1)"
    first = LightningCallback(SCHEDULE, store=place)
    trainer, _ = fit(first, 8)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    with pytest.raises(ArgumentError, match=r"LightningCallback\(..., change_schedule=True\)"):
        fit(LightningCallback(longer, store=place), 12, resume=tmp_path / "a.ckpt")
    again = LightningCallback(longer, store=place, change_schedule=True)
    fit(again, 12, resume=tmp_path / "a.ckpt")
    (run,) = learnrate.Store(place).runs()
    assert (run.id, run.step, run.total_steps) == (first.run.id, 12, 12)


@filtered
def test_lightning_ends_when_the_run_is_stopped(fit, tmp_path):
    from learnrate.integrations.attach_lightning import LightningCallback

    class Stopper(LightningCallback):
        def on_train_batch_start(self, trainer, *_):
            if trainer.global_step == 3:
                self.run.steer("stop")

    callback = Stopper(SCHEDULE, store=tmp_path / "a.db")
    fit(callback)
    run = learnrate.Store(tmp_path / "a.db").run(callback.run.id)
    assert str(run.status) == "stopped"
    assert run.step == 4


# transformers


def test_transformers_trains_at_the_schedule_and_records(tmp_path):
    transformers = pytest.importorskip("transformers")
    from learnrate.integrations.attach_transformers import TransformersCallback

    transformers.set_seed(0)
    sizes = {"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}
    tokens = {"bos_token_id": 0, "eos_token_id": 0}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, **tokens))
    rows = [{"input_ids": torch.arange(6), "labels": torch.arange(6)} for _ in range(32)]
    place, used = tmp_path / "a.db", []

    class Spy(transformers.TrainerCallback):
        def on_train_begin(self, args, state, control, optimizer, **_):
            optimizer.optimizer.register_step_post_hook(
                lambda updated, *_: used.append(updated.param_groups[0]["lr"])
            )

    callback = TransformersCallback(SCHEDULE, store=place)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"),
        max_steps=8,
        per_device_train_batch_size=2,
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=4,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        save_strategy="no",
        dataloader_pin_memory=False,
    )
    transformers.Trainer(
        model, arguments, train_dataset=rows, eval_dataset=rows[:4], callbacks=[callback, Spy()]
    ).train()
    observations = learnrate.Store(place).observations(callback.run.id)
    assert used == pytest.approx(RATES)
    assert observations.column("lr").tolist() == pytest.approx(RATES)
    assert np.isfinite(observations.column("loss")).all()
    assert np.isfinite(observations.column("gradient_norm")).all()
    assert np.flatnonzero(np.isfinite(observations.column("validation"))).tolist() == [3, 7]
    with pytest.raises(ArgumentError, match="max_grad_norm"):
        TransformersCallback(measure=Measure(clip_norm=1.0))
    message = "TransformersCallback has no argument total_step; did you mean total_steps\\?"
    with pytest.raises(ArgumentError, match=message):
        TransformersCallback(SCHEDULE, total_step=8)


# Keras


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_keras_trains_at_the_schedule_and_records(tmp_path):
    keras = pytest.importorskip("keras")
    from learnrate.integrations.attach_keras import KerasCallback

    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    ends, losses = [], []
    for place in (tmp_path / "a.db", None):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
        if place is None:  # the oracle: the same rates by Keras's own means, a batch at a time
            model.compile(keras.optimizers.SGD(0.5), "mse")
            for step in range(8):
                part = slice(8 * (step % 4), 8 * (step % 4) + 8)
                model.optimizer.learning_rate = RATES[step]
                losses.append(float(model.train_on_batch(x[part], y[part])))
                model.reset_metrics()
        else:
            shares = "3e-2 * warmup(25%) >> cosine(floor=0.1)"
            callback = KerasCallback(shares, store=place)
            model.compile(keras.optimizers.SGD(0.5), "mse")
            model.fit(
                x,
                y,
                batch_size=8,
                epochs=2,
                shuffle=False,
                verbose=0,
                validation_data=(x, y),
                callbacks=[callback],
            )
            observations = learnrate.Store(place).observations(callback.recorder.run)
        ends.append(np.asarray(model.get_weights()[0]))
    assert ends[0] == pytest.approx(ends[1], rel=1e-5)
    assert observations.column("lr").tolist() == pytest.approx(RATES)
    assert observations.column("loss") == pytest.approx(losses, rel=1e-4)
    assert np.flatnonzero(np.isfinite(observations.column("validation"))).tolist() == [3, 7]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_keras_refuses_executions_of_several_updates():
    keras = pytest.importorskip("keras")
    from learnrate.integrations.attach_keras import KerasCallback

    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=2)
    with pytest.raises(ArgumentError, match="steps_per_execution"):
        model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0, callbacks=[KerasCallback()])
