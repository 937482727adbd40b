"""What a run is: one frozen tree of settings, each checked when it is made.

The path of a setting, as in `--set optim.lr=0.02`, is the name of its branch and its own name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..errors import ConfigError

FORMAT = 1
"""The version of the tree; it grows when a stored `config.json` of an older version would be misread."""


def _check(condition: bool, path: str, value: object, expected: str) -> None:
    if not condition:
        raise ConfigError(f"{path} cannot be {value}.", f"Give {expected}.")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which pictures.

    Args:
        name: a known name or a folder.
        root: where to look first for the files of a known name.
        holdout: share of the training pictures set aside as validation, where the data has none.
        holdout_rule: `random` by seed, the same share of every class; `last`: the last ones in file order.
        leave_out: a list as `alexnet data --fix` writes it; its pictures marked for leaving out are not used.
    """

    name: str
    root: str | None = None
    holdout: float = 0.0
    holdout_rule: Literal["random", "last"] = "random"
    leave_out: str | None = None

    def __post_init__(self) -> None:
        _check(0 <= self.holdout < 1, "data.holdout", self.holdout, "a share from 0 to below 1")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which network; None means what the data has (channels) or the net's own size (image_size)."""

    name: str
    channels: int | None = None
    image_size: int | None = None

    def __post_init__(self) -> None:
        _check(self.channels in (None, 1, 3), "model.channels", self.channels, "1 or 3")
        _check(self.image_size is None or self.image_size > 0, "model.image_size", self.image_size, "at least 1 pixel")


@dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """How a picture becomes the net's input (see `alexnet.spec.PictureSpec`).

    Args:
        resize: pixels per side before the central crop; None means the image size.
        mean: numbers in units after `scale`, one for all channels or one for each; `training`: each channel's
            mean over the training pictures; `training-image`: their mean picture, a number for each pixel.
        mean_window: with a mean picture, what a crop has subtracted: `crop`, its own place, or `centre`, always
            the central window, as in the 2012 program.
    """

    resize: int | None = None
    fit: Literal["short-side", "stretch"] = "short-side"
    scale: float = 1 / 255
    mean: tuple[float, ...] | Literal["training", "training-image"] = (0.0,)
    mean_window: Literal["crop", "centre"] = "crop"
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        _check(self.scale > 0, "picture.scale", self.scale, "a number above 0")
        _check(bool(self.std) and min(self.std) > 0, "picture.std", self.std, "numbers above 0")


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """What changes in a picture each time it is trained on.

    Args:
        crop: `none`; `random` takes any window of the net's size from the resized picture;
            `resized` takes a random part and stretches it to the net's size.
        area: smallest and largest share of the picture for `resized`; its sides' ratio lies between 3/4 and 4/3.
        flip: mirror left and right half of the time.
        share: so many pictures, one after the other in the epoch's order, have one draw of crop and flip (32 in
            the 2012 program).
        colour_noise: the strength of noise along the principal components of the training pictures' colours; 0.1
            in the paper.
        colour_rule: `paper` scales each component by its eigenvalue, colours counted from 0 to 1; `program`, as the
            2012 program does, by its standard deviation, and then divides the whole input by 1 + `colour_noise`.
        colour_epochs: so many epochs have colour noise; 0: all of them.
    """

    crop: Literal["none", "random", "resized"] = "none"
    area: tuple[float, ...] = (0.08, 1.0)
    flip: bool = False
    share: int = 1
    colour_noise: float = 0.0
    colour_rule: Literal["paper", "program"] = "paper"
    colour_epochs: int = 0

    def __post_init__(self) -> None:
        fits = len(self.area) == 2 and 0 < self.area[0] <= self.area[1] <= 1
        _check(fits, "augment.area", self.area, "two shares from above 0 to 1, the smaller first")
        _check(self.share >= 1, "augment.share", self.share, "at least 1 picture")
        _check(self.colour_noise >= 0, "augment.colour_noise", self.colour_noise, "a number of at least 0")
        _check(self.colour_epochs >= 0, "augment.colour_epochs", self.colour_epochs, "at least 0")


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """The update rule; `weight_decay` is added to the gradient (L2), as in the paper.

    Args:
        momentum: Adam's first beta is the same setting.
        keep_velocity: when the rate changes, the velocity stays as it is, as in the paper and Caffe; without, as in
            PyTorch, it changes with the rate.
        lower_lr: where `lr` is unstable for the data at hand, a stable rate is taken instead, and said.
        bias_lr_factor: the biases' rate, as a multiple of `lr`.
        decay_biases: False: weight decay for weights alone.
    """

    rule: Literal["sgd", "adam"] = "sgd"
    lr: float = 0.01
    lower_lr: bool = True
    momentum: float = 0.9
    weight_decay: float = 0.0
    keep_velocity: bool = False
    bias_lr_factor: float = 1.0
    decay_biases: bool = True

    def __post_init__(self) -> None:
        _check(self.lr > 0, "optim.lr", self.lr, "a rate above 0")
        _check(0 <= self.momentum < 1, "optim.momentum", self.momentum, "a number from 0 to below 1")
        _check(self.weight_decay >= 0, "optim.weight_decay", self.weight_decay, "a number of at least 0")
        _check(self.bias_lr_factor > 0, "optim.bias_lr_factor", self.bias_lr_factor, "a factor above 0")


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """How the rate changes.

    Args:
        rule: `constant`; `step` multiplies by `factor` after every `epochs` epochs; `milestones` after the epochs
            in `milestones`; `plateau` when the held-out loss has not improved for `epochs` epochs; `cosine` falls
            along half a cosine until the last epoch.
        min_lr: `plateau` and `cosine` go no lower.
        warmup_epochs: the rate first grows in a straight line for so long.
        hold_biases: the biases' rate stays as it starts.
        first_layer_milestones, first_layer_factors: after so many epochs the first layer's weights have this multiple
            of `optim.lr` for a rate of their own; 0 freezes them.
    """

    rule: Literal["constant", "step", "milestones", "plateau", "cosine"] = "constant"
    epochs: int = 30
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    min_lr: float = 0.0
    warmup_epochs: float = 0.0
    hold_biases: bool = False
    first_layer_milestones: tuple[int, ...] = ()
    first_layer_factors: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check(self.epochs >= 1, "schedule.epochs", self.epochs, "at least 1")
        _check(0 < self.factor <= 1, "schedule.factor", self.factor, "a factor from above 0 to 1")
        _check(self.warmup_epochs >= 0, "schedule.warmup_epochs", self.warmup_epochs, "a number of at least 0")
        _check(self.min_lr >= 0, "schedule.min_lr", self.min_lr, "a rate of at least 0")
        for name in ("milestones", "first_layer_milestones"):
            epochs = getattr(self, name)
            _check(list(epochs) == sorted(set(epochs)), f"schedule.{name}", epochs, "epochs in growing order")
        factors = self.first_layer_factors
        fits = len(factors) == len(self.first_layer_milestones) and min(factors, default=0) >= 0
        _check(fits, "schedule.first_layer_factors", factors, "one factor of at least 0 for each milestone")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The loop.

    Args:
        accumulate: each batch is computed in so many parts, whose gradients are added before the one update; takes
            less memory. Batch normalisation sees the parts.
        divide_by: what the summed loss of a batch is divided by: its `pictures`, or always `batch_size`, as Gluon's
            trainer does; they differ for the smaller last batch of an epoch.
        ema: decay of an exponential moving average of the weights, which is then what is evaluated and kept; 0: none.
        label_smoothing: this share of each target is spread evenly over all classes.
        log_steps: a line of the history for so many steps.
        save_seconds: a checkpoint is written after an epoch if the last one is so old, and within an epoch after ten
            times as long; always at the end and at a stop. 0: after every update.
        settle_batches: before an evaluation, batch normalisation's statistics are estimated anew
            on so many training batches; 0 leaves the running averages as they are.
    """

    epochs: int = 10
    batch_size: int = 128
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    accumulate: int = 1
    divide_by: Literal["pictures", "batch_size"] = "pictures"
    ema: float = 0.0
    label_smoothing: float = 0.0
    log_steps: int = 20
    save_seconds: float = 60.0
    settle_batches: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "log_steps", "accumulate"):
            value = getattr(self, name)
            _check(value >= 1, f"training.{name}", value, "at least 1")
        _check(0 <= self.seed < 2**64, "training.seed", self.seed, "a number from 0 to below 2 ** 64")
        _check(0 <= self.ema < 1, "training.ema", self.ema, "a decay from 0 to below 1, such as 0.999")
        smoothing = self.label_smoothing
        _check(0 <= smoothing < 1, "training.label_smoothing", smoothing, "a share from 0 to below 1")
        _check(self.save_seconds >= 0, "training.save_seconds", self.save_seconds, "at least 0")
        _check(self.settle_batches >= 0, "training.settle_batches", self.settle_batches, "at least 0")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides what a run computes."""

    data: DataConfig
    model: ModelConfig
    picture: PictureConfig = field(default_factory=PictureConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    format: int = FORMAT
