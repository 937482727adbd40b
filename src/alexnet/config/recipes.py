"""Each net's own recipe: the settings that its source trains it with, in one literal table.

Sources are those of the nets (`alexnet.spec.variants`). Where a source states none, the
entry says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..spec import VARIANTS
from .tree import (
    AugmentConfig,
    DataConfig,
    ModelConfig,
    OptimConfig,
    PictureConfig,
    RunConfig,
    ScheduleConfig,
    TrainingConfig,
)

# The means and deviations that torchvision states for ImageNet, in units from 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def _imagenet(name: str, **branches: Any) -> RunConfig:
    """Values 0..255 minus the training pictures' mean; random crops and flips from 256 × 256."""
    return RunConfig(
        data=DataConfig(name=""),
        model=ModelConfig(name=name),
        **{
            "picture": PictureConfig(resize=256, scale=1.0, mean="training-image"),
            "augment": AugmentConfig(crop="random", flip=True),
            "training": TrainingConfig(epochs=90, batch_size=128),
            **branches,
        },
    )


def _museum(name: str) -> RunConfig:
    """Config 145 with its diary: the rate falls after epochs 25, 51 and 79; conv1 slows at 67, without colour noise
    from there on, and is frozen at 72; the biases' rate stays; the end is at 91. The mean picture's central window is
    subtracted whatever the crop. `--set augment.share=32` draws once for 32 pictures, as its data provider does.
    """
    return _imagenet(
        name,
        picture=PictureConfig(resize=256, scale=1.0, mean="training-image", mean_window="centre"),
        augment=AugmentConfig(crop="random", flip=True, colour_noise=0.1, colour_rule="program", colour_epochs=67),
        optim=_PROGRAM,
        schedule=ScheduleConfig(
            rule="milestones",
            milestones=(25, 51, 79),
            hold_biases=True,
            first_layer_milestones=(67, 72),
            first_layer_factors=(0.001, 0.0),
        ),
        training=TrainingConfig(epochs=91, batch_size=128),
    )


def _paper(name: str) -> RunConfig:
    """Section 5: one rate for all layers, divided by 10 when the validation error stalls; section 4.1: the data."""
    return _imagenet(
        name,
        augment=AugmentConfig(crop="random", flip=True, colour_noise=0.1, colour_rule="paper"),
        optim=_PAPER,
        schedule=ScheduleConfig(rule="plateau", epochs=5, factor=0.1, min_lr=1e-5),
    )


def _caffe(name: str) -> RunConfig:
    """The solver's 100,000 iterations of 256 pictures are 20 epochs of ImageNet; pictures are warped to 256 × 256."""
    return _imagenet(
        name,
        picture=PictureConfig(resize=256, fit="stretch", scale=1.0, mean="training-image"),
        optim=_PROGRAM,
        schedule=ScheduleConfig(rule="step", epochs=20),
        training=TrainingConfig(epochs=90, batch_size=256),
    )


def _cifar(name: str) -> RunConfig:
    """The `.cfg` files' rate and momentum, whole pictures minus the mean; the number of epochs is ours."""
    return RunConfig(
        data=DataConfig(name=""),
        model=ModelConfig(name=name),
        picture=PictureConfig(scale=1.0, mean="training-image"),
        optim=replace(_PROGRAM, lr=0.001, weight_decay=0.004),
        training=TrainingConfig(epochs=20, batch_size=128),
    )


# Section 5 of the paper: one rate for all layers, decay on all. The programs: biases at twice the rate, without decay.
_PAPER = OptimConfig(lr=0.01, momentum=0.9, weight_decay=5e-4, keep_velocity=True)
_PROGRAM = replace(_PAPER, bias_lr_factor=2.0, decay_biases=False)

_TABLE = (
    *(_paper(name) for name in ("paper", "one-tower")),
    *(
        _museum(name)
        for name in (
            "museum",
            "museum-half",
            "museum-no-overlap",
            "museum-no-norm",
            "museum-no-links",
            "museum-conv6",
        )
    ),
    *(_caffe(name) for name in ("caffe", "caffenet")),
    RunConfig(
        data=DataConfig(name=""),
        model=ModelConfig(name="torchvision"),
        picture=PictureConfig(resize=256, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        augment=AugmentConfig(crop="resized", flip=True),
        optim=OptimConfig(lr=0.01, momentum=0.9, weight_decay=1e-4),
        schedule=ScheduleConfig(rule="step", epochs=30),
        training=TrainingConfig(epochs=90, batch_size=32),
    ),
    RunConfig(
        data=DataConfig(name=""),
        model=ModelConfig(name="gluon"),
        optim=OptimConfig(lr=0.01, momentum=0.0),
        training=TrainingConfig(epochs=10, batch_size=128, divide_by="batch_size"),
    ),
    RunConfig(
        # The tutorial states no recipe for its LeNet; this one is ours.
        data=DataConfig(name=""),
        model=ModelConfig(name="lenet"),
        optim=OptimConfig(lr=0.05, momentum=0.9),
        training=TrainingConfig(epochs=10, batch_size=128),
    ),
    RunConfig(
        data=DataConfig(name=""),
        model=ModelConfig(name="half"),
        picture=PictureConfig(fit="stretch", mean=(0.5,), std=(0.5,)),
        augment=AugmentConfig(crop="resized", flip=True),
        optim=OptimConfig(rule="adam", lr=0.001, momentum=0.9),
        training=TrainingConfig(epochs=8, batch_size=64),
    ),
    RunConfig(
        # `settle_batches` is ours: Keras's running averages (0.99) need some 500 steps to settle,
        # more than a small data set gives; estimated anew they are right from the first epoch.
        data=DataConfig(name="", holdout=0.2, holdout_rule="last"),
        model=ModelConfig(name="keras"),
        optim=OptimConfig(lr=0.01, momentum=0.0),
        training=TrainingConfig(epochs=10, batch_size=128, settle_batches=50),
    ),
    *(_cifar(name) for name in ("cifar-19pct", "cifar-18pct", "cifar-13pct", "cifar-11pct")),
)
_BY_NAME = {recipe.model.name: recipe for recipe in _TABLE}
RECIPES: dict[str, RunConfig] = {name: _BY_NAME[name] for name in VARIANTS}
"""The recipe of every variant, its data left open."""

_HALF = RECIPES["half"]
PHOTOS = replace(
    _HALF,
    optim=replace(_HALF.optim, lr=3e-4),
    schedule=ScheduleConfig(rule="cosine", warmup_epochs=1),
    training=replace(_HALF.training, epochs=30, batch_size=32),
)
"""Our own recipe for a folder of photographs where no net is named; how it was chosen is in docs/log.md."""
