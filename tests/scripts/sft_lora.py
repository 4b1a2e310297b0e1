"""TRL: an SFTTrainer that trains a LoRA adapter of peft on a tiny random model."""

import trackio  # noqa: F401 - a trainer loads it: here once for all trainings
import transformers
from datasets import Dataset
from peft import LoraConfig
from trainer import LossLog
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

from learnrate.integrations.attach_transformers import TransformersCallback
from script_harness import SAVE_EVERY
from tiny_llama import llama, sentences, word_tokenizer


def train(session):
    transformers.set_seed(0)
    rows = Dataset.from_dict({"text": sentences(48, 8)})
    arguments = SFTConfig(
        output_dir=str(session.checkpoints),
        max_steps=session.updates,
        per_device_train_batch_size=4,
        learning_rate=1e-3,
        warmup_steps=2,
        logging_steps=1,
        save_steps=SAVE_EVERY,
        max_length=12,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
    )
    trainer = SFTTrainer(
        model=llama(),
        args=arguments,
        train_dataset=rows,
        processing_class=word_tokenizer(),
        peft_config=LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
        callbacks=[*session.callbacks(TransformersCallback), LossLog(session)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    has_checkpoint = session.checkpoints.exists()
    last = get_last_checkpoint(str(session.checkpoints)) if has_checkpoint else None
    trainer.train(resume_from_checkpoint=last)
