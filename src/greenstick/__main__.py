"""Run the command line as ``python -m greenstick``."""

from greenstick.cli import main

main()
