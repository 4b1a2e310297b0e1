"""A PostgreSQL server in a temporary folder, for the tests that need one."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from processes import HANG

NEEDED = os.environ.get("LEARNRATE_POSTGRES") == "required" or "CI" in os.environ


def postgres_folder():
    """The folder of its programs, which Debian does not put on the path."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return programs[-1].parent if programs else on_path and Path(on_path).parent


POSTGRES = postgres_folder()


class Server:
    """A server that can be stopped, and started again."""

    def __init__(self, folder, owner):
        self.folder, self._owner = folder, owner
        self._count = itertools.count()

    def call(self, name, *arguments):
        process = subprocess.run(
            [POSTGRES / name, *arguments],
            check=False,
            cwd=self.folder,
            stdout=subprocess.PIPE if name != "pg_ctl" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=HANG,
            **self._owner,
        )
        assert process.returncode == 0, process.stdout

    def start(self):
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c max_connections=60"
        log = self.folder / "log"
        self.call("pg_ctl", "-D", self.folder / "data", "-w", "-l", log, "-o", options, "start")

    def stop(self):
        self.call("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop")

    def database(self):
        name = f"store{next(self._count)}"
        self.call("createdb", "-h", self.folder, "-U", "learnrate", name)
        return f"postgresql://learnrate@/{name}?host={self.folder}"


@pytest.fixture(scope="session")
def server():
    """A running server."""
    if POSTGRES is None and not NEEDED:
        pytest.skip("PostgreSQL is not installed")
    assert POSTGRES is not None, "the tests of PostgreSQL are required and it is not installed"
    folder = Path(tempfile.mkdtemp(prefix="learnrate-pg-"))  # a socket's path must be short
    folder.chmod(0o755)
    owner = {}
    if os.geteuid() == 0:  # it refuses to run as root
        names = [entry.pw_name for entry in pwd.getpwall()]
        owner["user"] = "postgres" if "postgres" in names else "nobody"
        shutil.chown(folder, owner["user"])

    server = Server(folder, owner)
    options = ("-U", "learnrate", "--auth=trust", "--no-sync", "-E", "UTF8")
    server.call("initdb", "-D", folder / "data", *options)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres(server):
    """A function that makes an empty database and returns its URL."""
    return server.database
