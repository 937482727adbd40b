"""How a picture becomes what a net sees: the preprocessing that travels with the weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PictureSpec:
    """The deterministic way from a decoded picture to a net's input.

    Resize to `resize` × `resize` pixels (bilinear, antialiased), keep the central `size` × `size`,
    then (value * scale - mean) / std for each channel.

    Args:
        channels: 3 for RGB, 1 for grey (ITU-R 601 luminance).
        size: pixels per side that the net sees.
        resize: pixels per side before the crop, at least `size`.
        fit: `short-side` takes the largest central square; `stretch` squeezes the whole picture
            into the square.
        scale: factor from grey levels 0..255; 1/255 gives values from 0 to 1.
        mean, std: one number per channel, in units after `scale`.
        mean_window: where the mean is a picture, what a crop has subtracted: its own place in it (`crop`), or always
            the central window (`centre`).
        mean_image: that picture, `float32[channels, resize, resize]`, in units after `scale`; `mean` is its mean.

    Raises:
        ConfigError: the sizes or the number of means do not fit together.
    """

    channels: int
    size: int
    resize: int
    fit: Literal["short-side", "stretch"]
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mean_window: Literal["crop", "centre"] | None = None
    mean_image: Any | None = field(default=None, compare=False, repr=False)  # an array; this room knows no NumPy

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ConfigError(f"Pictures have 1 or 3 channels, not {self.channels}.", "Set model.channels to 1 or 3.")
        if not 1 <= self.size <= self.resize:
            raise ConfigError(
                f"A net that sees {self.size} pixels cannot be fed from pictures resized to {self.resize}.",
                "Set picture.resize to at least the image size.",
            )
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ConfigError(
                f"{self.channels} channels need as many means and deviations; got {len(self.mean)} and {len(self.std)}."
            )
        if not (min(self.std) > 0 and self.scale > 0):
            raise ConfigError("A picture's scale and deviations must be above 0.")
        shape = None if self.mean_image is None else self.mean_image.shape
        if (self.mean_window is None) != (shape is None) or shape not in (
            None,
            (self.channels, self.resize, self.resize),
        ):
            raise ConfigError(f"The mean picture is {shape}; mean_window is {self.mean_window}.")
