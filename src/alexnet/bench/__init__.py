"""How fast this package is beside the plain way of today, measured in one run on the machine at hand."""

from .run import FULL, SHORT, Bench, Row, run_bench

__all__ = ["FULL", "SHORT", "Bench", "Row", "run_bench"]
