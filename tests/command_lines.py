"""Command lines made of the command line's own definition, with values that are good, bad and absurd."""

import functools
import random

import typer

from hostile_files import DIGITS
from learnrate.cli._app import app

_WHOLE = [
    "0",
    "1",
    "2",
    "5",
    "-1",
    "1e23",
    "3.5",
    "nan",
    "",
    "x",
    "1" + "0" * 30,
    DIGITS.decode(),
    "0x10",
    "\u0663",
]
_NUMBERS = [
    "0",
    "1",
    "0.1",
    "1e-3",
    "-1",
    "-0.0",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "-1e308",
    "5e-324",
    "1e999",
    "",
    "x",
]
_TEXTS = ["", " ", "x", "last", "[/]", "[bold]x", "caf\u00e9", "caf\udce9", "a\nb", "\x1b[31m", "%s{0}",
          "x" * 5000, "-", "--", "=", ",", ":", "..", "/", "\u202e", "\U0001f600", "((((", "__import__('os')"]  # fmt: skip
_PLACES = ["", ".", "..", "/", "/dev/null", "/dev/full", "/dev/zero", "/proc/self/mem", "none/there.json", "x" * 300,
           "caf\udce9.json", "folder", "folder.json", "loop.json", "~", "/proc/self/fd/99"]  # fmt: skip
_WRITTEN = [
    "out.png",
    "out.csv",
    "out.html",
    "out.parquet",
    "out",
    "out.xyz",
    "tasks.py/x.png",
    "out.PNG",
    "new/out.csv",
]
_SHAPES = ["linear()", "warmup(5%) >> cosine(floor=0.1)", "cosine(floor=0.1)", "warmup(5%) >> linear()", "warmup(0) >> cosine(10)", "linear(0)", "(" * 3000,
           "linear(1e308)", "1e308 * linear(10)", "-1 * linear(10)", "constant(10) >> 3", "step(at=[1, 2])", "nan * linear(5)",
           "linear(10)" + " >> linear(10)" * 300, "cosine(100%)", "cosine(200%)", f"linear({DIGITS.decode()})",
           "linear(1000000000000)", "warmup(99999999999999999999999)", "linear(5)[0]", "0.1*linear(floor=nan)"]  # fmt: skip
_EDITS = ["scale", "set", "hold", "release", "decay", "stretch", "follow", "rollback", "snapshot", "probe", "stop",
          "0.5", "10", "-1", "nan", "linear(10)", "1e400"]  # fmt: skip
_RATES = ["1e-3:1:3", "0.1,0.2", "0:1:3", "1e-3:1:99999999", "-0.1:0.1:3", "1:1e-3:3", "1e-3:1", "a,b", "nan,1", "0.1",
          "1e308:1e309:3", "1e-3:1:-5", ",", ":::", "0.2,0.1"]  # fmt: skip
_SPECIAL = {
    "task": ["tasks.py:task", "tasks.py:short", "tasks.py:unstable", "tasks.py:raising", "tasks.py:number", "tasks.py:none",
             "none.py:task", "syntax.py:task", "null.py:task", "ends.py:task", "deep.py:task", "recursive.py:task", "latin.py:task",
             "json:dumps", "os:getpid", "tasks.py", "x" * 300 + ".py:task", ".py:task", "..:x", "\udce9:x"],
    "total_steps": ["60", "8", "1", "2", "0", "-1", "1e3", "x", DIGITS.decode(), "1" + "0" * 30, "nan", ""],
    "run": ["last", "", "x", "%", "_", "[/]", "LAST", "a" * 500, "\udce9"],
    "replay": ["last", "", "x", "%"],
    "edit": _EDITS,
    "shape": _SHAPES,
    "schedule": _SHAPES,
    "specs": [*_SHAPES, "plan.json", "cut_plan.json", "long_plan.json"],
    "lr": ["0.01,0.1", *_RATES],
    "inner_lr": [*_RATES, *_NUMBERS],
    "adapt_lr": [*_RATES, *_NUMBERS],
    "to": ["N=1e9,D=2e10,B=256", "N=0", "N=-1,D=nan", "N=1e308,D=1e308,B=1e308", "lr=1", "x=1", "N", "N=", "N=1,N=2", "N='1"],
    "columns": ["loss=loss", "loss=none", "loss='a", "N=D,D=N", "x", "lr=loss,loss=lr"],
    "budget": ["0.5", "0.1", "1", "1s", "0.2s", "0", "-1", "nan", "inf", "1e308s", "10 min", "x", "1e-300s", "0s", "1" * 400],
    "seeds": ["1", "2", "0", "-1", "1e23", "1" + "0" * 30, "x", "99999999"],
    "seed": ["0", "1", "-1", "1e23", str(2**63), str(2**63 - 1), "x", DIGITS.decode()],
    "more": ["0", "1", "-1", "1e23", "1" + "0" * 30, "x"],
    "iters": ["60", "20", "0", "1", "-1", "1e23", "1" + "0" * 30],
    "repeats": ["1", "2", "0", "-1", "1" + "0" * 30],
    "mode": ["exponential", "linear", "x", ""],
    "rule": ["steepest", "valley", "slide", "minimum", "x", ""],
    "engine": ["sequential", "auto", "vectorised", "x", ""],
    "halving": ["2", "3", "1", "0", "-1", "1" + "0" * 30],
    "names": ["x", "", "[/]", "adam-3e-4 "],
    "name": ["adam-3e-4", "x", "", "[/]"],
    "only": ["LR101", "LR999", "", "x"],
    "ignore": ["LR101", "LR999", "", "x"],
    "objective": ["descent", "adversarial", "x", ""],
    "classes": ["10", "0", "1", "-5", "1" + "0" * 400],
    "host": ["127.0.0.1", "0.0.0.0", "x", "", "::1", "1.2.3.4", "\udce9", "a b", "[", "x" * 300],
    "port": ["0", "-1", "65536", "99999999999", "x", "1"],
    "wait": ["0", "-1", "nan", "x", "", "-inf"],
    "episodes": ["20", "0", "-1", "1" + "0" * 30],
    "probe": ["0", "1", "-1", "1" + "0" * 30],
    "simulate": ["1", "10", "0", "-1", "1" + "0" * 30],
    "figure": ["2", "3", "4", "-1"],
    "tasks": ["tasks.py:sine_tasks", "tasks.py:task", "1", "10", "0", "-1", "1" + "0" * 30],
    "words": ["warm-up", "LR101", "cosine", "x", "", "[/]", "a" * 5000, "\x1b[31m"],
    "group": ["0", "1", "-1", "99", "1" + "0" * 30],
}  # fmt: skip
_GOOD_FILES = {
    "store": ["runs.db"],
    "plan": ["plan.json"],
    "start": ["state.pt"],
    "table": ["sweep.csv"],
    "paths": ["log.csv", "runs.db"],
    "plans": ["."],
    "files": ["runs.db"],
}
_LIKELY = {"schedule": 0.5, "total_steps": 0.4, "store": 0.9, "lr": 0.8}
_OUTPUTS = {"png", "html", "csv", "plot", "to"}


