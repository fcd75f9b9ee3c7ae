"""`python -m seesay` is the program `seesay`."""

from seesay.cli import main

main()
