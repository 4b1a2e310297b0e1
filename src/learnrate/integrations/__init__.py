"""Schedules, callbacks and tasks for other frameworks: one module for each, behind its extra.

    from learnrate.torch_scheduler import to_torch, from_torch
    from learnrate.integrations.optax import to_optax
    from learnrate.integrations.keras import to_keras
    from learnrate.integrations.transformers import schedule_trainer, to_transformers
    from learnrate.integrations.lightning import to_lightning
    from learnrate.integrations.timm import from_timm

A callback that sets a schedule and records the run:

    from learnrate.integrations.attach_lightning import LightningCallback
    from learnrate.integrations.attach_transformers import TransformersCallback
    from learnrate.integrations.attach_keras import KerasCallback

A task made from a framework's own objects, for `learnrate.plan`:

    from learnrate.integrations.task_lightning import task_of
    from learnrate.integrations.task_transformers import task_of

Sinks that send a run to a tracker are in `tensorboard`, `mlflow`, `wandb` and `trackio`.

Importing this package imports none of the frameworks.
"""
