"""A task of a Trainer with an adapter of peft, and of the Trainers of TRL."""

import pytest

import learnrate
import tiny_llama
from learnrate.integrations._adapters import adapter_notes, model_name
from needed import needed

torch = pytest.importorskip("torch")
transformers = needed("transformers")
peft = needed("peft")
trl = needed("trl")
pytestmark = pytest.mark.filterwarnings("ignore")  # of these libraries, about each other

UPDATES = 4


def llama():
    torch.manual_seed(0)
    return tiny_llama.llama()


def lora(**options):
    options = {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj"], **options}
    return peft.LoraConfig(**options, task_type="CAUSAL_LM")


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_llama.word_tokenizer()


def options(folder, **more):
    return {
        "output_dir": str(folder),
        "max_steps": UPDATES,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "train_sampling_strategy": "sequential",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": False,
        "dataloader_pin_memory": False,
        **more,
    }


def sft(folder, tokenizer, adapter):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"text": tiny_llama.sentences(16, 6)})
    return trl.SFTTrainer(
        model=llama(),
        args=trl.SFTConfig(**options(folder, max_length=16, gradient_checkpointing=False)),
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=adapter,
    )


def dpo(folder, tokenizer, adapter):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict(
        {
            "prompt": ["the cat ", "a dog ", "the dog ", "a cat "] * 4,
            "chosen": ["runs and sees", "sleeps", "sees a cat", "runs"] * 4,
            "rejected": ["the the", "a a a", "and and", "sees sees a"] * 4,
        }
    )
    return trl.DPOTrainer(
        model=llama(),
        ref_model=None if adapter is not None else llama(),
        args=trl.DPOConfig(**options(folder, max_length=16, gradient_checkpointing=False)),
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=adapter,
    )


def plain(folder, tokenizer, adapter):
    ids = torch.randint(
        0, len(tiny_llama.WORDS), (16, 6), generator=torch.Generator().manual_seed(0)
    )
    rows = [{"input_ids": row, "labels": row} for row in ids]
    return transformers.Trainer(
        llama() if adapter is None else peft.get_peft_model(llama(), adapter),
        transformers.TrainingArguments(**options(folder)),
        train_dataset=rows,
    )


@pytest.mark.parametrize(
    ("make", "adapter"),
    [(plain, lora), (sft, lora), (dpo, lora), (dpo, None)],
    ids=["Trainer, adapter", "SFT, adapter", "DPO, adapter", "DPO, whole"],
)
def test_a_task_trains_as_the_trainer_does_and_leaves_it_alone(make, adapter, tmp_path, tokenizer):
    from learnrate.integrations.task_transformers import task_of

    trainer = make(tmp_path, tokenizer, adapter and adapter())
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    counted = repr(
        [getattr(trainer, "_metrics", None), getattr(trainer, "_total_train_tokens", 0)]
    )
    task = task_of(trainer)
    curve = learnrate.train(task, 1e-2, progress=False).curve
    assert curve.error == ""
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(weight.grad is None for weight in trainer.model.parameters())
    assert counted == repr(
        [getattr(trainer, "_metrics", None), getattr(trainer, "_total_train_tokens", 0)]
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    logged = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert curve.loss.tolist() == pytest.approx(logged, rel=1e-4)


def test_trials_share_the_frozen_base_with_the_trainer(tmp_path, tokenizer):
    from learnrate.integrations.task_transformers import task_of
    from learnrate.task import shares_memory
    from learnrate.trials import Training, preserved

    trainer = plain(tmp_path, tokenizer, lora())
    task = task_of(trainer)
    with preserved(task):
        training = Training(task, seed=0)
        training.update(1e-2)
    pairs = zip(trainer.model.named_parameters(), training.model.parameters(), strict=True)
    shared = {name: shares_memory(weight, copied) for (name, weight), copied in pairs}
    assert {name for name, is_shared in shared.items() if not is_shared} == {
        name for name in shared if "lora_" in name
    }


def test_rank_and_alpha_are_in_the_plan_and_published_rates_are_a_range(tmp_path, tokenizer):
    from learnrate.integrations.task_transformers import task_of
    from learnrate.report import plan_page

    task = task_of(plain(tmp_path, tokenizer, lora()), total_steps=60)
    plan = learnrate.plan(task, budget=0.5, progress=False)
    assert plan.task == "LlamaForCausalLM, LoRA of rank 2 and alpha 6"
    assert plan.notes[0].startswith(
        "Trained through LoRA of rank 2 and alpha 6, whose product is scaled by 3: 64 of "
    )
    assert "between 6e-5 and 5e-4" in plan.notes[1]
    assert "rates of other tasks" in plan.notes[1]
    assert "2106.09685" in plan_page(plan)
    plan.write(tmp_path / "plan.json")
    assert learnrate.Plan.read(tmp_path / "plan.json") == plan


def test_other_adapters_and_models_without_one_are_named():
    assert model_name(torch.nn.Linear(1, 1)) == "Linear"
    assert adapter_notes(torch.nn.Linear(1, 1)) == ()
    stabilised = peft.get_peft_model(llama(), lora(r=4, lora_alpha=8, use_rslora=True))
    assert "scaled by 4:" in adapter_notes(stabilised)[0]
    settings = peft.IA3Config(
        target_modules=["k_proj"], feedforward_modules=[], task_type="CAUSAL_LM"
    )
    scaled = peft.get_peft_model(llama(), settings)
    assert model_name(scaled) == "LlamaForCausalLM, IA3"
    (sentence,) = adapter_notes(scaled)
    assert sentence.startswith("Trained through IA3: 8 of")
