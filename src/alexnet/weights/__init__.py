"""Weights and checkpoints as files: safetensors with digests and a card. Needs NumPy, not torch."""

from .card import Card, Weights, find_weights, read_weights, verify_weights, write_weights
from .tensors import digest, header_digest, read_tensors, verify_tensors, write_tensors

__all__ = [
    "Card",
    "Weights",
    "digest",
    "find_weights",
    "header_digest",
    "read_tensors",
    "read_weights",
    "verify_tensors",
    "verify_weights",
    "write_tensors",
    "write_weights",
]
