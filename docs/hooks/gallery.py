"""Draws the gallery of schedules from the code while the site is built."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from _themes import INKS, add_picture
from learnrate import schedules
from learnrate._axes import draw_schedules

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

TOTAL = 1000

SHAPES = {
    "Constant": ["constant()"],
    "Linear": ["linear()", "linear(floor=0.1)"],
    "Cosine": ["cosine()", "cosine(floor=0.1)"],
    "Polynomial": ["polynomial(power=2)", "polynomial(power=0.5)"],
    "Exponential": ["exponential()", "exponential(every=5%, staircase=true)"],
    "Step": ["step()", "step(factor=0.5, every=20%)"],
    "MultiStep": ["multi_step(factor=0.1, boundaries=[50%, 75%])"],
    "InverseTime": ["inverse_time(rate=1, every=10%)"],
    "InverseSqrt": ["inverse_sqrt(every=100)"],
    "PowerDecay": ["power_decay(every=100)", "power_decay(exponent=1, every=100)"],
    "OneMinusSqrt": ["one_minus_sqrt()"],
    "OneMinusSquare": ["one_minus_square()"],
    "Rex": ["rex()", "linear()"],
    "Tanh": ["tanh()", "tanh(low=-4, high=4)"],
    "CosineRestarts": [
        "cosine_restarts(every=25%)",
        "cosine_restarts(every=100, growth=2, decay=0.7)",
    ],
    "Triangular": ["triangular(every=20%)"],
    "Triangular2": ["triangular2(every=20%)"],
    "ExpRange": ["exp_range(every=20%, factor=0.998)"],
    "Saturating": ["saturating(every=100)"],
    "Piecewise": ["piecewise(boundaries=[300, 700], values=[1, 0.5, 0.1])"],
    "Interpolated": ["interpolated(boundaries=[200, 800, 1000], values=[0.1, 1, 0.6, 0])"],
    "Warmup": [
        "warmup(20%) >> constant()",
        "warmup(20%, curve=cosine) >> constant()",
        "warmup(20%, start=0.01, curve=exponential) >> constant()",
    ],
    "Clamp": ["clamp(cosine(), low=0.2)"],
    "Noise": ["noise(linear(), scale=0.2, seed=1)"],
    "Repeat": ["repeat(linear(250), 4)"],
    "Delay": ["delay(cosine(), 20%)"],
    "Shift": ["shift(0.8 * cosine(), by=0.2)", "cosine()"],
    "Staircase": ["staircase(cosine(), every=10%)"],
}
RECIPES = {
    "warmup_cosine": [schedules.warmup_cosine()],
    "d2z": [schedules.d2z()],
    "wsd": [schedules.wsd(), schedules.wsd(shape=schedules.OneMinusSqrt())],
    "wsd_s": [schedules.wsd_s()],
    "power_lr": [schedules.power_lr(1, 11, 1, 1).over(TOTAL)],
    "flat_cosine": [schedules.flat_cosine()],
    "decay_then_constant": [schedules.decay_then_constant()],
    "one_cycle": [schedules.one_cycle()],
    "sgdr": [schedules.sgdr(every=100, growth=2.0)],
    "noam": [schedules.noam(100)],
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the gallery's page and its pictures to the site."""
    texts = {name: [schedules.schedule(text) for text in specs] for name, specs in SHAPES.items()}
    page = ["# Gallery of schedules\n", _INTRODUCTION, "## Shapes\n"]
    page += [_entry(name, specs, files, config) for name, specs in texts.items()]
    page += ["## Recipes\n", "Sugar over shapes and joins: no arithmetic of their own.\n"]
    page += [_entry(name, specs, files, config) for name, specs in RECIPES.items()]
    files.append(File.generated(config, "schedules/gallery.md", content="\n".join(page)))
    return files


def _entry(name: str, specs: list[schedules.Schedule], files: Files, config: MkDocsConfig) -> str:
    add_picture(files, config, f"schedules/gallery/{name}", partial(_drawn, specs))
    summary = (getattr(schedules, name).__doc__ or "").strip().splitlines()[0]
    written = "\n".join(str(schedule) for schedule in specs)
    return (
        f"### {name}\n\n{summary} [Reference][learnrate.schedules.{name}]\n\n"
        f"```text\n{written}\n```\n\n"
        + "\n".join(
            f"![{name}: rate against step](gallery/{name}-{theme}.svg#only-{theme})"
            for theme in INKS
        )
        + "\n"
    )


def _drawn(specs: list[schedules.Schedule]) -> Figure:
    axes = draw_schedules([(str(schedule), schedule.table(TOTAL)) for schedule in specs])
    axes.set_title("", loc="left")
    axes.set_ylim(
        bottom=0.0, top=1.05 * max(float(schedule.table(TOTAL).max()) for schedule in specs)
    )
    figure = axes.get_figure(root=True)
    figure.set_size_inches(7, 3)
    return figure


_INTRODUCTION = f"""Every picture is drawn from the code when the site is built, over a run of {TOTAL:,}
updates. A shape has peak 1; `3e-4 * shape` has peak 3e-4. Compare your own with
`learnrate show "SPEC" "SPEC" --total-steps N --html FILE`.
"""
