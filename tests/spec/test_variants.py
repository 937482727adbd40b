"""Every variant is the net that its source describes: sizes, counts, order and settings, as literal tables."""

from __future__ import annotations

import pytest
import torch

from alexnet.spec import VARIANTS, compute
from alexnet.spec.layers import WEIGHT_LAYERS, Conv, Dropout, Linear, Local, MapNorm, Pool, ResponseNorm

# name: (channels, pixels, classes, parameters, multiply-adds)
SUMMARY = {
    "paper": (3, 227, 1000, 60_965_224, 724_406_816),
    "museum": (3, 224, 1000, 60_965_224, 724_406_816),
    "museum-half": (3, 224, 1000, 59_798_312, 391_514_384),
    "museum-no-overlap": (3, 224, 1000, 60_965_224, 686_891_552),
    "museum-no-norm": (3, 224, 1000, 60_965_224, 724_406_816),
    "museum-no-links": (3, 224, 1000, 60_714_408, 724_323_872),
    "museum-conv6": (3, 224, 1000, 61_555_304, 745_640_480),
    "one-tower": (3, 227, 1000, 62_378_344, 1_135_256_096),
    "caffe": (3, 227, 1000, 60_965_224, 724_406_816),
    "caffenet": (3, 227, 1000, 60_965_224, 724_406_816),
    "torchvision": (3, 224, 1000, 61_100_840, 714_188_480),
    "gluon": (1, 224, 10, 46_764_746, 938_146_176),
    "lenet": (1, 28, 10, 170_988, 1_349_280),
    "half": (3, 224, 10, 14_601_930, 309_164_304),
    "keras": (1, 28, 10, 13_189_194, 32_243_552),
    "cifar-19pct": (3, 32, 10, 89_578, 12_298_240),
    "cifar-18pct": (3, 32, 10, 89_578, 12_298_240),
    "cifar-13pct": (3, 32, 10, 1_901_386, 32_919_552),
    "cifar-11pct": (3, 32, 10, 3_672_906, 34_689_024),
}
# (variant, changes): (parameters, multiply-adds)
RESIZED = (
    ("torchvision", {"classes": 10}, 57_044_810, 710_133_440),
    ("caffe", {"image_size": 224}, 60_965_224, 720_608_384),
    ("half", {"classes": 5}, 14_591_685, 309_154_064),
    ("half", {"classes": 100}, 14_786_340, 309_348_624),
    ("half", {"classes": 1000}, 16_630_440, 311_191_824),
    ("cifar-19pct", {"image_size": 24}, 85_098, 6_917_760),
    ("cifar-18pct", {"image_size": 24}, 85_098, 6_917_760),
    ("cifar-13pct", {"image_size": 24}, 1_116_490, 18_517_248),
    ("cifar-11pct", {"image_size": 24}, 2_112_970, 19_512_576),
)
# Outputs of the layers that change the shape: maps are «channels x pixels per side», rows a number.
PAPER = "conv1 96x55 pool1 96x27 conv2 256x27 pool2 256x13 conv3 384x13 conv4 384x13 conv5 256x13 pool5 256x6"
CIFAR_32 = "conv1 32x32 pool1 32x16 conv2 32x16 pool2 32x8 conv3 64x8 pool3 64x4 flatten 1024 fc4 10"
TOP = "flatten 9216 fc6 4096 fc7 4096 fc8 1000"
SHAPES = {
    **dict.fromkeys(("paper", "museum", "museum-no-norm", "one-tower", "caffe", "caffenet"), f"{PAPER} {TOP}"),
    "museum-half": "conv1 48x55 pool1 48x27 conv2 128x27 pool2 128x13 conv3 192x13 conv4 192x13 conv5 256x13"
    f" pool5 256x6 {TOP}",
    "museum-no-overlap": "conv1 96x55 pool1 96x28 conv2 256x26 pool2 256x13 conv3 384x13 conv4 384x13 conv5 256x11"
    f" pool5 256x6 {TOP}",
    "museum-no-links": PAPER.replace("conv2 256x27 pool2 256x13", "conv2 320x27 pool2 320x13")
    + " flatten 9216 fc6 8192 fc7 4096 fc8 1000",
    "museum-conv6": f"{PAPER} conv6 256x6 {TOP}",
    "torchvision": "conv1 64x55 pool1 64x27 conv2 192x27 pool2 192x13 conv3 384x13 conv4 256x13 conv5 256x13"
    f" pool5 256x6 avgpool 256x6 {TOP}",
    "gluon": "conv1 96x54 pool1 96x26 conv2 256x26 pool2 256x12 conv3 384x12 conv4 384x12 conv5 256x12 pool5 256x5"
    " flatten 6400 fc6 4096 fc7 4096 fc8 10",
    "lenet": "conv1 20x24 pool1 20x12 conv2 50x10 pool2 50x5 flatten 1250 fc3 128 fc4 10",
    "half": "conv1 48x55 pool1 48x27 conv2 128x27 pool2 128x13 conv3 192x13 conv4 192x13 conv5 128x13 pool5 128x6"
    " flatten 4608 fc6 2048 fc7 2048 fc8 10",
    "keras": "conv1 96x7 pool1 96x4 conv2 256x4 pool2 256x2 conv3 384x2 conv4 384x2 conv5 256x2 pool5 256x1"
    " flatten 256 fc6 4096 fc7 2048 fc8 10",
    "cifar-19pct": CIFAR_32,
    "cifar-18pct": CIFAR_32,
    "cifar-13pct": "conv1 64x32 pool1 64x16 conv2 64x16 pool2 64x8 local3 32x8 local4 32x8 flatten 2048 fc5 10",
    "cifar-11pct": "conv1 64x32 pool1 64x16 conv2 64x16 pool2 64x8 local3 64x8 local4 32x8 flatten 2048 fc5 10",
}
# The weight layers' parameters and multiply-adds, where the reference prints them.
LAYERS = {
    "paper": (
        (34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000),
        (105_415_200, 223_948_800, 149_520_384, 112_140_288, 74_760_192, 37_748_736, 16_777_216, 4_096_000),
    ),
    "torchvision": (
        (23_296, 307_392, 663_936, 884_992, 590_080, 37_752_832, 16_781_312, 4_097_000),
        (70_276_800, 223_948_800, 112_140_288, 149_520_384, 99_680_256, 37_748_736, 16_777_216, 4_096_000),
    ),
    "gluon": (
        (11_712, 614_656, 885_120, 1_327_488, 884_992, 26_218_496, 16_781_312, 40_970),
        (33_872_256, 415_334_400, 127_401_984, 191_102_976, 127_401_984, 26_214_400, 16_777_216, 40_960),
    ),
    "lenet": ((520, 9_050, 160_128, 1_290), None),
    "half": (
        (17_472, 153_728, 221_376, 331_968, 221_312, 9_439_232, 4_196_352, 20_490),
        (52_707_600, 111_974_400, 37_380_096, 56_070_144, 37_380_096, 9_437_184, 4_194_304, 20_480),
    ),
    "keras": (
        (11_712, 614_656, 885_120, 1_327_488, 884_992, 1_052_672, 8_390_656, 20_490),
        (569_184, 9_830_400, 3_538_944, 5_308_416, 3_538_944, 1_048_576, 8_388_608, 20_480),
    ),
}
# What comes first: normalisation, pooling and ReLU stand in another order in almost every source.
ORDER = {
    "paper": "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2",
    "museum": "conv1 norm1 pool1 relu1 conv2 relu2 norm2 mapnorm2 pool2",
    "caffe": "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2",
    "caffenet": "conv1 relu1 pool1 norm1 conv2 relu2 pool2 norm2",
    "keras": "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2",
    "cifar-18pct": "conv1 relu1 pool1 norm1 conv2 relu2 pool2 norm2",
    "cifar-11pct": "conv1 relu1 pool1 norm1 conv2 relu2 norm2 pool2",
}
# Normalisation across channels: (size, alpha, beta, k, alpha divided by size, groups).
RESPONSE_NORMS = {
    **dict.fromkeys(("paper", "one-tower"), (5, 1e-4, 0.75, 2, False, 1)),
    **dict.fromkeys(("museum", "museum-no-overlap", "museum-no-links", "museum-conv6"), (5, 1e-4, 0.75, 2, True, 2)),
    "museum-half": (5, 1e-4, 0.75, 2, True, 1),
    **dict.fromkeys(("caffe", "caffenet"), (5, 1e-4, 0.75, 1, True, 1)),
    "cifar-11pct": (9, 1e-3, 0.75, 1, True, 1),
}
TWO_TOWERS = ("paper", "museum", "museum-no-overlap", "museum-no-norm", "museum-conv6", "caffe", "caffenet")
GROUPED = {**dict.fromkeys(TWO_TOWERS, "conv2 conv4 conv5"), "museum-no-links": "conv2 conv3 conv4 conv5 fc6 fc7"}


