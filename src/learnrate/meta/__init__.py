"""Few-shot learning with separate inner rates for meta-training and for adaptation.

Names are imported on first use, so that `learnrate.meta.theory` needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._lazy import lazy_getattr

if TYPE_CHECKING:
    from learnrate.meta._advise import Advice as Advice
    from learnrate.meta._advise import advise as advise
    from learnrate.meta._episodes import Episode as Episode
    from learnrate.meta._episodes import Episodes as Episodes
    from learnrate.meta._episodes import FewShot as FewShot
    from learnrate.meta._families import MixedRegression as MixedRegression
    from learnrate.meta._families import Sinusoids as Sinusoids
    from learnrate.meta._inner import Adapted as Adapted
    from learnrate.meta._inner import adapt as adapt
    from learnrate.meta._inner import meta_gradient as meta_gradient
    from learnrate.meta._learned import NegativeShare as NegativeShare
    from learnrate.meta._learned import negative_shares as negative_shares
    from learnrate.meta._rates import Learned as Learned
    from learnrate.meta._sweep import MetaSweep as MetaSweep
    from learnrate.meta._sweep import read_grid as read_grid
    from learnrate.meta._sweep import sweep as sweep
    from learnrate.meta._task import MetaTask as MetaTask
    from learnrate.meta._task import load_meta_task as load_meta_task
    from learnrate.meta._train import MetaTrained as MetaTrained
    from learnrate.meta._train import train as train

_HOMES = {
    "Adapted": "_inner",
    "Advice": "_advise",
    "Episode": "_episodes",
    "Episodes": "_episodes",
    "FewShot": "_episodes",
    "Learned": "_rates",
    "MetaSweep": "_sweep",
    "MetaTask": "_task",
    "MetaTrained": "_train",
    "MixedRegression": "_families",
    "NegativeShare": "_learned",
    "Sinusoids": "_families",
    "adapt": "_inner",
    "advise": "_advise",
    "load_meta_task": "_task",
    "meta_gradient": "_inner",
    "negative_shares": "_learned",
    "read_grid": "_sweep",
    "sweep": "_sweep",
    "train": "_train",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list of strings, built from the one table of names


__getattr__ = lazy_getattr(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
