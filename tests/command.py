"""The command line, run in the tests' own process."""

import sys

import pytest

from learnrate.cli import main


def command_in(folder, monkeypatch, capsys, *first):
    """A function that runs `learnrate`; returns its exit status, standard output and error.

    Args:
        folder: where it runs.
        monkeypatch: of the test.
        capsys: of the test.
        first: arguments before those of each call, such as the name of the command.
    """
    monkeypatch.chdir(folder)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["learnrate", *first, *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_info:
            main()
        printed = capsys.readouterr()
        return exit_info.value.code or 0, printed.out, printed.err

    return call
