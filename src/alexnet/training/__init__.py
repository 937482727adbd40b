"""Training: the loop, the update rules, checkpoints and resume, the result of a run."""

from .finish import write_evaluation
from .prepare import open_pictures
from .reporting import Reporter, Silent
from .run import Run, read_run_config, train_new, train_on

__all__ = ["Reporter", "Run", "Silent", "open_pictures", "read_run_config", "train_new", "train_on", "write_evaluation"]
