"""Counts and rates against scikit-learn, in one batch and in many, and where they are easily wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support, top_k_accuracy_score

from alexnet.errors import DivergedError
from alexnet.evaluate import Counts, per_class

Case = tuple[NDArray[np.float32], NDArray[np.int64]]


def answers(n: int, classes: int, *, seed: int = 0, skill: float = 1.0) -> Case:
    """Random softmax outputs as float32, somewhat right, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes)) * 2
    logits[np.arange(n), labels] += skill
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return shares.astype(np.float32), labels


def counted(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Counts:
    counts = Counts(probabilities.shape[1])
    counts.add(probabilities, labels)
    return counts


@pytest.fixture(params=[(257, 10), (64, 6), (400, 37)], ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return answers(*request.param, seed=request.param[0])


def test_confusion_is_scikit_learns(case: Case) -> None:
    probabilities, labels = case
    classes = list(range(probabilities.shape[1]))
    found = counted(probabilities, labels).confusion
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, confusion_matrix(labels, probabilities.argmax(1), labels=classes))
    assert not np.array_equal(found, found.T), "rows and columns can be told apart"


def test_rates_are_scikit_learns(case: Case) -> None:
    probabilities, labels = case
    classes = list(range(probabilities.shape[1]))
    rates = counted(probabilities, labels).rates()
    exact = probabilities.astype(np.float64)
    assert set(rates) == {"n", "top1", "top5", "loss"}
    assert rates["n"] == len(labels)
    assert rates["top1"] == top_k_accuracy_score(labels, probabilities, k=1, labels=classes)
    assert rates["top5"] == top_k_accuracy_score(labels, probabilities, k=5, labels=classes)
    assert 0 < rates["top1"] < rates["top5"] < 1
    expected = log_loss(labels, exact / exact.sum(1, keepdims=True), labels=classes)
    assert rates["loss"] == pytest.approx(expected, rel=1e-6)


def test_per_class_is_scikit_learns(case: Case) -> None:
    probabilities, labels = case
    classes = list(range(probabilities.shape[1]))
    names = tuple(f"class {index}" for index in classes)
    rows = per_class(counted(probabilities, labels).confusion, names)
    precision, recall, f1, n = precision_recall_fscore_support(
        labels, probabilities.argmax(1), labels=classes, zero_division=0
    )
    assert tuple(row.name for row in rows) == names
    assert [row.n for row in rows] == n.tolist()
    np.testing.assert_allclose([row.precision for row in rows], precision, rtol=1e-12)
    np.testing.assert_allclose([row.recall for row in rows], recall, rtol=1e-12)
    np.testing.assert_allclose([row.f1 for row in rows], f1, rtol=1e-12)
    assert not np.allclose(precision, recall)


@pytest.mark.parametrize("batch", [1, 7, 128, 256, 257])
def test_batches_add_up_to_all_at_once(batch: int) -> None:
    probabilities, labels = answers(257, 10)
    counts = Counts(10)
    for start in range(0, 257, batch):
        counts.add(probabilities[start : start + batch], labels[start : start + batch])
    whole = counted(probabilities, labels)
    np.testing.assert_array_equal(counts.confusion, whole.confusion)
    assert (counts.n, counts.top5) == (257, whole.top5)
    assert counts.loss == pytest.approx(whole.loss, rel=1e-12)


@pytest.mark.parametrize("classes", [1, 2, 4, 5])
def test_up_to_five_classes_are_all_among_the_top_five(classes: int) -> None:
    rates = counted(*answers(50, classes, skill=-3.0)).rates()
    assert rates["top5"] == 1
    assert classes == 1 or rates["top1"] < 0.5


def test_sixth_most_probable_is_not_among_the_top_five() -> None:
    probabilities = np.array([[0.30, 0.25, 0.20, 0.10, 0.08, 0.07]])
    top5 = [counted(probabilities, np.array([label])).top5 for label in range(6)]
    assert top5 == [1, 1, 1, 1, 1, 0]


def test_net_that_says_the_same_for_all_classes_is_not_right_by_chance() -> None:
    """Only the first class, and the first five, count: 1 and 5 of 20, as many as guessing them would give."""
    probabilities, labels = np.full((40, 20), 1 / 20, np.float32), np.repeat(np.arange(20), 2)
    rates = counted(probabilities, labels).rates()
    assert (rates["top1"], rates["top5"]) == (1 / 20, 5 / 20)
    assert rates["loss"] == pytest.approx(math.log(20))
    late = counted(probabilities[:4], np.array([19, 18, 17, 16])).rates()
    assert (late["top1"], late["top5"]) == (0, 0)


def test_ties_agree_between_top1_and_top5() -> None:
    """A label that ties with four before it is fifth; with five before it, sixth."""
    probabilities = np.array([[0.2, 0.2, 0.2, 0.2, 0.2, 0.0], [0.0, 0.2, 0.2, 0.2, 0.2, 0.2]])
    assert [counted(probabilities[:1], np.array([label])).top5 for label in range(6)] == [1, 1, 1, 1, 1, 0]
    assert [counted(probabilities[1:], np.array([label])).top5 for label in range(6)] == [0, 1, 1, 1, 1, 1]
    assert counted(probabilities, np.array([0, 1])).rates()["top1"] == 1


def test_rates_of_a_class_that_is_never_guessed_or_never_seen() -> None:
    confusion = np.array([[3, 0, 1], [2, 0, 0], [0, 0, 0]])
    first, unguessed, unseen = per_class(confusion, ("cat", "dog", "fox"))
    assert (first.n, first.precision, first.recall, first.f1) == (4, 3 / 5, 3 / 4, 2 * 3 / 9)
    assert (unguessed.n, unguessed.precision, unguessed.recall, unguessed.f1) == (2, 0, 0, 0)
    assert (unseen.n, unseen.precision, unseen.recall, unseen.f1) == (0, 0, 0, 0)


def test_certain_and_wrong_costs_much_but_finitely() -> None:
    rates = counted(np.array([[1.0, 0.0]], np.float32), np.array([1])).rates()
    assert 80 < rates["loss"] < 100
    assert counted(np.array([[1.0, 0.0]], np.float32), np.array([0])).rates()["loss"] == 0


def test_nothing_counted_is_zero_of_everything() -> None:
    assert Counts(3).rates() == {"n": 0, "top1": 0, "top5": 0, "loss": 0}
    counts = counted(*answers(5, 3))
    counts.add(np.empty((0, 3), np.float32), np.empty(0, np.int64))
    assert counts.n == 5


def test_answers_that_are_not_finite_are_refused() -> None:
    """Every comparison with NaN is false, so a dead net would be right on all pictures."""
    counts = Counts(3)
    with pytest.raises(DivergedError):
        counts.add(np.full((2, 3), np.nan, np.float32), np.array([0, 1]))
    assert counts.n == 0
