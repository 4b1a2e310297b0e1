"""The scripts are started by script_harness.py; none of them is a module of tests."""

collect_ignore_glob = ["[!t]*.py", "trainer.py"]
