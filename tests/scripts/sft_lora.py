"""TRL: an SFTTrainer that trains a LoRA adapter of peft on a tiny random model."""

import torch
import trackio  # noqa: F401 - a trainer loads it: here once for all trainings
import transformers
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer, models, pre_tokenizers
from trainer import LossLog
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

from learnrate.integrations.attach_transformers import TransformersCallback
from script_harness import SAVE_EVERY

WORDS = ["<pad>", "<unk>", "<eos>", "a", "cat", "dog", "sees", "the", "runs", "and", "sleeps"]


def make_tokenizer():
    model = models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>")
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="<eos>"
    )


def train(session):
    transformers.set_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=16,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=2,
    )
    draws = torch.randint(3, len(WORDS), (48, 8), generator=torch.Generator().manual_seed(0))
    rows = Dataset.from_dict({"text": [" ".join(WORDS[i] for i in row) for row in draws]})
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
        model=transformers.LlamaForCausalLM(config),
        args=arguments,
        train_dataset=rows,
        processing_class=make_tokenizer(),
        peft_config=LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
        callbacks=[*session.callbacks(TransformersCallback), LossLog(session)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    has_checkpoint = session.checkpoints.exists()
    last = get_last_checkpoint(str(session.checkpoints)) if has_checkpoint else None
    trainer.train(resume_from_checkpoint=last)
