"""Each net's own recipe: the settings that its source trains it with, in one literal table.

Sources are those of the nets (`alexnet.spec.variants`). Where a source states none, the
entry says so.
"""

from __future__ import annotations

from dataclasses import replace

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


def _imagenet(name: str, *, batch_size: int, optim: OptimConfig, schedule: ScheduleConfig) -> RunConfig:
    """Values 0..255 minus the training mean; random crops and flips from 256 × 256."""
    return RunConfig(
        data=DataConfig(name=""),
        model=ModelConfig(name=name),
        picture=PictureConfig(resize=256, scale=1.0, mean="training"),
        augment=AugmentConfig(crop="random", flip=True),
        optim=optim,
        schedule=schedule,
        training=TrainingConfig(epochs=90, batch_size=batch_size),
    )


def _cifar(name: str) -> RunConfig:
    """The `.cfg` files' rate and momentum, whole pictures minus the mean; the number of epochs is ours."""
    return RunConfig(
        data=DataConfig(name=""),
        model=ModelConfig(name=name),
        picture=PictureConfig(scale=1.0, mean="training"),
        optim=replace(_PROGRAM, lr=0.001, weight_decay=0.004),
        training=TrainingConfig(epochs=20, batch_size=128),
    )


# Section 5 of the paper: one rate for all layers, decay on all. The programs: biases at twice the rate, without decay.
_PAPER = OptimConfig(lr=0.01, momentum=0.9, weight_decay=5e-4, keep_velocity=True)
_PROGRAM = replace(_PAPER, bias_lr_factor=2.0, decay_biases=False)
_PLATEAU = ScheduleConfig(rule="plateau", epochs=5, factor=0.1)

_TABLE = (
    *(_imagenet(name, batch_size=128, optim=_PAPER, schedule=_PLATEAU) for name in ("paper", "one-tower")),
    *(
        _imagenet(name, batch_size=128, optim=_PROGRAM, schedule=_PLATEAU)
        for name in (
            "museum",
            "museum-half",
            "museum-no-overlap",
            "museum-no-norm",
            "museum-no-links",
            "museum-conv6",
        )
    ),
    *(
        # 100,000 iterations of 256 pictures are 20 epochs of ImageNet.
        _imagenet(name, batch_size=256, optim=_PROGRAM, schedule=ScheduleConfig(rule="step", epochs=20))
        for name in ("caffe", "caffenet")
    ),
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
        training=TrainingConfig(epochs=10, batch_size=128),
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
