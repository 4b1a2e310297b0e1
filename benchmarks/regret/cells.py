"""What is measured: one cell is a task, an optimizer, a length and a batch size.

Each cell has a domain. A method that is fitted is judged on a domain by a fit without it. The cells were
chosen before any method was fitted to them. Nine of the first 22 are held out: the present plan was
fitted without them.
"""

from __future__ import annotations

from dataclasses import dataclass

from learnrate import Task

from .domains import WORKLOADS
from .optimizers import OPTIMIZERS

__all__ = ["CELLS", "DOMAINS", "Cell", "chosen_cells"]


@dataclass(frozen=True)
class Cell:
    """One row of the truth.

    Args:
        workload: what is trained, a name in `WORKLOADS`.
        optimizer: a name in `OPTIMIZERS`.
        batch: examples in a batch; None for all examples.
        total_steps: updates of a whole run.
        around: the middle of the first grid of rates for the truth.
        held_out: whether the cell is left out of every fit.
        per_decade: rates in a decade of the truth's grid.
    """

    workload: str
    optimizer: str
    batch: int | None
    total_steps: int
    around: float
    held_out: bool = False
    per_decade: int = 4

    @property
    def name(self) -> str:
        """The name of the cell in files and tables."""
        batch = "full" if self.batch is None else f"b{self.batch}"
        return f"{self.workload}-{self.optimizer}-{batch}-t{self.total_steps}"

    @property
    def domain(self) -> str:
        """The kind of work."""
        return WORKLOADS[self.workload].domain

    @property
    def seeds(self) -> int:
        """Number of seeds of the truth."""
        return WORKLOADS[self.workload].seeds

    def task(self) -> Task:
        """The task, with its data in memory."""
        workload = WORKLOADS[self.workload]
        return Task(
            model=workload.model,
            loss=workload.loss,
            data=workload.source().batches(self.batch),
            optimizer=OPTIMIZERS[self.optimizer],
            validate=workload.validate,
            total_steps=self.total_steps,
            clip_norm=workload.clip_norm,
            name=self.name,
        )


_FIRST = (
    Cell("digits-mlp", "sgd", 16, 1000, 0.1, per_decade=6),
    Cell("digits-mlp", "adamw", 64, 400, 1e-2, held_out=True, per_decade=6),
    Cell("digits-cnn", "adamw", 16, 1000, 1e-2, per_decade=6),
    Cell("digits-cnn", "rmsprop", 128, 300, 3e-3, per_decade=6),
    Cell("fashion-mlp", "sgd", 32, 2000, 0.05, per_decade=6),
    Cell("fashion-mlp", "adamw", 16, 3000, 2e-3, per_decade=6),
    Cell("fashion-mlp", "adam", 512, 300, 3e-3, held_out=True, per_decade=6),
    Cell("fashion-cnn", "sgd", 128, 400, 0.1, held_out=True, per_decade=6),
    Cell("fashion-cnn", "adam", 32, 1000, 5e-3, per_decade=6),
    Cell("cifar-resnet", "sgd", 32, 500, 0.1, per_decade=6),
    Cell("cifar-resnet", "adamw", 128, 200, 1e-2, held_out=True, per_decade=6),
    Cell("chars-transformer", "adamw", 8, 800, 1e-2, per_decade=6),
    Cell("chars-transformer", "sgd", 32, 300, 0.5, held_out=True, per_decade=6),
    Cell("chars-gru", "adamw", 16, 500, 2e-2, per_decade=6),
    Cell("chars-gru", "rmsprop", 4, 1000, 5e-3, held_out=True, per_decade=6),
    Cell("words-transformer", "adamw", 8, 600, 1e-2, held_out=True, per_decade=6),
    Cell("words-transformer", "sgd", 16, 300, 0.5, per_decade=6),
    Cell("adult-mlp", "sgd", 16, 2500, 0.02, per_decade=6),
    Cell("adult-mlp", "adamw", 256, 400, 3e-3, per_decade=6),
    Cell("adult-mlp", "adagrad", 64, 1000, 0.05, held_out=True, per_decade=6),
    Cell("fashion-tuned", "adamw", 16, 400, 2e-3, per_decade=6),
    Cell("fashion-tuned", "sgd", 32, 300, 0.02, held_out=True, per_decade=6),
)


