"""Nets that several files look at: each variant is built once, whatever the order of the tests."""

from __future__ import annotations

import os
import types

import pytest

from alexnet.model import AlexNet, create
from alexnet.spec import VARIANTS

SEED = 20120930


@pytest.fixture(scope="session", params=list(VARIANTS))
def built(request: pytest.FixtureRequest) -> AlexNet:
    """One variant at its own size, in evaluation mode; whoever asks for it must leave it as it is."""
    return create(request.param, seed=SEED).eval()


@pytest.fixture(scope="session")
def keras() -> types.ModuleType:
    """Keras, computing with torch on the processor."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    assert keras.backend.backend() == "torch"
    return keras
