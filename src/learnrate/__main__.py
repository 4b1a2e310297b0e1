"""`python -m learnrate` is `learnrate`, which `torchrun -m` needs."""

from learnrate.cli import main

main()
