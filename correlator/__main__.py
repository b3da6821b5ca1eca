"""`python -m correlator` is `correlator`."""

from correlator.cli import main

main()
