"""transformers: a task made from a Trainer that has not trained yet."""

from __future__ import annotations

import copy
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader, IterableDataset

from learnrate._errors import ArgumentError
from learnrate.integrations._adapters import adapter_notes, model_name
from learnrate.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

__all__ = ["task_of"]

_SAMPLING = ("random", "sequential")


def task_of(trainer: Any, *, total_steps: int | None = None) -> Task:
    """A task made from a transformers Trainer, for `learnrate.plan`, `find` and `sweep`.

        trainer = Trainer(model, args, train_dataset=..., eval_dataset=...)
        plan = learnrate.plan(task_of(trainer))

    Trials use the Trainer's own `compute_loss`, `create_optimizer` (so its groups with and without
    weight decay), collator, batch size, clipping, accumulation and precision, on copies of its
    model or on models of its `model_init`. They are compared by the mean loss over
    `eval_dataset`, as `evaluate()` computes it. The losses of accumulated micro-batches are
    averaged, while a Trainer weights them by their tokens. The Trainer is not changed.

    The Trainers of TRL for supervised fine-tuning and for DPO are Trainers, too. For a peft model, only
    the adapter is copied for a trial; its kind, rank and alpha are in the name of the task.

    Args:
        trainer: a Trainer, or an instance of a class derived from it.
        total_steps: updates of the whole run; by default `max_steps`, or those of
            `num_train_epochs`.

    Raises:
        ArgumentError: the trainer has an optimizer already, several evaluation sets, no training
            set, or a sampling strategy other than "random" and "sequential".

    Examples:
        >>> import torch
        >>> from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments
        >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=8, n_layer=1,
        ...     n_head=2, bos_token_id=0, eos_token_id=0))
        >>> rows = [{"input_ids": torch.arange(6), "labels": torch.arange(6)}] * 32
        >>> args = TrainingArguments(max_steps=50, use_cpu=True, report_to="none")
        >>> task_of(Trainer(model, args, train_dataset=rows)).total_steps
        50
    """
    args = trainer.args
    _check(trainer)
    prepared = trainer.get_train_dataloader()  # for its collator, and for its length on this rank
    ordered = isinstance(prepared.dataset, IterableDataset)
    train = DataLoader(
        prepared.dataset,
        batch_size=args.train_batch_size,
        shuffle=not ordered and args.train_sampling_strategy == "random",
        collate_fn=prepared.collate_fn,
        drop_last=args.dataloader_drop_last,
        num_workers=args.dataloader_num_workers,
    )
    return Task(
        model=trainer.model if trainer.model_init is None else trainer.call_model_init,
        loss=lambda model, batch: _loss_of(trainer, model, batch),
        data=train,
        optimizer=lambda model: _optimizer_of(trainer, model),
        validate=None if trainer.eval_dataset is None else _evaluation(trainer),
        total_steps=(_total_steps(args, prepared) if total_steps is None else total_steps),
        clip_norm=args.max_grad_norm or None,
        accumulate=args.gradient_accumulation_steps,
        amp="bfloat16" if args.bf16 else "float16" if args.fp16 else None,
        device=args.device,
        name=model_name(trainer.model),
        notes=adapter_notes(trainer.model),
    )


def _check(trainer: Any) -> None:
    if trainer.train_dataset is None:
        raise ArgumentError("task_of(trainer=...) must have a train_dataset; got None.")
    if trainer.optimizer is not None:
        raise ArgumentError(
            "task_of(trainer=...) must have no optimizer yet, since an optimizer holds the "
            f"parameters of one model; got {type(trainer.optimizer).__name__}. Call task_of before "
            "train(), and use Trainer(optimizer_cls_and_kwargs=...) instead of optimizers=(...)."
        )
    if isinstance(trainer.eval_dataset, dict):
        raise ArgumentError(
            f"task_of(trainer=...) must have one eval_dataset; got {sorted(trainer.eval_dataset)}."
        )
    if trainer.args.train_sampling_strategy not in _SAMPLING:
        raise ArgumentError(
            "task_of(trainer=...) must have train_sampling_strategy 'random' or 'sequential'; "
            f"got {trainer.args.train_sampling_strategy!r}."
        )


def _loss_of(trainer: Any, model: torch.nn.Module, batch: Any) -> torch.Tensor:
    """The loss of one micro-batch, as the Trainer computes it from its own count of tokens."""
    (inputs,), items = trainer.get_batch_samples(iter([batch]), 1, trainer.args.device)
    with _kept_metrics(trainer):
        loss: torch.Tensor = trainer.compute_loss(model, dict(inputs), num_items_in_batch=items)
    return loss


@contextmanager
def _kept_metrics(trainer: Any) -> Iterator[None]:
    """Restore the metrics that the Trainers of TRL update while they compute a loss."""
    attributes = vars(trainer)
    counts = {name: value for name, value in attributes.items() if type(value) in {int, float}}
    metrics = {
        name: (value, copy.deepcopy(value))
        for name, value in attributes.items()
        if "metrics" in name and isinstance(value, dict)
    }
    try:
        yield
    finally:
        attributes.update(counts)
        for value, before in metrics.values():
            value.clear()
            value.update(before)


def _optimizer_of(trainer: Any, model: torch.nn.Module) -> torch.optim.Optimizer:
    """The optimizer that the Trainer makes for a model."""
    try:
        optimizer: torch.optim.Optimizer = trainer.create_optimizer(model)
    finally:
        trainer.optimizer = None
    return optimizer


def _evaluation(trainer: Any) -> Callable[[torch.nn.Module], float]:
    def evaluate(model: torch.nn.Module) -> float:
        weighted_sum, examples = 0.0, 0
        for batch in trainer.get_eval_dataloader():  # which moves batches to the device
            size = len(next(iter(batch.values())))
            weighted_sum += size * float(_loss_of(trainer, model, batch))
            examples += size
        return weighted_sum / examples

    return evaluate


def _total_steps(args: Any, prepared: Any) -> int | None:
    if args.max_steps > 0:
        return int(args.max_steps)
    if not hasattr(prepared, "__len__"):
        return None
    steps_per_epoch = max(1, math.ceil(len(prepared) / args.gradient_accumulation_steps))
    total_steps: int = math.ceil(args.num_train_epochs * steps_per_epoch)
    return total_steps
