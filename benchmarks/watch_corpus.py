"""How good the findings are: recall and precision per code over runs trained for real.

    python benchmarks/watch_corpus.py [--data DIR] [--split test] [--only CODE] [--page docs/findings/corpus.md]

Trains the corpus of `_watch_cases.py` once, a few seconds a run, into build/watch_corpus (a killed
run goes on where it was), diagnoses every run, and writes watch_corpus.csv beside this script.
"""
