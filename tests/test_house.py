"""The house: who may import whom, what is public, what importing costs."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import learnrate

SOURCE = Path(learnrate.__file__).parent

# Packages whose results are printed, drawn and shown on pages.
RESULTS = {
    "schedules",
    "scaling",
    "forecasting",
    "trials",
    "range_test",
    "planning",
    "sweeping",
    "training",
    "comparing",
    "meta",
    "transfer",
    "store",
    "watch",
}

# Private modules at the root (_errors, _files, _progress ...) are the foundation: anyone may.
ARROWS = {
    "schedules": set(),
    "scaling": set(),
    "forecasting": {"schedules", "watch"},
    "task": {"schedules"},
    "trials": {"task", "schedules"},
    "range_test": {"trials", "task"},
    "planning": {"trials", "task", "schedules", "range_test"},
    "sweeping": {"trials", "task", "schedules"},
    "branching": {"trials", "task", "schedules"},
    "batch_size": {"schedules"},
    "training": {
        "planning",
        "trials",
        "task",
        "schedules",
        "edits",
        "controllers",
        "run",
        "store",
        "probing",
        "watch",
    },
    "comparing": {"task", "trials", "schedules", "planning", "training", "store"},
    "meta": {"task", "trials"},
    "transfer": {"task", "trials", "schedules", "sweeping"},
    "report": RESULTS | {"claims"},
    # claims test what is said with the verbs themselves
    "claims": {
        "schedules",
        "scaling",
        "task",
        "trials",
        "range_test",
        "sweeping",
        "planning",
        "comparing",
        "probing",
        "meta",
        "controllers",
        "forecasting",
        "run",
    },
    "integrations": {
        "steering",
        "schedules",
        "task",
        "trials",
        "edits",
        "controllers",
        "torch_scheduler",
        "run",
        "store",
        "watch",
    },
    "probing": {"trials", "scaling", "watch", "planning"},
    "edits": {"schedules"},
    "controllers": {"schedules"},
    "torch_scheduler": {"schedules"},
    "steering": {"schedules", "edits", "store", "watch"},
    "run": {"schedules", "edits", "controllers", "torch_scheduler", "steering", "store", "watch"},
    "store": {"schedules", "edits", "watch"},
    "watch": {"schedules"},
    "testing": {"task", "schedules", "store", "watch"},
    "alerts": {"store", "watch"},
    "dashboard": {"schedules", "watch", "store", "edits", "steering", "planning", "report"},
    "glossary": {"schedules"},
    "cli": RESULTS
    | {"alerts", "claims", "dashboard", "edits", "glossary", "report", "steering", "task"},
}
FOUNDATION = {
    "_axes": {"_axes_style", "_chart"},
    "_axes_style": {"_chart", "_errors", "_numbers"},
    "_chart": set(),
    "_discovery": set(),
    "_errors": set(),
    "_files": {"_errors", "_ranks"},
    "_gradients": set(),
    "_group_scales": set(),
    "_numbers": set(),
    "_progress": {"_ranks"},
    "_parabola": set(),
    "_ranks": set(),
    "_checks": {"_errors"},
    "_lazy": {"_errors"},
    "_records": {"_errors"},
    "_statistics": set(),
    "_weight_sample": set(),
}


def packages():
    return sorted(
        path.stem
        for path in SOURCE.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem != "__init__"
    )


@cache
def parsed(file):
    """A module's syntax tree, which several tests read."""
    return ast.parse(file.read_text())


@cache
def imports_of(package):
    """The packages of ours that a package imports, anywhere in its code."""
    folder = SOURCE / package
    files = folder.rglob("*.py") if folder.is_dir() else [SOURCE / f"{package}.py"]
    imported = set()
    for file in files:
        for node in ast.walk(parsed(file)):
            names = []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file} imports relatively"
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            imported |= {name.split(".")[1] for name in names if name.startswith("learnrate.")}
    return imported - {package}


@pytest.mark.parametrize("package", sorted(ARROWS))
def test_a_package_imports_only_along_its_arrows(package):
    foreign = {name for name in imports_of(package) if not name.startswith("_")}
    assert foreign - ARROWS[package] == set()


def private_imports_of(file):
    """The private modules of other packages that a file imports."""
    package = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    for node in ast.walk(parsed(file)):
        parts = (node.module or "").split(".") if isinstance(node, ast.ImportFrom) else []
        foreign = len(parts) > 2 and parts[0] == "learnrate" and parts[1] != package
        if foreign and any(part.startswith("_") for part in parts[2:]):
            yield node.module


@pytest.mark.parametrize("package", sorted(ARROWS))
def test_a_package_imports_no_private_module_of_another(package):
    folder = SOURCE / package
    files = folder.rglob("*.py") if folder.is_dir() else [SOURCE / f"{package}.py"]
    assert {
        file.name: list(private_imports_of(file))
        for file in files
        if any(private_imports_of(file))
    } == {}


@pytest.mark.parametrize("module", sorted(FOUNDATION))
def test_the_foundation_imports_only_itself(module):
    assert imports_of(module) - FOUNDATION[module] == set()


def module_imports(package):
    """Which modules of a package each of them imports, for types and inside functions too."""
    folder = SOURCE / package
    names = {
        ".".join(("learnrate", package, *path.relative_to(folder).with_suffix("").parts)): path
        for path in folder.rglob("*.py")
        if path.stem != "__init__"
    }
    graph = {}
    for module, path in names.items():
        imported = set()
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom):
                imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
        graph[module] = imported & names.keys()
    return graph


# Modules that still import each other. No name may be added here.
KNOWN_CYCLES = {
    "run": {"_probe_runner", "_recording"},
    "schedules": {"_base", "_deadline", "_durations", "_fields", "_json", "_registry"},
}


@pytest.mark.parametrize(
    "package", sorted(package for package in packages() if (SOURCE / package).is_dir())
)
def test_no_modules_of_a_package_import_each_other_in_a_cycle(package):
    graph = module_imports(package)
    known = {f"learnrate.{package}.{module}" for module in KNOWN_CYCLES.get(package, ())}
    for module in known & graph.keys():
        graph[module] -= known
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


def test_every_package_has_its_arrows_stated():
    assert {package for package in packages() if not package.startswith("_")} == set(ARROWS)


def test_the_public_names_are_the_list_in_the_tests():
    listed = (Path(__file__).parent / "public_names.txt").read_text().split()
    assert listed == sorted(learnrate.__all__)


def test_every_public_name_can_be_used_and_is_documented():
    undocumented = [
        name
        for name in learnrate.__all__
        if name != "__version__" and not getattr(learnrate, name).__doc__
    ]
    assert undocumented == []


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fnid'"):
        _ = learnrate.fnid


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_importing_learnrate_loads_nothing_heavy():
    heavy = "{'torch', 'numpy', 'matplotlib', 'plotly', 'rich', 'typer'}"
    assert run_python(f"import sys, learnrate; print({heavy} & set(sys.modules))") == "set()\n"


def test_importing_schedules_loads_neither_torch_nor_scipy():
    code = "import sys, learnrate.schedules; print({'torch', 'scipy'} & set(sys.modules))"
    assert run_python(code) == "set()\n"


def test_importing_the_theory_of_meta_learning_loads_no_torch():
    code = "import sys, learnrate.meta.theory; print('torch' in sys.modules)"
    assert run_python(code) == "False\n"


def test_without_torch_the_message_says_how_to_get_it():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import learnrate\n"
        "try:\n    learnrate.Task\n"
        "except learnrate.MissingExtraError as error:\n    print(error)"
    )
    assert "pip install 'learnrate[torch]'" in run_python(code)
