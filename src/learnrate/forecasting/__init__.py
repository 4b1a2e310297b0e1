"""The loss of a schedule that was not tried, predicted from runs under other schedules."""

from learnrate.forecasting import _picture as _picture
from learnrate.forecasting._curve import LossCurve, loss_curve_of
from learnrate.forecasting._law import LossLaw, PredictedLoss, fit_loss_law

__all__ = ["LossCurve", "LossLaw", "PredictedLoss", "fit_loss_law", "loss_curve_of"]
