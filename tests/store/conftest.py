"""A PostgreSQL of our own, in a temporary folder, for the tests that need one."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

NEEDED = os.environ.get("LEARNRATE_POSTGRES") == "required" or "CI" in os.environ


def postgres_folder():
    """Where its programs are: Debian keeps them out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    anywhere = shutil.which("initdb")
    return found[-1].parent if found else anywhere and Path(anywhere).parent


POSTGRES = postgres_folder()


@pytest.fixture(scope="session")
def postgres():
    """Gives the URL of another empty database at every call."""
    if POSTGRES is None and not NEEDED:
        pytest.skip("PostgreSQL is not installed")
    assert POSTGRES is not None, "the tests of PostgreSQL are required and it is not installed"
    folder = Path(tempfile.mkdtemp(prefix="learnrate-pg-"))  # a socket's path must be short
    folder.chmod(0o755)
    data = folder / "data"
    owner = {}
    if os.geteuid() == 0:  # it refuses to run as root
        names = [entry.pw_name for entry in pwd.getpwall()]
        owner["user"] = "postgres" if "postgres" in names else "nobody"
        shutil.chown(folder, owner["user"])

    def call(name, *arguments):
        done = subprocess.run(
            [POSTGRES / name, *arguments],
            check=False,
            cwd=folder,
            stdout=subprocess.PIPE if name != "pg_ctl" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            **owner,
        )
        assert done.returncode == 0, done.stdout

    call("initdb", "-D", data, "-U", "learnrate", "--auth=trust", "--no-sync", "-E", "UTF8")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=60"
    call("pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    count = itertools.count()

    def database():
        name = f"store{next(count)}"
        call("createdb", "-h", folder, "-U", "learnrate", name)
        return f"postgresql://learnrate@/{name}?host={folder}"

    yield database
    call("pg_ctl", "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)
