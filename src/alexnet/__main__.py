"""`python -m alexnet` is the command `alexnet`."""

from .cli.main import run

run()