def names(name: str) -> list[str]:
    return [layer.name for layer in VARIANTS[name].layers]


def test_table_has_every_variant_in_order() -> None:
    assert len(VARIANTS) == 19
    assert list(VARIANTS) == list(SUMMARY)
    assert set(SHAPES) == set(SUMMARY)
    assert all(name == spec.name and spec.title and spec.source for name, spec in VARIANTS.items())


@pytest.mark.parametrize("name", SUMMARY)
def test_input_classes_parameters_and_macs(name: str) -> None:
    spec, facts = VARIANTS[name], compute(VARIANTS[name])
    assert (spec.channels, spec.image_size, spec.classes, facts.parameters, facts.macs) == SUMMARY[name]
    assert sum(row.parameters for row in facts.layers) == facts.parameters


@pytest.mark.parametrize(("name", "changes", "parameters", "macs"), RESIZED)
def test_resized_counts(name: str, changes: dict[str, int], parameters: int, macs: int) -> None:
    facts = compute(VARIANTS[name].resized(**changes))
    assert (facts.parameters, facts.macs) == (parameters, macs)


@pytest.mark.parametrize("name", SHAPES)
def test_output_shapes(name: str) -> None:
    words = SHAPES[name].split()
    expected = {}
    for layer, size in zip(words[::2], words[1::2], strict=True):
        channels, _, side = size.partition("x")
        expected[layer] = (int(channels), int(side or 1), int(side or 1))
    rows = {row.layer.name: row for row in compute(VARIANTS[name]).layers}
    assert len(rows) == len(VARIANTS[name].layers), "names are unique"
    assert {layer: rows[layer].output for layer in expected} == expected
    assert all(row.input == row.output for layer, row in rows.items() if layer not in expected)