class CommandLines:
    """Draws command lines.

    Args:
        files: names of files in the folder in which the lines will run.
        seed: of the draws.
    """

    def __init__(self, files, seed):
        self._draw = random.Random(seed)
        self._files = list(files)
        self._absurd = 1.0  # the share of absurd values in a line
        self.commands = commands()

    def next(self):
        """The arguments of one command line."""
        path = self._draw.choice(sorted(self.commands))
        words = list(path)
        self._absurd = self._draw.choice([0.0, 0.1, 0.5])
        options, arguments = [], []
        for parameter in self.commands[path].params:
            if parameter.name == "help":
                continue
            target = arguments if parameter.param_type_name == "argument" else options
            target += self._words(path, parameter)
        self._draw.shuffle(options)
        for option in options:
            words += option
        words += [word for argument in arguments for word in argument]
        if self._draw.random() < 0.05 * self._absurd:
            words.insert(self._draw.randrange(len(words) + 1), self._draw.choice(_TEXTS))
        return words

    def _words(self, path, parameter):
        is_argument = parameter.param_type_name == "argument"
        chance = 0.97 if parameter.required else (0.5 if is_argument else 0.2)
        chance = _LIKELY.get(parameter.name, chance)
        if self._draw.random() > chance:
            return []
        if getattr(parameter, "is_flag", False):
            return [[parameter.opts[0]]]
        several = parameter.multiple or parameter.nargs == -1
        count = self._draw.choice([1, 1, 2, 3]) if several else 1
        values = [self._value(path, parameter) for _ in range(count)]
        if is_argument:
            return [[value] for value in values]
        return [[parameter.opts[0], value] for value in values]

    def _value(self, path, parameter):
        kind = str(parameter.type_descriptor.annotation)
        if self._draw.random() < 0.2 * self._absurd:
            return self._draw.choice(_TEXTS)
        pools = [_SPECIAL[parameter.name]] if parameter.name in _SPECIAL else []
        if "Path" in kind and (parameter.name in _OUTPUTS or parameter.name == "out"):
            pools = [_WRITTEN, _WRITTEN, _PLACES]
        elif "Path" in kind or parameter.name in {"store", "table", "paths", "specs", "files"}:
            pools += [_GOOD_FILES.get(parameter.name, self._files), self._files, _PLACES]
        if not pools:
            pools = [_WHOLE if "int" in kind else _NUMBERS if "float" in kind else _TEXTS]
        pool = pools[0] if self._draw.random() > self._absurd else self._draw.choice(pools)
        good = self._draw.random() > self._absurd and pool is not self._files
        return self._draw.choice(pool[:2] if good else pool)


@functools.cache
def commands():
    """Every command of the command line by its words."""
    return dict(_commands(typer.main.get_command(app), ()))


def _commands(command, path):
    """Every command by its words; a group that does something by itself is one too."""
    if hasattr(command, "commands"):
        if path and command.invoke_without_command:
            yield path, command
        for name, below in command.commands.items():
            yield from _commands(below, (*path, name))
    else:
        yield path, command
