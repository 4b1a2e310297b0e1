"""Tables of runs whose law is known."""

import itertools

import numpy as np

LEVELS = {"N": (1e7, 3e7, 1e8, 3e8), "D": (1e9, 4e9, 1.6e10), "B": (32, 128, 512)}
EXPONENTS = {"N": -0.6, "D": -0.2, "B": 0.3}
MIDDLE = {"N": 6e7, "D": 4e9, "B": 128}
MIDDLE_LR = 2e-3


def law(factors, exponents=EXPONENTS, bend=0.0):
    """The best rate at these factors; `bend` is how the exponent of D changes with ln B."""
    z = {name: np.log(value / MIDDLE[name]) for name, value in factors.items()}
    power = sum(exponents.get(name, 0.0) * z[name] for name in z)
    return MIDDLE_LR * np.exp(power + bend * z.get("D", 0.0) * z.get("B", 0.0))


def table(levels=LEVELS, *, noise=0.0, log_std=0.0, seed=0, rates=9, step=2**0.5, **of_law):
    """Runs at `rates` rates around the best one of each group, with parabolic losses.

    `noise` is the relative standard deviation of a loss, `log_std` that of a group's ln lr*.
    """
    random = np.random.default_rng(seed)
    runs = {name: [] for name in ("lr", "loss", *levels)}
    for values in itertools.product(*levels.values()):
        factors = dict(zip(levels, values, strict=True))
        best = law(factors, **of_law) * np.exp(log_std * random.standard_normal())
        offset = random.uniform(-0.4, 0.4)
        for index in range(rates):
            lr = float(law(factors, **of_law)) * step ** (index - rates // 2 + offset)
            loss = 3.0 * (1 + 0.01 * np.log(lr / best) ** 2 + noise * random.standard_normal())
            for name, value in {"lr": lr, "loss": float(loss), **factors}.items():
                runs[name].append(value)
    return runs
