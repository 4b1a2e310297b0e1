"""A task made from a LightningModule or a Trainer trains exactly as Lightning or transformers."""

import pytest

import learnrate
from learnrate import ArgumentError, TaskError

torch = pytest.importorskip("torch")
SCHEDULE = "3e-2 * warmup(2) >> cosine(6, floor=0.1)"


def weights(model):
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


def losses_at(task, lr, seed=0):
    return learnrate.train(task, lr, total_steps=2, seed=seed, progress=False).curve.loss.tolist()


# Lightning

lightnings = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*", "ignore:.*LeafSpec.*deprecated:FutureWarning"
)


@pytest.fixture(scope="module")
def lightning():
    return pytest.importorskip("lightning.pytorch")


@pytest.fixture
def make_module(lightning):
    class Line(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch, batch_idx):
            loss = (self.layer(batch) - batch.sum(1, keepdim=True)).square().mean()
            self.log("train_loss", loss)
            return {"loss": loss}

        def validation_step(self, batch, batch_idx):
            assert not self.training
            self.log_dict({"val_loss": self.layer(batch).square().mean()}, prog_bar=True)

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=0.5)

    return Line


@pytest.fixture
def batches():
    rows = torch.randn(38, 3, generator=torch.Generator().manual_seed(0))
    return torch.utils.data.DataLoader(rows, batch_size=2), torch.utils.data.DataLoader(
        rows[:7], batch_size=4
    )


def trainer_of(lightning, folder, **options):
    return lightning.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **options,
    )


@lightnings
def test_a_task_of_a_module_trains_as_the_trainer_does(lightning, make_module, batches, tmp_path):
    from learnrate.integrations.attach_lightning import LightningCallback
    from learnrate.integrations.task_lightning import task_of

    options = {"max_steps": 8, "accumulate_grad_batches": 2, "gradient_clip_val": 0.5}
    module, (train, held_out) = make_module(), batches
    first = weights(module).clone()
    task = task_of(
        module, train, trainer=trainer_of(lightning, tmp_path, **options), validation=held_out
    )
    assert (task.total_steps, task.accumulate, task.clip_norm) == (8, 2, 0.5)
    trained = learnrate.train(task, SCHEDULE, progress=False)
    assert torch.equal(weights(module), first)
    callback = LightningCallback(SCHEDULE, store=False)
    trainer = trainer_of(lightning, tmp_path, callbacks=[callback], **options)
    trainer.fit(module, train, held_out)
    assert torch.allclose(weights(trained.model), weights(module), rtol=1e-6)
    (metrics,) = trainer.validate(module, held_out, verbose=False)
    assert trained.curve.validation == pytest.approx(metrics["val_loss"], rel=1e-6)


@lightnings
def test_a_datamodule_and_epochs_say_the_rest(lightning, make_module, batches, tmp_path):
    from learnrate.integrations.task_lightning import task_of

    class Rows(lightning.LightningDataModule):
        def setup(self, stage):
            self.stage = stage

        def train_dataloader(self):
            return batches[0]

        def val_dataloader(self):
            return batches[1]

    rows = Rows()
    trainer = trainer_of(lightning, tmp_path, max_epochs=3, accumulate_grad_batches=2)
    task = task_of(make_module, rows, trainer=trainer)
    assert rows.stage == "fit"
    assert task.total_steps == 3 * 10  # 19 batches of an epoch, two an update
    assert task.validate is not None
    assert losses_at(task, 0.1, seed=1) != losses_at(task, 0.1, seed=2)
    assert losses_at(task, 0.1, seed=1) == losses_at(task, 0.1, seed=1)


def test_groups_keep_the_rates_they_were_built_with_under_a_warmup(make_module, batches):
    from learnrate.integrations.task_lightning import task_of

    class WarmedUp(make_module):
        def configure_optimizers(self):
            groups = [{"params": [self.layer.weight]}, {"params": [self.layer.bias], "lr": 0.05}]
            optimizer = torch.optim.SGD(groups, lr=0.5)
            total_steps = self.trainer.estimated_stepping_batches
            rise = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / total_steps)
            return [optimizer], [{"scheduler": rise, "interval": "step"}]

    task = task_of(WarmedUp(), batches[0], total_steps=10)
    optimizer = task.optimizer_of(task.model())
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.05]


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.RMSprop])
def test_a_scheduler_that_is_ignored_leaves_the_momentum_of_the_optimizer(
    kind, make_module, batches
):
    from learnrate.integrations.task_lightning import task_of

    momentum = {"betas": (0.8, 0.9)} if kind is torch.optim.Adam else {"momentum": 0.5}

    class Cycled(make_module):
        def configure_optimizers(self):
            optimizer = kind(self.parameters(), lr=0.5, **momentum)
            cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=10)
            return [optimizer], [{"scheduler": cycle, "interval": "step"}]

    task = task_of(Cycled(), batches[0], total_steps=10)
    with pytest.warns(UserWarning, match=r"cycles the momentum; trials ignore it.*cycle_momentum"):
        optimizer = task.optimizer_of(task.model())
    assert momentum.items() <= optimizer.param_groups[0].items()


def test_a_module_within_a_module_may_log_too(lightning, make_module, batches):
    from learnrate.integrations.task_lightning import task_of

    class Outer(make_module):
        def __init__(self):
            super().__init__()
            self.inner = make_module()

        def training_step(self, batch, batch_idx):
            return self.inner.training_step(batch, batch_idx)["loss"]

    assert len(losses_at(task_of(Outer(), batches[0], total_steps=2), 0.1)) == 2


