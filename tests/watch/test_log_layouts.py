"""Layouts of logs that tools write: which steps, which series, and how many runs are read.

Each log is written here as the tool writes it, from a loss and a rate that are known.
"""

import json
import math

import numpy as np
import pytest

from learnrate import FileError
from learnrate.watch.readers import Names, read_runs

ROWS = 40


def loss(row):
    return round(0.3 + 2.0 * math.exp(-row / 7), 5)


def rate(row):
    return round(5e-4 * (1.0 + math.cos(math.pi * row / ROWS)), 9)


def table(header, row_of, *, rows=ROWS):
    return header + "\n" + "".join(f"{row_of(i)}\n" for i in range(rows))


def lines(row_of):
    return "".join(json.dumps(row_of(i)) + "\n" for i in range(ROWS))


def megatron(i):
    validation = (
        f" validation loss at iteration {10 * i + 10} | lm loss value: {loss(i):.6E} | "
        "lm loss PPL: 9.1E+00 | \n"
    )
    return (
        f" [2025-01-01 10:00:00] iteration {10 * i + 10:8d}/{400:8d} | consumed samples: "
        f"{320 * i:12d} | elapsed time per iteration (ms): 1234.5 | learning rate: {rate(i):.6E} | "
        f"global batch size:    32 | lm loss: {loss(i):.6E} | loss scale: 1.0 | grad norm: 1.455 | "
        "number of skipped iterations:   0 | number of nan iterations:   0 |\n"
        + (validation if i % 10 == 9 else "")
    )


def nanogpt(i):
    evaluation = f"step {10 * i + 10}: train loss {loss(i):.4f}, val loss {loss(i):.4f}\n"
    return f"iter {10 * i}: loss {loss(i):.4f}, time 123.45ms, mfu -100.00%\n" + (
        evaluation if i % 10 == 9 else ""
    )


def torchtitan(i):
    return (
        f"[titan] 2025-02-10 07:42:33,123 - root - INFO - \x1b[31mstep: {i + 1:2d}  \x1b[32mloss: "
        f"{loss(i):7.4f}  \x1b[33mgrad_norm: 1.2000  memory: 30.45GiB(38.42%)  tps: 3,456\x1b[39m\n"
    )


def openmmlab_text(i):
    return (
        f"2021-01-01 10:00:00,000 - mmdet - INFO - Epoch [{i // 10 + 1}][{50 * (i % 10) + 50}/500]"
        f"\tlr: {rate(i):.3e}, eta: 1 day, 0:10:01, time: 0.5, loss_cls: 0.1, loss: {loss(i):.4f}\n"
    )


