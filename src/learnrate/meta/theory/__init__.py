"""MAML on mixed linear regression, where its test loss is known in closed form. No torch.

The setting and the result, that the best inner rate of meta-training is negative while the best
rate of adaptation is positive, are Bernacchia's (Meta-learning with negative learning rates,
ICLR 2021, arXiv:2102.00940). `Regression` gives the formulas, `simulate` the same problem exactly,
by drawing it many times. `FIGURE_2` and `FIGURE_3` are the settings of the paper's figures; the
caption of its figure 3 says sigma = nu = 0.2, but the axis printed beside it, 0.975 to 1.06, is
that of sigma = nu = 1, which `FIGURE_3` therefore has (losses scale with the square of both, so the
shape is the same).
"""

from learnrate.meta.theory._picture import draw_theory
from learnrate.meta.theory._problem import FIGURE_2, FIGURE_3, Regression
from learnrate.meta.theory._simulate import Optimum, Paired, Simulation, simulate

__all__ = [
    "FIGURE_2",
    "FIGURE_3",
    "Optimum",
    "Paired",
    "Regression",
    "Simulation",
    "draw_theory",
    "simulate",
]