def test_what_cannot_be_a_task_is_refused(lightning, make_module, batches, tmp_path):
    from learnrate.integrations.task_lightning import task_of

    class ByHand(make_module):
        automatic_optimization = False

    class Moved(lightning.LightningDataModule):
        def on_after_batch_transfer(self, batch, dataloader_idx):
            return batch

    with pytest.raises(ArgumentError, match="automatic_optimization=False"):
        task_of(ByHand(), batches[0])
    with pytest.raises(ArgumentError, match="on_after_batch_transfer"):
        task_of(make_module(), Moved())
    with pytest.raises(ArgumentError, match="no train_dataloader"):
        task_of(make_module())
    by_value = trainer_of(
        lightning, tmp_path, max_steps=1, gradient_clip_val=1.0, gradient_clip_algorithm="value"
    )
    with pytest.raises(ArgumentError, match="by norm"):
        task_of(make_module(), batches[0], trainer=by_value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training_step": lambda self, batch: None}, "training_step must return the loss"),
        ({"configure_optimizers": lambda self: None}, "must return one torch.optim.Optimizer"),
        ({"validation_step": lambda self, batch: None}, "validation logged nothing"),
        ({"validation_step": lambda self, batch: self.log("val_loss", [1, 2])}, "as a number"),
        ({"configure_optimizers": lambda self: self.trainer.strategy}, "self.trainer.strategy"),
    ],
)
def test_a_trial_says_what_the_module_lacks(make_module, batches, change, message):
    from learnrate.integrations.task_lightning import task_of

    broken = type("Broken", (make_module,), change)
    task = task_of(broken(), batches[0], validation=batches[1], total_steps=2)
    with pytest.raises(TaskError, match=message):
        learnrate.trials.check_task(task)[0].validate()


# transformers


@pytest.fixture
def make_trainer(tmp_path):
    transformers = pytest.importorskip("transformers")
    draws = torch.Generator().manual_seed(0)
    rows = [
        {"input_ids": row, "labels": row} for row in torch.randint(11, (38, 6), generator=draws)
    ]

    def model():
        sizes = {"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}
        still = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        tokens = {"bos_token_id": 0, "eos_token_id": 0}
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, **still, **tokens))

    def make(*, factory=False, trainer_options=(), **options):
        arguments = {
            "output_dir": str(tmp_path / "out"),
            "max_steps": 8,
            "per_device_train_batch_size": 2,
            "per_device_eval_batch_size": 4,
            "weight_decay": 0.1,
            "train_sampling_strategy": "sequential",
            "report_to": "none",
            "disable_tqdm": True,
            "use_cpu": True,
            "save_strategy": "no",
            "dataloader_pin_memory": False,
        }
        transformers.set_seed(0)
        first = {"model_init": model} if factory else {"model": model()}
        return transformers.Trainer(
            **first,
            args=transformers.TrainingArguments(**{**arguments, **options}),
            train_dataset=rows,
            eval_dataset=rows[:7],
            **dict(trainer_options),
        )

    return make


def test_a_task_of_a_trainer_trains_as_the_trainer_does(make_trainer):
    from learnrate.integrations.attach_transformers import TransformersCallback
    from learnrate.integrations.task_transformers import task_of

    trainer = make_trainer(max_grad_norm=2.0, optim="sgd")  # Adam would blow rounding up
    first = weights(trainer.model).clone()
    task = task_of(trainer)
    assert (task.total_steps, task.clip_norm, task.name) == (8, 2.0, "GPT2LMHeadModel")
    trained = learnrate.train(task, SCHEDULE, progress=False)
    assert trainer.optimizer is None
    assert torch.equal(weights(trainer.model), first)
    assert [group["weight_decay"] for group in trained.optimizer.param_groups] == [0.1, 0.0]
    trainer.add_callback(TransformersCallback(SCHEDULE, store=False))
    trainer.train()
    assert torch.allclose(weights(trained.model), weights(trainer.model), rtol=1e-4, atol=1e-6)
    assert trained.curve.validation == pytest.approx(trainer.evaluate()["eval_loss"], rel=1e-4)


def test_epochs_accumulation_and_model_init_say_the_rest(make_trainer):
    from learnrate.integrations.task_transformers import task_of

    task = task_of(
        make_trainer(
            factory=True,
            max_steps=-1,
            num_train_epochs=3,
            gradient_accumulation_steps=2,
            train_sampling_strategy="random",
        )
    )
    assert (task.total_steps, task.accumulate) == (30, 2)
    assert losses_at(task, 1e-2, seed=1) != losses_at(task, 1e-2, seed=2)
    assert losses_at(task, 1e-2, seed=1) == losses_at(task, 1e-2, seed=1)


def test_a_trainer_that_cannot_be_a_task_is_refused(make_trainer):
    from learnrate.integrations.task_transformers import task_of

    trainer = make_trainer()
    trainer.create_optimizer()
    with pytest.raises(ArgumentError, match="no optimizer yet"):
        task_of(trainer)
    trainer = make_trainer()
    trainer.eval_dataset = {"a": trainer.eval_dataset}
    with pytest.raises(ArgumentError, match="one eval_dataset"):
        task_of(trainer)
    trainer = make_trainer()
    trainer.train_dataset = None
    with pytest.raises(ArgumentError, match="train_dataset"):
        task_of(trainer)
    with pytest.raises(ArgumentError, match="group_by_length"):
        task_of(make_trainer(train_sampling_strategy="group_by_length"))
