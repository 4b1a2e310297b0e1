"""Our schedules in Lightning."""

import pytest

from learnrate.schedules import Cosine, Warmup, warmup_cosine
from needed import needed

torch = pytest.importorskip("torch")
lightning = needed("lightning")
integration = needed("learnrate.integrations.lightning")

RUN = 3e-2 * Warmup(2).then(Cosine(6, floor=0.1))

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before"),
]


@pytest.fixture(scope="module")
def module_of():
    """A class of modules that train under a schedule and list the rates of their updates."""

    class Module(lightning.LightningModule):
        def __init__(self, schedule):
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)
            self.schedule, self.rates = schedule, []

        def training_step(self, batch, index):
            return self.layer(batch).square().mean()

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=1.0)
            schedule = self.schedule.over(int(self.trainer.estimated_stepping_batches))
            return integration.to_lightning(schedule, optimizer)

        def on_before_optimizer_step(self, optimizer):
            self.rates.append(optimizer.param_groups[0]["lr"])

    return Module


@pytest.fixture
def fit(tmp_path):
    def run(module, *, max_steps=8, accumulate=1, resume=None):
        trainer = lightning.Trainer(
            max_steps=max_steps,
            accumulate_grad_batches=accumulate,
            accelerator="cpu",
            default_root_dir=tmp_path,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, torch.utils.data.DataLoader(torch.ones(40, 3), 1), ckpt_path=resume)
        return trainer

    return run


@pytest.mark.parametrize("accumulate", [1, 3])
def test_every_update_is_made_at_the_rate_of_the_schedule(accumulate, module_of, fit):
    module = module_of(RUN)
    fit(module, accumulate=accumulate)
    assert module.rates == [RUN(step) for step in range(8)]


def test_a_schedule_of_shares_takes_the_length_of_the_run(module_of, fit):
    module = module_of(1e-2 * warmup_cosine("25%"))
    fit(module)
    schedule = (1e-2 * warmup_cosine("25%")).over(8)
    assert module.rates == [schedule(step) for step in range(8)]


def test_it_resumes_from_a_checkpoint_of_lightning(module_of, fit, tmp_path):
    class Shorter(module_of):
        def configure_optimizers(self):
            return integration.to_lightning(RUN, torch.optim.SGD(self.parameters(), lr=1.0))

    trainer = fit(Shorter(None), max_steps=5)
    trainer.save_checkpoint(tmp_path / "five.ckpt")
    module = Shorter(None)
    fit(module, resume=tmp_path / "five.ckpt")
    assert module.rates == [RUN(step) for step in range(5, 8)]
