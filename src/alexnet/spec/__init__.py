"""What a network is: layers as data, every variant, and arithmetic over them. Needs no torch."""

from .arithmetic import LayerFacts, NetworkFacts, Window, compute, find_window, smallest_input, window_of
from .network import NetworkSpec
from .picture import PictureSpec
from .variants import VARIANTS, find_variant

__all__ = [
    "VARIANTS",
    "LayerFacts",
    "NetworkFacts",
    "NetworkSpec",
    "PictureSpec",
    "Window",
    "compute",
    "find_variant",
    "find_window",
    "smallest_input",
    "window_of",
]
