"""Install a wheel into fresh environments and run the smallest use of it there.

    python tests/smoke/environments.py dist/learnrate-*.whl [--extras torch plot] [--folder build/smoke]

One environment has no extra, and each of the others one extra alone.
"""

import argparse
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
NO_EXTRA = "none"


def extras():
    """The package's extras, without the one that joins them all."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [NO_EXTRA, *(name for name in project["optional-dependencies"] if name != "all")]


def passes(wheel, extra, folder):
    """Whether the smoke tests pass in a fresh environment with the wheel and one extra."""
    venv.create(folder, with_pip=True, clear=True)
    python = folder / "bin" / "python"
    target = str(wheel) if extra == NO_EXTRA else f"{wheel}[{extra}]"
    constraints = ("--constraint", str(ROOT / "constraints.txt"))
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, *constraints, target, "pytest"], check=True)
    # No configuration and no conftest of the sources: the installed package stands alone.
    command = [python, "-m", "pytest", "-q", "-c", os.devnull, "--noconftest"]
    tests = str(Path(__file__).parent / "test_installed.py")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["LEARNRATE_EXTRA"] = extra
    return (
        subprocess.run([*command, tests], cwd=folder, env=environment, check=False).returncode == 0
    )


def main():
    """Try each extra; exit with 1 if a smoke test fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--extras", nargs="+", default=extras(), choices=extras())
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "smoke")
    arguments = parser.parse_args()
    wheel = arguments.wheel.resolve(strict=True)
    failed = []
    for extra in arguments.extras:
        print(f"== {extra}", flush=True)
        if not passes(wheel, extra, arguments.folder.resolve() / extra):
            failed.append(extra)
    print(
        f"{len(arguments.extras) - len(failed)} of {len(arguments.extras)} environments pass",
        *failed,
    )
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