@pytest.mark.parametrize("name", LAYERS)
def test_parameters_and_macs_of_each_weight_layer(name: str) -> None:
    rows = [row for row in compute(VARIANTS[name]).layers if isinstance(row.layer, WEIGHT_LAYERS)]
    parameters, macs = LAYERS[name]
    assert tuple(row.parameters for row in rows) == parameters
    assert macs is None or tuple(row.macs for row in rows) == macs


def test_keras_batch_normalisation_stores_statistics() -> None:
    facts = compute(VARIANTS["keras"])
    rows = {row.layer.name: row for row in facts.layers}
    assert [(rows[name].parameters, rows[name].trainable) for name in ("norm1", "norm2")] == [(384, 192), (1024, 512)]
    assert (facts.trainable, facts.parameters - facts.trainable) == (13_188_490, 704)


def test_paper_has_659272_neurons() -> None:
    rows = [row for row in compute(VARIANTS["paper"]).layers if isinstance(row.layer, WEIGHT_LAYERS)]
    neurons = [row.output[0] * row.output[1] * row.output[2] for row in rows]
    assert neurons == [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert sum(neurons) == 659_272


@pytest.mark.parametrize("name", ORDER)
def test_order_of_the_first_layers(name: str) -> None:
    expected = ORDER[name].split()
    assert names(name)[: len(expected)] == expected


@pytest.mark.parametrize("name", SUMMARY)
def test_normalisation_settings(name: str) -> None:
    layers = VARIANTS[name].layers
    across = [layer for layer in layers if isinstance(layer, ResponseNorm)]
    settings = [(n.size, n.alpha, n.beta, n.k, n.divided, n.groups) for n in across]
    assert settings == ([RESPONSE_NORMS[name]] * 2 if name in RESPONSE_NORMS else [])
    within = {n.name: (n.size, n.alpha, n.beta) for n in layers if isinstance(n, MapNorm)}
    if name == "cifar-18pct":
        assert within == dict.fromkeys(("norm1", "norm2"), (3, 5e-5, 0.75))
    else:
        has_two_norms = name.startswith("museum") and name != "museum-no-norm"
        assert within == ({"mapnorm2": (5, 1e-3, 0.75)} if has_two_norms else {})


@pytest.mark.parametrize("name", SUMMARY)
def test_groups_pools_and_dropout(name: str) -> None:
    layers = VARIANTS[name].layers
    grouped = [layer.name for layer in layers if isinstance(layer, Conv | Linear) and layer.groups == 2]
    assert grouped == GROUPED.get(name, "").split()
    pools = {(pool.kernel, pool.stride) for pool in layers if isinstance(pool, Pool)}
    assert pools == ({(2, 2)} if name in ("museum-no-overlap", "lenet") else {(3, 2)})
    averaged = [pool.name for pool in layers if isinstance(pool, Pool) and pool.kind == "avg"]
    assert averaged == (["pool2", "pool3"] if name in ("cifar-19pct", "cifar-18pct") else [])
    drops = [layer.name for layer in layers if isinstance(layer, Dropout)]
    if name in ("torchvision", "half"):
        assert drops == ["drop5", "drop6"]
    else:
        assert drops == ([] if name == "lenet" or name.startswith("cifar") else ["drop6", "drop7"])
    assert all(layer.p == 0.5 for layer in layers if isinstance(layer, Dropout))


def test_receptive_fields_of_paper() -> None:
    rows = {row.layer.name: row for row in compute(VARIANTS["paper"]).layers}
    fields = {"conv1": 11, "pool1": 19, "conv2": 51, "pool2": 67, "conv3": 99, "conv4": 131, "conv5": 163, "pool5": 195}
    assert {name: rows[name].receptive_field for name in fields} == fields
    assert [rows[name].jump for name in ("conv1", "pool1", "conv2", "pool2", "pool5")] == [4, 8, 8, 16, 32]
    assert rows["conv2"].start == -2 * 8, "conv2's padding of 2 pools is 16 pixels"
    assert (rows["fc6"].receptive_field, rows["fc6"].jump) == (0, 0)


@pytest.mark.parametrize("name", ["paper", "cifar-19pct"])
def test_receptive_field_is_where_the_gradient_is(name: str) -> None:
    """An all-ones chain of convolutions with the net's kernels, strides and padding shows what one unit sees."""
    rows = [row for row in compute(VARIANTS[name]).layers if isinstance(row.layer, Conv | Pool | Local)]
    pixels = torch.zeros(1, 1, VARIANTS[name].image_size, 1, dtype=torch.float64, requires_grad=True)
    value = pixels
    for row in rows:
        padding = row.layer.padding if isinstance(row.layer, Conv) else 0
        ones = torch.ones(1, 1, row.layer.kernel, 1, dtype=torch.float64)
        extra = row.layer.stride  # more zeros below than any rounding asks for; the surplus positions are cut off
        value = torch.nn.functional.pad(value, (0, 0, padding, padding + extra))
        value = torch.conv2d(value, ones, stride=(row.layer.stride, 1))[:, :, : row.output[1]]
        unit = value.shape[2] // 2
        (gradient,) = torch.autograd.grad(value[0, 0, unit, 0], pixels, retain_graph=True)
        seen = gradient.flatten().nonzero().flatten()
        first = row.start + unit * row.jump
        last = first + row.receptive_field - 1
        assert (seen[0], seen[-1]) == (max(first, 0), min(last, VARIANTS[name].image_size - 1)), row.layer.name


def test_state_names_only_where_the_world_has_others() -> None:
    assert [name for name, spec in VARIANTS.items() if spec.state_names] == ["torchvision"]
    ours = [layer.name for layer in VARIANTS["torchvision"].layers if isinstance(layer, WEIGHT_LAYERS)]
    features, classifier = (0, 3, 6, 8, 10), (1, 4, 6)
    theirs = [f"features.{i}" for i in features] + [f"classifier.{i}" for i in classifier]
    assert VARIANTS["torchvision"].state_names == tuple(zip(ours, theirs, strict=True))
