"""transformers: a Trainer with its own optimizer, scheduler and checkpoints."""

import datasets  # noqa: F401 - a Trainer loads it: here once for all trainings
import torch
import transformers
from transformers.trainer_utils import get_last_checkpoint

from learnrate.integrations.attach_transformers import TransformersCallback
from script_harness import SAVE_EVERY


class LossLog(transformers.TrainerCallback):
    def __init__(self, session):
        self.session = session

    def on_log(self, args, state, control, logs=None, **_):
        if "loss" in (logs or {}):
            self.session.log(state.global_step - 1, logs["loss"])


def train(session):
    transformers.set_seed(0)
    tokens = torch.randint(1, 16, (96, 8), generator=torch.Generator().manual_seed(0))
    rows = [{"input_ids": row, "labels": row} for row in tokens]
    config = transformers.GPT2Config(
        vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    arguments = transformers.TrainingArguments(
        output_dir=str(session.checkpoints),
        max_steps=session.updates,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        learning_rate=1e-3,
        lr_scheduler_type="cosine",
        warmup_steps=2,
        logging_steps=1,
        save_steps=SAVE_EVERY,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
    )
    callbacks = [*session.callbacks(TransformersCallback), LossLog(session)]
    model = transformers.GPT2LMHeadModel(config)
    trainer = transformers.Trainer(model, arguments, train_dataset=rows, callbacks=callbacks)
    trainer.remove_callback(transformers.PrinterCallback)
    has_checkpoint = session.checkpoints.exists()
    last = get_last_checkpoint(str(session.checkpoints)) if has_checkpoint else None
    trainer.train(resume_from_checkpoint=last)