def openmmlab_json(i):
    row = {"lr": rate(i), "loss_cls": 0.1, "loss": loss(i), "epoch": i // 10 + 1}
    text = json.dumps(row | {"iter": 5 * i + 5, "step": 5 * i + 5}) + "\n"
    if i % 10 == 9:  # whose step is the epoch
        text += json.dumps({"coco/bbox_mAP": 0.1, "step": i // 10 + 1}) + "\n"
    return text


def fairseq(i):
    row = {
        "epoch": 1,
        "update": i / 20,
        "loss": f"{loss(i):.3f}",
        "num_updates": f"{100 * i + 100}",
    }
    text = f"2020-10-01 | INFO | train_inner | {json.dumps(row | {'lr': str(rate(i))})}\n"
    if i % 10 == 9:
        row = {"epoch": 1, "valid_loss": "5.1", "valid_num_updates": f"{100 * i + 100}"}
        text += f"2020-10-01 | INFO | valid | {json.dumps(row)}\n"
    return text


def lightning(i):
    step, epoch = 50 * i + 49, i // 10
    text = f",{rate(i)},{step},,,\n{epoch},,{step},,{loss(i)},\n"
    return text + (f"{epoch},,{step},,,{loss(i)}\n{epoch},,{step},1.0,,\n" if i % 10 == 9 else "")


def split(i):
    return f"{i},train,{loss(i)},{rate(i)}\n{i},val,{loss(i)},"


def sorted_by_split():
    return "".join(f"{i},{name},{loss(i)}\n" for name in ("train", "val") for i in range(ROWS))


def text_of(line_of):
    return "".join(map(line_of, range(ROWS)))


def detector(i):
    cells = [i, 0.1, 0.2, loss(i) - 0.3, 0.5, 0.1, 0.2, 0.3, 0.1 - i * 1e-3, rate(i), rate(i)]
    return ",".join(f"{cell:20.9g}" for cell in cells)


DETECTOR_PARTS = ("box_loss", "obj_loss", "cls_loss")
DETECTOR_HEADER = ",".join(
    f"{name:>20}"
    for name in (
        "epoch",
        *(f"train/{part}" for part in DETECTOR_PARTS),
        "metrics/precision",
        *(f"val/{part}" for part in DETECTOR_PARTS),
        *(f"x/lr{group}" for group in range(3)),
    )
)
EVERY = range(ROWS)
TENTHS = range(9, 10 * ROWS, 10)
CONFIG = {"config": {"lr": 0.01, "deep": {"loss_weight": 2}}}
CHECKPOINT_JSON = {"epoch": 3.0, "train_loss": 1.2}

# By name: the file, its text, the steps, and the series of loss, rate and validation.
LAYOUTS = {
    "Keras": (
        "log.csv",
        table("epoch,learning_rate,loss,val_loss", lambda i: f"{i},{rate(i)},{loss(i)},{loss(i)}"),
        EVERY,
        ("loss", "learning_rate", "val_loss"),
    ),
    "fastai": (
        "history.csv",
        table("epoch,train_loss,valid_loss,time", lambda i: f"{i},{loss(i)},{loss(i)},00:12"),
        EVERY,
        ("train_loss", None, "valid_loss"),
    ),
    "timm": (
        "summary.csv",
        table(
            "epoch,train_loss,eval_loss,eval_top1,lr",
            lambda i: f"{i},{loss(i)},{loss(i)},50,{rate(i)}",
        ),
        EVERY,
        ("train_loss", "lr", "eval_loss"),
    ),
    "Lightning": (
        "metrics.csv",
        "epoch,lr-Adam,step,train_loss_epoch,train_loss_step,val_loss\n" + text_of(lightning),
        range(49, 50 * ROWS, 50),
        ("train_loss_step", "lr-Adam", "val_loss"),
    ),
    "a tracker's history": (
        "history.csv",
        table(
            ",_step,_runtime,train/loss,train/learning_rate,train/epoch,train/global_step,config/lr",
            lambda i: f"{i},{i},{2.5 * i},{loss(i)},{rate(i)},{i / 10},{10 * i + 10},0.1",
        ),
        TENTHS,
        ("train/loss", "train/learning_rate", None),
    ),
    "TensorBoard's own export": (
        "run-a-tag-train_loss.csv",
        table("Wall time,Step,Value", lambda i: f"{1e9 + i},{i},{loss(i)}"),
        EVERY,
        ("train_loss", None, None),
    ),
    "a name and a value in each row": (
        "long.csv",
        table("step,metric,value", lambda i: f"{i},train_loss,{loss(i)}\n{i},lr,{rate(i)}"),
        EVERY,
        ("train_loss", "lr", None),
    ),
    "a split in each row": (
        "split.csv",
        table("epoch,split,loss,lr", split),
        EVERY,
        ("loss", "lr", "val/loss"),
    ),
    "sorted by split": (
        "split.csv",
        "epoch,phase,loss\n" + sorted_by_split(),
        EVERY,
        ("loss", None, "val/loss"),
    ),
    "decimal commas": (
        "log.csv",
        "step;loss;lr\n" + text_of(lambda i: f"{i};{loss(i)};{rate(i):.9f}\n").replace(".", ","),
        EVERY,
        ("loss", "lr", None),
    ),
    "Ray's table": (
        "progress.csv",
        table(
            "loss,training_iteration,time_total_s,config/lr,lr",
            lambda i: f"{loss(i)},{i + 1},{1.1 * i},0.01,{rate(i)}",
        ),
        EVERY,
        ("loss", "lr", None),
    ),
    "Ray's results": (
        "result.json",
        lines(lambda i: {"loss": loss(i), "training_iteration": i + 1, **CONFIG}),
        EVERY,
        ("loss", None, None),
    ),
    "OpenMMLab's JSON lines": (
        "scalars.json",
        text_of(openmmlab_json),
        range(4, 5 * ROWS, 5),
        ("loss", "lr", None),
    ),
    "OpenMMLab's text": (
        "20210101.log",
        text_of(openmmlab_text),
        range(49, 50 * ROWS, 50),
        ("loss", "lr", None),
    ),
    "detectron2": (
        "metrics.json",
        lines(
            lambda i: {
                "iteration": 20 * i + 19,
                "lr": rate(i),
                "total_loss": loss(i),
                "loss_cls": 1,
            }
        ),
        range(19, 20 * ROWS, 20),
        ("total_loss", "lr", None),
    ),
    "fairseq": (
        "train.log",
        text_of(fairseq),
        range(99, 100 * ROWS, 100),
        ("loss", "lr", "valid_loss"),
    ),
    "nanoGPT": (
        "train.log",
        "tokens per iteration will be: 1\n" + text_of(nanogpt),
        range(0, 10 * ROWS + 1, 10),  # the last evaluation comes after the last update
        ("loss", None, "val loss"),
    ),
    "torchtune": (
        "log_1.txt",
        text_of(lambda i: f"Step {i + 1} | loss:{loss(i)} lr:{rate(i)} tokens_per_second:12.3 \n"),
        EVERY,
        ("loss", "lr", None),
    ),
    "Megatron": (
        "train.log",
        "building GPT model ...\n" + text_of(megatron),
        TENTHS,
        ("lm loss", "learning rate", "validation lm loss value"),
    ),
    "DeepSpeed": (
        "train.log",
        text_of(
            lambda i: (
                f"[2023-05-01 10:00:00,000] [INFO] [logging.py:96:log_dist] [Rank 0] step={10 * i + 10}, "
                f"skipped=0, lr=[{rate(i)}, {rate(i)}], mom=[(0.9, 0.95)]\n"
                f"steps: {10 * i + 10} loss: {loss(i)} iter time (s): 0.512 samples/sec: 15.6\n"
            )
        ),
        TENTHS,
        ("loss", "lr", None),
    ),
    "PyTorch's ImageNet example": (
        "out.log",
        text_of(
            lambda i: (
                f"Epoch: [{i // 10}][{10 * (i % 10):4d}/100]\tTime  0.521 ( 1.210)\tData  0.001 ( 0.102)"
                f"\tLoss {loss(i):.4e} ({1 + loss(i):.4e})\tAcc@1   1.17 (  0.53)\n"
            )
        ),
        range(0, 10 * ROWS, 10),
        ("Loss", None, None),
    ),
    "lines of one's own by step": (
        "out.txt",
        text_of(
            lambda i: (
                f"[rank0] Step {i + 1}/{ROWS} | Loss: {loss(i)} | LR: {rate(i):.6e} | Tokens/s: 8192\n"
                "Saving checkpoint at step 3\n"
            )
        ),
        EVERY,
        ("Loss", "LR", None),
    ),
    "lines of one's own by epoch": (
        "out.txt",
        text_of(
            lambda i: (
                f"Epoch {i + 1}/{ROWS}: train loss={loss(i)}, val loss={loss(i)}, lr={rate(i)}, 3.1s\n"
            )
        ),
        EVERY,
        ("train loss", "lr", "val loss"),
    ),
    "lines of one's own by epoch and step": (
        "out.txt",
        text_of(lambda i: f"epoch {i // 10}, step {i % 10}: loss {loss(i)} lr {rate(i):.6e}\n"),
        EVERY,
        ("loss", "lr", None),
    ),
    "torchtitan": ("out.log", text_of(torchtitan), EVERY, ("loss", None, None)),
    "Megatron's tags": (
        "tags.csv",
        table(
            "step,lm loss,lm loss vs samples,learning-rate,learning-rate vs samples,lm loss validation",
            lambda i: f"{i},{loss(i)},9,{rate(i)},9,{loss(i)}",
        ),
        EVERY,
        ("lm loss", "learning-rate", "lm loss validation"),
    ),
    "torchtitan's tags": (
        "tags.csv",
        table(
            "step,loss_metrics/global_avg_loss,loss_metrics/global_max_loss,lr,validation_metrics/loss",
            lambda i: f"{i},{loss(i)},9,{rate(i)},{loss(i)}",
        ),
        EVERY,
        ("loss_metrics/global_avg_loss", "lr", "validation_metrics/loss"),
    ),
    "transformers on the screen": (
        "out.log",
        text_of(lambda i: f"{ {'loss': loss(i), 'learning_rate': rate(i), 'epoch': i / 20} }\n"),
        EVERY,
        ("loss", "learning_rate", None),
    ),
    "a history of lists": (
        "history.json",
        json.dumps({"loss": list(map(loss, EVERY)), "lr": list(map(rate, EVERY))}),
        EVERY,
        ("loss", "lr", None),
    ),
    "a list of objects": (
        "rows.json",
        json.dumps([{"epoch": i, "train": {"loss": loss(i)}, "lr": rate(i)} for i in EVERY]),
        EVERY,
        ("train/loss", "lr", None),
    ),
    "Prodigy": (
        "log.csv",
        table("step,loss,lr,d*lr", lambda i: f"{i},{loss(i)},{rate(i)},{1e3 * rate(i)}"),
        EVERY,
        ("loss", "lr", None),
    ),
    "a detector's groups": (
        "results.csv",
        table(DETECTOR_HEADER, detector),
        EVERY,
        (
            "train/box_loss + train/cls_loss + train/obj_loss",
            "x/lr1",
            "val/box_loss + val/cls_loss + val/obj_loss",
        ),
    ),
    "layers with rates of their own": (
        "log.csv",
        table(
            "step,loss,lr/0,lr/1,lr/2,lr/new_head",
            lambda i: f"{i},{loss(i)},{rate(i)},{rate(i)},{0.5 * rate(i)},{10 * rate(i)}",
        ),
        EVERY,
        ("loss", "lr/0", None),
    ),
    "capitals": (
        "log.csv",
        table(
            "globalStep,trainLoss,valLoss,learningRate",
            lambda i: f"{i},{loss(i)},{loss(i)},{rate(i)}",
        ),
        EVERY,
        ("trainLoss", "learningRate", "valLoss"),
    ),
    "seconds for steps": (
        "log.csv",
        table("elapsed_time,loss,lr", lambda i: f"{1.37 * i},{loss(i)},{rate(i)}"),
        EVERY,
        ("loss", "lr", None),
    ),
}


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read(layout, tmp_path):
    name, text, steps, series = LAYOUTS[layout]
    (run,) = read_runs(written(tmp_path, name, text))
    assert run.step.tolist() == list(steps)
    assert tuple(map(run.facts["read_as"].get, ("loss", "lr", "validation"))) == series
    losses, rates = run.column("loss"), run.column("lr")
    expected = [loss(i) for i in EVERY]
    assert losses[~np.isnan(losses)] == pytest.approx(expected, abs=6e-4)  # some print 3 digits
    if series[1] is not None:
        assert rates[~np.isnan(rates)] == pytest.approx([rate(i) for i in EVERY], abs=1e-6)


def test_a_validation_row_has_the_step_of_the_training_row_before_it(tmp_path):
    name, text, _, _ = LAYOUTS["Megatron"]
    (run,) = read_runs(written(tmp_path, name, text))
    validated = ~np.isnan(run.column("validation"))
    assert run.step[validated].tolist() == [99, 199, 299, 399]
    assert run.total_steps == 400


def test_steps_that_restart_in_each_epoch_are_continued_without_a_column_of_epochs(tmp_path):
    log = table("batch,loss,lr", lambda i: f"{i % 8},{loss(i)},{rate(i)}")
    (run,) = read_runs(written(tmp_path, "log.csv", log))
    assert run.step.tolist() == list(EVERY)
    assert run.column("loss").tolist() == [loss(i) for i in EVERY]
    assert run.facts["steps_per_epoch"] == 8
    assert "resumed_at" not in run.facts


def test_an_epoch_that_counts_the_updates_made_is_full_on_its_last_row(tmp_path):
    log = table("epoch,step,loss", lambda i: f"{(i + 1) / 8},{i % 8 + 1},{loss(i)}")
    (run,) = read_runs(written(tmp_path, "log.csv", log))
    assert run.step.tolist() == list(EVERY)
    assert run.facts["steps_per_epoch"] == 8


def test_fits_of_new_models_in_one_file_are_separate_runs(tmp_path):
    log = table(
        "epoch,loss,lr", lambda i: f"{i % ROWS},{loss(i % ROWS)},{rate(i % ROWS)}", rows=120
    )
    runs = read_runs(written(tmp_path, "log.csv", log))
    assert [run.run.partition(" (")[2] for run in runs] == [
        "fit 1 of 3)",
        "fit 2 of 3)",
        "fit 3 of 3)",
    ]
    for run in runs:
        assert run.step.tolist() == list(EVERY)
        assert run.column("loss").tolist() == [loss(i) for i in EVERY]


def test_a_run_begun_again_from_a_checkpoint_replaces_what_it_repeats(tmp_path):
    log = table("step,loss", lambda i: f"{i},{loss(i)}") + text_of(
        lambda i: f"{i},{loss(i) + 1}\n" if i >= 30 else ""
    )
    (run,) = read_runs(written(tmp_path, "log.csv", log))
    assert run.step.tolist() == list(EVERY)
    assert run.column("loss")[29:31].tolist() == [loss(29), loss(30) + 1]
    assert run.facts["resumed_at"] == [30]
    assert run.facts["read_as"]["notes"] == ["10 rows of an earlier attempt are left out"]


@pytest.mark.parametrize("header", ["run,step,loss,lr", "fold,step,loss,lr"])
def test_named_runs_in_one_table_are_separate_runs(header, tmp_path):
    log = (
        header
        + "\n"
        + "".join(f"{name},{i},{loss(i)},{rate(i)}\n" for name in ("a", "b") for i in EVERY)
    )
    runs = read_runs(written(tmp_path, "log.csv", log))
    assert [run.run[-3:] for run in runs] == ["(a)", "(b)"]
    assert all(run.column("loss").tolist() == [loss(i) for i in EVERY] for run in runs)


def test_a_chart_of_several_runs_is_read_as_several_runs(tmp_path):
    names = [f'"{run} - train/loss{range_}"' for run in "ab" for range_ in ("", "__MIN", "__MAX")]
    log = table(
        ",".join(['"Step"', *names]),
        lambda i: f"{i},{loss(i)},{loss(i)},{loss(i)},{2 * loss(i)},{loss(i)},{loss(i)}",
    )
    first, second = read_runs(written(tmp_path, "chart.csv", log))
    assert first.column("loss").tolist() == [loss(i) for i in EVERY]
    assert second.column("loss").tolist() == [2 * loss(i) for i in EVERY]


def test_empty_cells_to_the_end_are_not_losses(tmp_path):
    log = table("step,loss,lr", lambda i: f"{i},{loss(i)},{rate(i)}" if i < 30 else f"{i},,")
    (run,) = read_runs(written(tmp_path, "log.csv", log))
    assert run.step.tolist() == list(range(30))
    assert np.isfinite(run.column("loss")).all()


def test_parts_of_a_loss_are_summed_if_their_sum_is_asked_for(tmp_path):
    log = table("step,g_loss,d_loss", lambda i: f"{i},{loss(i)},1.5")
    path = written(tmp_path, "log.csv", log)
    with pytest.raises(FileError, match=r'their sum with --loss "d_loss \+ g_loss"'):
        read_runs(path)
    (run,) = read_runs(path, Names(loss="d_loss + g_loss"))
    assert run.column("loss") == pytest.approx([loss(i) + 1.5 for i in EVERY])


def test_scalars_that_add_scalars_wrote_are_series_of_their_run(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        for step in range(20):
            writer.add_scalars("loss", {"train": loss(step), "val": 1.0 + step}, step)
            writer.add_scalar("lr", rate(step), step)
    (run,) = read_runs(tmp_path)
    assert run.facts["read_as"]["loss"] == "loss/train"
    assert run.column("loss") == pytest.approx([loss(step) for step in range(20)])
    assert run.column("validation").tolist() == [1.0 + step for step in range(20)]
    assert run.column("lr") == pytest.approx([rate(step) for step in range(20)])


def test_tensorboard_steps_that_restart_in_each_epoch_are_continued(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        for step in range(40):
            writer.add_scalar("train/loss", loss(step), step % 10)
            writer.add_scalar("train/lr", rate(step), step % 10)
            if step % 10 == 9:
                writer.add_scalar("val/loss", loss(step), step // 10)
    (run,) = read_runs(tmp_path)
    assert run.step.tolist() == list(range(40))
    assert run.column("lr") == pytest.approx([rate(step) for step in range(40)])
    assert run.step[~np.isnan(run.column("validation"))].tolist() == [9, 19, 29, 39]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_our_own_export_is_read_back_whole(ending, tmp_path):
    """Also where rows are ten updates apart, none is of step 0, and the run was resumed."""
    pytest.importorskip("pyarrow")
    from learnrate.store import RecordedPoints, write_table

    step = np.arange(10, 410, 10)
    validation = np.where(step % 50 == 0, 1.0 / step, np.nan)
    columns = {
        "lr": np.array(list(map(rate, EVERY))),
        "loss": np.where(step == 200, np.inf, 1.0 / step),
        "validation": validation,
        "gradient_norm": np.sqrt(step),
        "update_ratio": 1e-3 / step,
        "clipped": (step % 30 == 0).astype(float),
        "seconds": 0.1 + 1e-5 * step,
    }
    inspected = {"kept_gradient": np.where(step % 40 == 0, 1.0, np.nan)}  # of some updates
    points = RecordedPoints(step=step, columns=columns | inspected, attempt=1 + (step >= 300))
    write_table(points, tmp_path / f"run{ending}")
    (run,) = read_runs(tmp_path / f"run{ending}")
    assert run.step.tolist() == step.tolist()
    assert set(run.columns) == set(columns)
    for name, column in columns.items():
        assert np.array_equal(run.column(name), column, equal_nan=True), name
    assert run.facts["resumed_at"] == [300]
    assert run.facts["kept_gradient"] == [[number, 1.0] for number in range(40, 410, 40)]


def test_folders_of_training_and_validation_are_one_run(tmp_path):
    """As Keras's callback writes them, with the same names in both."""
    from torch.utils.tensorboard import SummaryWriter

    for split, level in (("train", 0.0), ("validation", 1.0)):
        with SummaryWriter(tmp_path / "logs" / split) as writer:
            for step in range(20):
                writer.add_scalar("epoch_loss", level + loss(step), step)
                if split == "train":
                    writer.add_scalar("epoch_learning_rate", rate(step), step)
    (run,) = read_runs(tmp_path)
    assert run.column("loss") == pytest.approx([loss(step) for step in range(20)])
    assert run.column("validation") == pytest.approx([1.0 + loss(step) for step in range(20)])
    assert run.facts["read_as"]["lr"] == "train/epoch_learning_rate"


def test_a_folder_of_results_is_not_a_log_and_hides_none(tmp_path):
    written(tmp_path, "all_results.json", json.dumps(CHECKPOINT_JSON))
    written(tmp_path, "config.json", json.dumps(CONFIG))
    name, text, steps, _ = LAYOUTS["Ray's results"]
    written(tmp_path, name, text)
    problems = []
    (run,) = read_runs(tmp_path, problem=problems.append)
    assert run.step.tolist() == list(steps)
    assert problems == []


def test_a_table_of_the_loss_alone_is_counted_in_rows(tmp_path):
    log = "loss\n" + "".join(f"{2.0 - 0.01 * i:.2f}\n" for i in range(100))
    (run,) = read_runs(written(tmp_path, "log.csv", log))
    assert run.step.tolist() == list(range(100))
    assert run.column("loss").tolist() == [float(f"{2.0 - 0.01 * i:.2f}") for i in range(100)]
    with pytest.raises(FileError, match="is not a log that can be read"):
        read_runs(written(tmp_path, "notes.txt", "diary\nnothing happened\n"))
