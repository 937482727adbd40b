"""From settings to a job that is ready to train: data, preprocessing, net, optimiser."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..config import RunConfig, to_plain
from ..data import DataSet, PictureSet, find_colours, mean_picture, open_for_run, shrink_mean
from ..errors import ConfigError
from ..model import AlexNet, choose_machine, create, keep_memory
from ..runs import RunFolder, describe_origin, library_versions, make_folder, write_csv, write_json
from ..spec import PictureSpec, compute, find_variant
from ..weights import Card
from .job import Job
from .optimiser import make_optimiser
from .reporting import Reporter
from .state import State


def resolve_sizes(config: RunConfig) -> tuple[int, int]:
    """(pixels that the net sees, pixels that pictures are resized to before the crop)."""
    size = config.model.image_size or find_variant(config.model.name).image_size
    return size, config.picture.resize or size


def fingerprint(pictures: PictureSet) -> str:
    """A digest of the names and labels, by which a resumed run knows its data again."""
    text = "\n".join(pictures.names).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text + pictures.labels.tobytes()).hexdigest()[:16]


def _spread(values: tuple[float, ...], channels: int, name: str) -> tuple[float, ...]:
    """One number for each channel, from one for all or one for each; three become their mean for grey."""
    if len(values) == channels:
        return values
    if len(values) == 1:
        return values * channels
    if channels == 1 and len(values) == 3:
        return (sum(values) / 3,)
    raise ConfigError(
        f"picture.{name} has {len(values)} numbers for {channels} channels.", "Give one, or one for each."
    )


def _picture_spec(config: RunConfig, data: DataSet, channels: int, size: int, resize: int) -> PictureSpec:
    chosen = config.picture
    window, image = None, None
    if isinstance(chosen.mean, str):
        picture = mean_picture(data.splits["train"], channels) * chosen.scale
        mean = tuple(float(value) for value in picture.mean(axis=(1, 2)))
        if chosen.mean == "training-image":
            window, image = chosen.mean_window, shrink_mean(picture, resize)
    else:
        mean = _spread(chosen.mean, channels, "mean")
    return PictureSpec(
        channels=channels,
        size=size,
        resize=resize,
        fit=chosen.fit,
        scale=chosen.scale,
        mean=mean,
        std=_spread(chosen.std, channels, "std"),
        mean_window=window,
        mean_image=image,
    )


def write_facts(folder: RunFolder, config: RunConfig, data: DataSet) -> None:
    """The files that say what a run is: settings, origin, classes, split."""
    make_folder(folder.checkpoints)
    write_json(folder.config, to_plain(config))
    if not folder.origin.exists():
        write_json(folder.origin, describe_origin())
    write_json(folder.classes, list(data.classes))
    rows = (
        (name, split, data.classes[label])
        for split, pictures in data.splits.items()
        for name, label in zip(pictures.names, pictures.labels, strict=True)
    )
    if data.files:
        write_csv(folder.split, ("path", "split", "class"), rows)
    else:
        counts = [(split, len(pictures)) for split, pictures in data.splits.items()]
        write_csv(folder.split, ("split", "pictures"), counts)


def open_pictures(config: RunConfig, reporter: Reporter) -> DataSet:
    """The run's data, with what a person should know about it said.

    Raises:
        DataError: it cannot be had, or more than one file in a hundred is damaged.
    """
    _, resize = resolve_sizes(config)
    data = open_for_run(config, resize, reporter.decoding)
    for item in data.damaged:
        reporter.note(f"Left out: {item.path} {item.reason}.")
    for note in data.notes:
        reporter.note(note)
    data.split("val", "test")
    return data


def describe_settings(config: RunConfig, data: DataSet, job: Job) -> str:
    """One line on what is about to be trained."""
    spec, machine = job.net.spec, job.machine
    parameters = sum(parameter.numel() for parameter in job.net.parameters())
    splits = " + ".join(f"{len(pictures):,} {split}" for split, pictures in data.splits.items())
    optim = config.optim
    return (
        f"{spec.name} ({parameters / 1e6:.2f} M trainable parameters) on {data.name}: {splits} pictures,"
        f" {len(data.classes)} classes, {spec.channels} × {spec.image_size} × {spec.image_size};"
        f" {optim.rule} {optim.lr:g}, batch {config.training.batch_size}, {machine.device.type}, {machine.precision}"
    )


def prepare(config: RunConfig, folder: RunFolder, data: DataSet, reporter: Reporter) -> Job:
    """Everything that a training needs, with the settings that depend on the data filled in.

    Raises:
        ConfigError: the net cannot take pictures of this size or these channels.
    """
    size, resize = resolve_sizes(config)
    channels = config.model.channels or data.channels
    picture = _picture_spec(config, data, channels, size, resize)
    machine = choose_machine(config.training.device, config.training.precision)
    keep_memory()
    config = replace(
        config,
        model=replace(config.model, channels=channels, image_size=size),
        picture=replace(config.picture, resize=resize),
        training=replace(config.training, precision=machine.precision),
    )
    torch.manual_seed(config.training.seed)
    net = _create(config, len(data.classes)).to(machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    training = config.training
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(training.ema)) if training.ema else None  # type: ignore[no-untyped-call]
    versions = {name: str(version) for name, version in library_versions(("alexnet", "torch")).items()}
    origin = {"run": folder.path.name, "data": data.name, **versions}
    return Job(
        config=config,
        data=data,
        picture=picture,
        colours=find_colours(data.splits["train"], channels) if config.augment.colour_noise else None,
        net=net,
        average=average,
        optimiser=make_optimiser(net, config.optim),
        machine=machine,
        folder=folder,
        state=State(parts=training.accumulate, lr=config.optim.lr, data=fingerprint(data.splits["train"])),
        reporter=reporter,
        card=Card(variant=config.model.name, picture=picture, classes=data.classes, origin=origin),
    )


def _create(config: RunConfig, classes: int) -> AlexNet:
    """The net with its initial values.

    Raises:
        ConfigError: its weights do not fit into memory.
    """
    model = config.model
    try:
        return create(
            model.name, classes=classes, channels=model.channels, image_size=model.image_size, seed=config.training.seed
        )
    except RuntimeError as error:
        spec = find_variant(model.name).resized(classes=classes, image_size=model.image_size)
        raise ConfigError(
            f"The {4e-9 * compute(spec).parameters:,.1f} GB of weights of «{model.name}» at {model.image_size} pixels"
            f" cannot be had: {str(error).splitlines()[0]}",
            "Choose a smaller --image-size.",
        ) from error
