"""`python -m learnrate` runs `learnrate`; `torchrun -m` needs it."""

from learnrate.cli import main

main()
