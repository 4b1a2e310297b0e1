"""MAML on mixed linear regression, whose test loss is known in closed form. It needs no torch.

The setting is that of Bernacchia (Meta-learning with negative learning rates, ICLR 2021,
arXiv:2102.00940), and so is the result: the best inner rate of meta-training is negative, while the
best rate of adaptation is positive. `Regression` gives the formulas; `simulate` draws the same
problem many times and is exact. `FIGURE_2` and `FIGURE_3` are the settings of the paper's figures.
The caption of its figure 3 says sigma = nu = 0.2, but its axis, 0.975 to 1.06, belongs to
sigma = nu = 1, which `FIGURE_3` has. (Losses scale with the square of both, so the shape is the
same.)
"""

from learnrate.meta.theory._picture import draw_theory
from learnrate.meta.theory._problem import FIGURE_2, FIGURE_3, Regression
from learnrate.meta.theory._simulate import Paired, SimulatedOptimum, Simulation, simulate

__all__ = [
    "FIGURE_2",
    "FIGURE_3",
    "Paired",
    "Regression",
    "SimulatedOptimum",
    "Simulation",
    "draw_theory",
    "simulate",
]
