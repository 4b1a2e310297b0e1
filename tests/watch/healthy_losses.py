"""Losses of healthy runs of many kinds of work, and logs of them at several spacings."""

import itertools

import numpy as np

from learnrate.watch import Observations

N = 1200


def _time(n):
    return np.arange(n) / n


def _correlated(rng, n, correlation):
    """Normal noise of standard deviation 1 with a lag-one correlation."""
    values = rng.standard_normal(n)
    for step in range(1, n):
        values[step] = correlation * values[step - 1] + np.sqrt(1 - correlation**2) * values[step]
    return values


def _power_law(n, offset, power):
    return (1.0 + np.arange(n) / offset) ** -power


def classification(rng, n):
    fall = 2.0 * _power_law(n, rng.uniform(3, 60), rng.uniform(0.5, 1.5))
    return 0.3 + fall + 0.08 * (0.3 + fall) * rng.standard_normal(n)


def regression(rng, n):
    fall = np.exp(-np.arange(n) / rng.uniform(20, 200))
    return (0.1 + fall) * (1 + 0.3 * rng.gamma(2.0, 0.5, n))


def denoising(rng, n):
    fall = 0.5 * np.exp(-np.arange(n) / rng.uniform(10, 100)) * rng.integers(0, 2)
    return 0.02 + fall + 0.35 * rng.beta(1, 3, n)


def adversarial(rng, n):
    rise = rng.uniform(0, 4) * (1 - np.exp(-np.arange(n) / rng.uniform(30, 600)))
    wander = rng.uniform(0.2, 0.8) * _correlated(rng, n, 0.97)
    return 0.7 + np.abs(rise + wander + 0.3 * rng.standard_normal(n))


def policy_gradient(rng, n):
    if rng.integers(0, 2):  # a surrogate around 0
        return -0.01 + 0.03 * _correlated(rng, n, 0.3)
    kl = 0.014 * (1 - np.exp(-np.arange(n) / rng.uniform(50, 500)))  # the KL term of GRPO rises
    return np.round(kl * (1 + 0.2 * rng.standard_normal(n)), 4)


def evidence_lower_bound(rng, n):
    level = rng.choice([-1000.0, 95.0, -3.0])
    fall = rng.uniform(2, 60) * np.exp(-np.arange(n) / rng.uniform(20, 150))
    return level + fall + 0.1 * rng.standard_normal(n)


def fine_tuning(rng, n):
    noise = rng.uniform(0.1, 0.4)
    fall = noise * (1 - np.exp(-np.arange(n) / rng.uniform(50, 1000)))
    return 1.4 - fall + noise * rng.standard_normal(n)


def contrastive(rng, n):
    fall = rng.uniform(0, 0.5) * (1 - np.exp(-np.arange(n) / rng.uniform(200, 2000)))
    return np.log(256) - fall + 0.02 * rng.standard_normal(n)


def physics_informed(rng, n):
    decades = rng.uniform(3, 7) * (1 - np.exp(-np.arange(n) / rng.uniform(100, 800)))
    return 10.0 ** (1 - decades + 0.1 * _correlated(rng, n, 0.7))


def batch_of_one(rng, n):
    level = 0.4 + 1.6 * np.exp(-np.arange(n) / rng.uniform(50, 300))
    if rng.integers(0, 2):
        return level * rng.exponential(1.0, n)
    return level * np.exp(1.5 * rng.standard_normal(n))


def full_batch(rng, n):
    fast, slow = np.exp(-np.arange(n) / rng.uniform(3, 30)), _power_law(n, 50, rng.uniform(0.3, 1))
    ripple = 0.01 * np.exp(-np.arange(n) / 80) * (-1.0) ** np.arange(n)
    return 0.5 * fast + slow + ripple


def multi_task(rng, n):
    tasks = [rng.uniform(0.2, 2) * np.exp(-np.arange(n) / rng.uniform(5, 900)) for _ in range(5)]
    return 0.5 + sum(tasks) + 0.1 * rng.standard_normal(n)


def energy(rng, n):
    fall = rng.uniform(0.5, 5) * np.exp(-np.arange(n) / rng.uniform(20, 300))
    return -76.2 + fall + (0.02 + 0.2 * fall) * rng.standard_normal(n)


def value_function(rng, n):
    """The returns that a value function predicts grow while the policy improves."""
    scale = 0.05 + rng.uniform(0.5, 20) * _time(n) ** rng.uniform(0.7, 2.5)
    first = 0.3 * np.exp(-np.arange(n) / rng.uniform(5, 40))
    return (scale + first) * np.exp(0.4 * _correlated(rng, n, 0.6))


def late_start(rng, n):
    """A plateau of the kind that parity or a copy task has, and then the fall."""
    turn = rng.uniform(0.2, 0.6) * n
    return (
        0.1
        + 0.6 / (1 + np.exp((np.arange(n) - turn) / (0.03 * n)))
        + 0.01 * rng.standard_normal(n)
    )


FAMILIES = (
    classification,
    regression,
    denoising,
    adversarial,
    policy_gradient,
    evidence_lower_bound,
    fine_tuning,
    contrastive,
    physics_informed,
    batch_of_one,
    full_batch,
    multi_task,
    energy,
    value_function,
    late_start,
)


def rate(rng, n):
    """A warm-up, and a constant rate, a cosine, or a linear decay."""
    warm = np.minimum(1.0, (np.arange(n) + 1) / rng.integers(1, n // 10))
    shapes = (np.ones(n), 0.5 * (1 + np.cos(np.pi * _time(n))), 1 - _time(n))
    return 1e-3 * warm * shapes[rng.integers(0, 3)]


def logged(loss, lr, rows, run="healthy", **known):
    """A log of `rows` rows, each the mean loss over the updates since the last one."""
    n = loss.size
    ends = np.linspace(0, n, min(rows, n) + 1).astype(int)
    means = [loss[first:end].mean() for first, end in itertools.pairwise(ends)]
    columns = {"loss": np.array(means), "lr": lr[ends[1:] - 1]}
    return Observations(run=run, step=ends[1:] - 1, columns=columns, **known)


SPACINGS = (N, N // 10, 60, 30, 20)


def healthy_logs(count, seed=0):
    """`count` runs of each family at each spacing: the family, the rows, and the log."""
    for family in FAMILIES:
        rng = np.random.default_rng([seed, *family.__name__.encode()])
        for _ in range(count):
            loss, lr = family(rng, N), rate(rng, N)
            for rows in SPACINGS:
                yield family.__name__, rows, logged(loss, lr, rows)
