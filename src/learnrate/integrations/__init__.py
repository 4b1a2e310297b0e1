"""Our schedules in other people's frameworks, one module a framework, each behind its extra.

    from learnrate.torch_scheduler import to_torch, from_torch
    from learnrate.integrations.optax import to_optax
    from learnrate.integrations.keras import to_keras
    from learnrate.integrations.transformers import schedule_trainer, to_transformers
    from learnrate.integrations.lightning import to_lightning

A task of what a framework holds already, for `learnrate.plan`:

    from learnrate.integrations.task_lightning import task_of
    from learnrate.integrations.task_transformers import task_of

Importing this package imports none of them.
"""
