"""The `torchvision` variant is torchvision's own alexnet: names, order, numbers and gradients to the last bit."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import alexnet as torchvision_alexnet

from alexnet.model import AlexNet, create


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return torchvision_alexnet()


@pytest.fixture(scope="module")
def ours(theirs: nn.Module) -> AlexNet:
    net = create("torchvision", seed=2)
    assert not torch.equal(net.conv1.weight, theirs.features[0].weight)
    answer = net.load_state_dict(theirs.state_dict(), strict=True)
    assert not answer.missing_keys
    assert not answer.unexpected_keys
    return net


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(3))


def test_state_dict_has_their_names_in_their_order(theirs: nn.Module, ours: AlexNet) -> None:
    expected, found = theirs.state_dict(), ours.state_dict()
    assert list(found) == list(expected)
    assert len(found) == 16
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert [name for name, _ in ours.named_parameters()][:2] == ["conv1.weight", "conv1.bias"]


def test_logits_are_the_same_bits_in_evaluation(theirs: nn.Module, ours: AlexNet, pictures: Tensor) -> None:
    with torch.no_grad():
        expected, found = theirs.eval()(pictures), ours.eval()(pictures)
    assert torch.equal(found, expected)
    assert found.std() > 0


def test_logits_and_gradients_are_the_same_bits_in_training(theirs: nn.Module, ours: AlexNet, pictures: Tensor) -> None:
    logits, gradients = [], []
    for net in (theirs.train(), ours.train()):
        with torch.random.fork_rng():
            torch.manual_seed(4)  # the dropout masks
            answer = net(pictures)
        loss = nn.functional.cross_entropy(answer, torch.tensor([7, 900]))
        logits.append(answer)
        gradients.append(torch.autograd.grad(loss, list(net.parameters())))
    assert torch.equal(logits[0], logits[1])
    assert len(gradients[0]) == len(gradients[1]) == 16
    for theirs_gradient, ours_gradient in zip(*gradients, strict=True):
        assert torch.equal(theirs_gradient, ours_gradient)
        assert ours_gradient.abs().sum() > 0
    with torch.no_grad():
        assert not torch.equal(logits[1], ours.eval()(pictures)), "dropout did something"


def test_way_back_into_torchvision(pictures: Tensor) -> None:
    net, other = create("torchvision", classes=10, seed=5).eval(), torchvision_alexnet(num_classes=10).eval()
    other.load_state_dict(net.state_dict(), strict=True)
    with torch.no_grad():
        assert torch.equal(net(pictures[:1, :, :64, :64]), other(pictures[:1, :, :64, :64]))


def test_names_hold_inside_another_module(theirs: nn.Module) -> None:
    """Wrappers such as DistributedDataParallel put a prefix before every name; a neighbour's names are its own."""
    net = create("torchvision", seed=7)
    wrapped = nn.Sequential(OrderedDict(conv1=nn.Linear(2, 2), module=net))
    neighbour = {"conv1.weight": torch.eye(2), "conv1.bias": torch.ones(2)}
    inside = {f"module.{key}": value for key, value in theirs.state_dict().items()}
    wrapped.load_state_dict({**neighbour, **inside}, strict=True)
    assert torch.equal(net.conv1.weight, theirs.features[0].weight)
    assert list(wrapped.state_dict()) == [*neighbour, *inside]
    assert torch.equal(wrapped.state_dict()["conv1.weight"], torch.eye(2))


def test_loading_leaves_the_given_names_alone_and_refuses_strangers(theirs: nn.Module, ours: AlexNet) -> None:
    state = theirs.state_dict()
    names = list(state)
    ours.load_state_dict(state)
    assert list(state) == names
    del state["features.3.bias"]
    state["features.99.bias"] = torch.zeros(1)
    with pytest.raises(RuntimeError, match=r"(?s)conv2.bias.*features.99.bias"):
        ours.load_state_dict(state)
