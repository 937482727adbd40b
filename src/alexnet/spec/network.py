"""What a network is: its layers in order, its input, where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ConfigError
from .layers import Layer


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """A network as data.

    Args:
        name: what users type after `--model`.
        title: what it is, in a few words.
        source: where each of its facts comes from.
        layers: in the order of computation.
        channels, image_size: the input is channels × image_size × image_size.
        classes: number of outputs.
        state_names: (child, name in the state dict) where the world's files name layers otherwise.
    """

    name: str
    title: str
    source: str
    layers: tuple[Layer, ...]
    channels: int
    image_size: int
    classes: int
    state_names: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for what, value in (("classes", self.classes), ("channels", self.channels), ("pixels", self.image_size)):
            if value < 1:
                raise ConfigError(f"«{self.name}» cannot have {value} {what}.", "Give a number of at least 1.")

    def resized(
        self, *, classes: int | None = None, channels: int | None = None, image_size: int | None = None
    ) -> NetworkSpec:
        """The same net for another number of classes or channels, or another input size in pixels."""
        return replace(
            self,
            classes=self.classes if classes is None else classes,
            channels=self.channels if channels is None else channels,
            image_size=self.image_size if image_size is None else image_size,
        )
