"""What a run is: the tree of settings, each net's recipe, strict reading and writing. Needs no torch."""

from .make import make_config, model_in_file, parse_setting, read_config
from .recipes import PHOTOS, RECIPES
from .strict import to_plain
from .tree import AugmentConfig, ModelConfig, OptimConfig, PictureConfig, RunConfig, ScheduleConfig

__all__ = [
    "PHOTOS",
    "RECIPES",
    "AugmentConfig",
    "ModelConfig",
    "OptimConfig",
    "PictureConfig",
    "RunConfig",
    "ScheduleConfig",
    "make_config",
    "model_in_file",
    "parse_setting",
    "read_config",
    "to_plain",
]