CELLS: tuple[Cell, ...] = (
    *_FIRST,
    # tables
    Cell("iris-mlp", "nadam", 1, 300, 3e-3),
    Cell("wine-bn", "sgd", 16, 200, 0.03),
    Cell("cancer-drop", "adadelta", 16, 400, 1.0),
    Cell("cancer-drop", "adam", 32, 300, 3e-3),
    Cell("spam-mlp", "lion", 32, 600, 1e-3),
    Cell("hastie-matrices", "muon", 64, 300, 0.03),
    Cell("multilabel-mlp", "radam", 32, 400, 1e-2),
    Cell("diabetes-mlp", "sgd", 8, 500, 0.01),
    Cell("diabetes-mlp", "adamw", None, 200, 1e-2),
    Cell("linnerud-mlp", "adam", None, 150, 1e-2),
    Cell("friedman-mlp", "plain", 1, 2000, 0.01),
    Cell("friedman-mlp", "sgd", 32, 1500, 0.03),
    Cell("diamonds-mlp", "sgd", 64, 1000, 0.03),
    Cell("diamonds-mlp", "adamw", 32, 1500, 1e-2),
    Cell("pretraining-mlp", "adamw", 64, 1000, 1e-2),
    Cell("pretraining-mlp", "adagrad", 32, 600, 0.05),
    Cell("visits-mlp", "adam", 32, 400, 1e-2),
    Cell("delays-mlp", "sgd", 32, 600, 0.03),
    Cell("claims-mlp", "rmsprop", 16, 400, 3e-3),
    Cell("claims-mlp", "sgd", 64, 300, 0.01),
    Cell("outliers-mlp", "adamax", 32, 500, 0.02),
    # pictures
    Cell("omniglot-cnn", "nesterov", 16, 300, 0.05),
    Cell("omniglot-bn", "adamw", 32, 200, 1e-2),
    Cell("sky-cnn", "adam", 8, 300, 1e-2),
    Cell("sky-bn", "sgd", 8, 200, 0.1),
    Cell("flower-denoise", "sgd", 8, 300, 0.1),
    Cell("flower-denoise", "adamw", 8, 400, 1e-2),
    Cell("omniglot-restore", "nadam", 16, 200, 1e-2),
    Cell("omniglot-pairs", "adamw", 64, 200, 5e-3),
    Cell("digits-pairs", "sgd", 64, 300, 0.3),
    Cell("digits-pairs", "adam", 32, 600, 5e-3),
    # models that generate
    Cell("digits-vae", "adam", 32, 600, 5e-3),
    Cell("digits-vae", "rmsprop", 64, 300, 5e-3),
    Cell("omniglot-vae", "adamw", 64, 300, 5e-3),
    Cell("moons-diffusion", "adam", 128, 1000, 5e-3),
    Cell("roll-diffusion", "lion", 64, 600, 1e-3),
    Cell("digits-diffusion", "adamw", 64, 500, 5e-3),
    Cell("moons-flow", "adam", 64, 500, 1e-2),
    # sequences
    Cell("sunspots-gru", "sgd", 32, 300, 0.1),
    Cell("sunspots-gru", "adamw", 16, 300, 1e-2),
    Cell("demand-lstm", "adam", 32, 300, 2e-2),
    Cell("nottem-gru", "rmsprop", 8, 200, 1e-2),
    Cell("lorenz-gru", "sgd", 32, 400, 0.1),
    Cell("mackey-rnn", "adamw", 32, 400, 5e-3),
    Cell("capitals-gru", "adam", 16, 300, 2e-2),
    Cell("capitals-postnorm", "adamw", 16, 300, 5e-3),
    Cell("states-gru", "sgd", 16, 300, 0.3),
    Cell("majority-postnorm", "adam", 16, 200, 5e-3),
    Cell("sums-mlp", "adamw", 64, 1000, 1e-2),
    Cell("sums-mlp", "sgd", 32, 1500, 0.2),
    # graphs, recommendation, word vectors
    Cell("digits-gcn", "adamw", None, 200, 2e-2),
    Cell("digits-gcn", "sgd", None, 300, 0.5),
    Cell("blocks-gcn", "adam", None, 150, 2e-2),
    Cell("blocks-gcn", "sgd", 32, 200, 0.2),
    Cell("films-factors", "sgd", 64, 1000, 1.0),
    Cell("films-factors", "adagrad", 256, 300, 0.1),
    Cell("films-sparse", "sparseadam", 64, 600, 1e-2),
    Cell("words-vectors", "adagrad", 64, 600, 0.3),
    Cell("words-vectors", "adam", 128, 300, 2e-2),
    # functions and equations
    Cell("wave-mlp", "sgd", None, 1000, 0.1),
    Cell("wave-mlp", "adamw", 64, 1500, 1e-2),
    Cell("ridge-mlp", "adam", 64, 1000, 1e-2),
    Cell("flower-sines", "adam", 256, 500, 2e-3),
    Cell("oscillator-pinn", "adam", 64, 600, 1e-2),
    Cell("poisson-pinn", "adamw", 64, 500, 1e-2),
    # control
    Cell("pendulum-value", "sgd", 32, 1000, 0.05),
    Cell("pendulum-value", "adamw", 64, 600, 1e-2),
    Cell("pendulum-model", "nadam", 64, 800, 1e-2),
    Cell("cart-value", "rmsprop", 32, 600, 3e-3),
    Cell("cart-clone", "adam", 4, 400, 5e-3),
    # fine-tuning
    Cell("digits-adapted", "adamw", 16, 300, 1e-2),
    Cell("omniglot-tuned", "sgd", 16, 200, 0.02),
    Cell("articles-tuned", "adamw", 8, 200, 2e-3),
    Cell("articles-adapted", "adam", 8, 200, 1e-2),
    # a long run
    Cell("spam-mlp", "adagrad", 4, 5000, 0.05),
)

DOMAINS: tuple[str, ...] = tuple(dict.fromkeys(cell.domain for cell in CELLS))


def chosen_cells(pattern: str) -> list[Cell]:
    """The cells whose names contain one of the words, separated by commas; all for none.

    Raises:
        SystemExit: no name contains one of the words.
    """
    words = pattern.split(",")
    chosen = [cell for cell in CELLS if any(word in cell.name for word in words)]
    if not chosen:
        raise SystemExit(f"--cells {pattern}: no cell has such a name; there are:\n" + _names())
    return chosen


def _names() -> str:
    return "\n".join(cell.name for cell in CELLS)
