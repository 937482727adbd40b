"""Training: the loop, the update rules, checkpoints and resume, the result of a run."""

from .find_rate import RateSearch, find_rate
from .finish import write_evaluation
from .prepare import open_pictures
from .reporting import Reporter, Silent
from .run import Run, read_run_config, train_new, train_on
from .seeds import Seeds, train_seeds

__all__ = [
    "RateSearch",
    "Reporter",
    "Run",
    "Seeds",
    "Silent",
    "find_rate",
    "open_pictures",
    "read_run_config",
    "train_new",
    "train_on",
    "train_seeds",
    "write_evaluation",
]
