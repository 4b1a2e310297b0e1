"""How long `import learnrate` takes, beside importing numpy.

    python benchmarks/import_time.py [--turns 15]

Each import runs in a Python of its own, the two in turns, so that other load on the machine affects both
equally. The ratio is the median of the ratios within a turn.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

TARGET = 0.5
TIMED = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


def seconds_to_import(module: str) -> float:
    """Seconds that importing a module takes in a new Python."""
    command = [sys.executable, "-c", TIMED.format(module)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=15, help="how often each is imported")
    turns = parser.parse_args().turns
    for module in ("learnrate", "numpy"):  # the first import of all reads from the disk
        seconds_to_import(module)
    learnrate, numpy = zip(
        *((seconds_to_import("learnrate"), seconds_to_import("numpy")) for _ in range(turns)),
        strict=True,
    )
    ratio = statistics.median(
        package / peer for package, peer in zip(learnrate, numpy, strict=True)
    )
    print(f"import learnrate  {statistics.median(learnrate) * 1e3:7.1f} ms")
    print(f"import numpy      {statistics.median(numpy) * 1e3:7.1f} ms")
    print(
        f"  ratio {ratio:.2f}; target: at most {TARGET}, {'met' if ratio <= TARGET else 'missed'}"
    )


if __name__ == "__main__":
    main()
