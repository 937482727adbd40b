"""Pickles give up their plain data and arrays, and never run anything."""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
import pickletools
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet.pickles import UnsafePickle, read_plain_pickle

PROTOCOLS = range(6)

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**1000), 2**1000),
    st.floats(allow_nan=False),
    st.text(max_size=300),
    st.binary(min_size=1, max_size=300),
)
KEYS = st.one_of(st.integers(), st.text(max_size=5), st.binary(min_size=1, max_size=5), st.tuples(st.integers()))
PLAIN = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(KEYS, inner, max_size=5),
    ),
    max_leaves=15,
)

ARRAYS = {
    **{code: np.arange(6).reshape(2, 3).astype(code) for code in ("u1", "i2", "<i8", ">i8", "f2", "<f4", ">f8", "?")},
    "bytes": np.array([b"ab", b"c"]),
    "text": np.array(["grün", "x"]),
    "0-d": np.array(2.5),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": np.arange(20, dtype=np.uint8).reshape(4, 5)[::2, ::-1],
    "cifar": np.random.default_rng(0).integers(0, 256, (3, 3072)).astype(np.uint8),
}


class Call:
    """Pickles as a call of a function with arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def dtype_pickle(code: bytes) -> bytes:
    """An empty array whose type is spelled `code`."""
    head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R("
    text = b"U" + bytes([len(code)]) + code
    return head + b"K\x01K\x00\x85cnumpy\ndtype\n" + text + b"K\x00K\x01\x87RK\x00U\x00tb."


def same(found: Any, expected: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(found) is not type(expected):
        return False
    if isinstance(expected, dict):
        pairs = zip(found.items(), expected.items(), strict=True)
        return len(found) == len(expected) and all(same(*pair) for pair in pairs)
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(same(*pair) for pair in zip(found, expected, strict=True))
    return bool(found == expected)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data_equals_what_python_reads(protocol: int) -> None:
    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(PLAIN)
    def check(value: Any) -> None:
        content = pickle.dumps(value, protocol)
        assert same(read_plain_pickle(content), pickle.loads(content))

    check()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [b"", {"data": b""}, 2**2100, -(2**2100), list(range(3000)), {i: str(i) for i in range(3000)}, "é" * 70000],
    ids=["empty bytes", "empty bytes inside", "long", "negative long", "many items", "many keys", "long text"],
)
def test_uncommon_sizes_equal_what_python_reads(value: Any, protocol: int) -> None:
    assert same(read_plain_pickle(pickle.dumps(value, protocol)), value)


def assert_arrays_come_back(protocol: int) -> None:
    for name, array in ARRAYS.items():
        found = read_plain_pickle(pickle.dumps({"data": array, "twice": [array]}, protocol))
        for copy in (found["data"], found["twice"][0]):
            assert copy.dtype == array.dtype, name
            assert copy.shape == array.shape, name
            np.testing.assert_array_equal(copy, array)


@pytest.mark.parametrize("protocol", range(5))
def test_arrays_equal_what_was_written(protocol: int) -> None:
    assert_arrays_come_back(protocol)


def test_arrays_of_protocol_5_equal_what_was_written() -> None:
    """Protocol 5 writes arrays by another function, `numpy._core.numeric._frombuffer`."""
    assert_arrays_come_back(5)


def test_python_2_text_comes_out_as_bytes() -> None:
    content = (
        b"\x80\x02}q\x01(U\x04dataq\x02T\x04\x00\x00\x00\x00\x7f\x80\xffU\x05labelq\x03S'one'\nq\x04U\x05againh\x04u."
    )
    expected = {b"data": b"\x00\x7f\x80\xff", b"label": b"one", b"again": b"one"}
    assert read_plain_pickle(content) == expected == pickle.loads(content, encoding="bytes")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        int,
        len,
        os.getcwd,
        Call(os.getcwd),
        Call(eval, "1 + 1"),
        Call(getattr, "text", "upper"),
        Call(np.arange, 3),
        Call(bytearray, 3),
        Path("x"),
        collections.OrderedDict(a=1),
        {1, 2},
        1j,
        np.array([{}, None]),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array(["2012-09-30"], dtype="M8[D]"),
        [{"deep": (1, Call(os.getcwd))}],
    ],
    ids=lambda value: str(getattr(value, "call", value))[:30],
)
def test_everything_else_is_refused(value: Any, protocol: int) -> None:
    with pytest.raises(UnsafePickle):
        read_plain_pickle(pickle.dumps(value, protocol))


@pytest.mark.parametrize(
    "content",
    [b"(.", b"](e(.", pickle.dumps(np.ndarray), pickle.dumps([np.ndarray]), pickle.dumps(np.dtype("u1"))],
    ids=["mark", "mark above a list", "class ndarray", "class in a list", "dtype"],
)
def test_nothing_of_the_reader_itself_comes_out(content: bytes) -> None:
    with pytest.raises(UnsafePickle):
        read_plain_pickle(content)


@pytest.mark.parametrize("code", [b"u1", b"1,)i4", b"08i4", b"(1i4,i4", b"i4,(2", b"9" * 30, b"O", b"V8", b"\xff"])
def test_a_strange_type_code_is_refused(code: bytes) -> None:
    if code == b"u1":  # the pickle around the code is sound
        assert read_plain_pickle(dtype_pickle(code)).dtype == np.uint8
        return
    with pytest.raises(UnsafePickle):
        read_plain_pickle(dtype_pickle(code))


def test_lists_that_hold_each_other_twice_take_no_time() -> None:
    """Doubling 21 times in 200 bytes: whoever copies each reference on its own makes two million lists."""
    rows = [b"]q\x00K\x01a"] + [b"]q%c(h%ch%ce" % (number, number - 1, number - 1) for number in range(1, 22)]
    start = time.perf_counter()
    with contextlib.suppress(UnsafePickle):
        read_plain_pickle(b"".join(rows) + b".")
    assert time.perf_counter() - start < 0.5


def test_a_list_that_holds_itself_ends() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UnsafePickle):
        read_plain_pickle(pickle.dumps(endless))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cut_at_every_byte(protocol: int) -> None:
    value = {"data": list(range(5)), b"labels": (1.5, None, "text"), 3: b"x" * 20}
    whole = pickle.dumps(value, protocol)
    assert same(read_plain_pickle(whole), value)
    for length in range(len(whole)):
        with pytest.raises(UnsafePickle):
            read_plain_pickle(whole[:length])


def canary_pickles(canary: Path) -> list[bytes]:
    """Pickles that make a file when Python loads them."""
    command = f"touch {canary}"
    calls = [Call(os.system, command), Call(eval, f"open({str(canary)!r}, 'w').close()"), Call(os.mkdir, str(canary))]
    return [pickle.dumps({"labels": [1, 2], "data": call}, protocol) for call in calls for protocol in PROTOCOLS]


def test_nothing_runs(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    contents = canary_pickles(canary)
    used = {operation.name for content in contents for operation, _, _ in pickletools.genops(content)}
    assert {"GLOBAL", "STACK_GLOBAL", "REDUCE"} <= used
    for content in contents:
        with pytest.raises(UnsafePickle):
            read_plain_pickle(content)
        assert not canary.exists()
    pickle.loads(contents[0])  # the pickle does what it is meant to do
    assert canary.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # NumPy's, for old names of types
def test_changed_bytes_give_a_value_or_a_refusal(tmp_path: Path) -> None:
    luck = random.Random(2012)
    value = {"data": ARRAYS["fortran"], "labels": [1, 2], b"names": ("a", 1.5, None, 2**70)}
    contents = [pickle.dumps(value, protocol) for protocol in range(5)] + canary_pickles(tmp_path / "canary")
    num_refused = 0
    for _ in range(3000):
        content = bytearray(luck.choice(contents))
        for _ in range(luck.randint(1, 4)):
            content[luck.randrange(len(content))] = luck.choice([luck.randrange(256), *b"(.]}0123RbctuaesKq"])
        try:
            read_plain_pickle(bytes(content))
        except UnsafePickle:
            num_refused += 1
    assert not (tmp_path / "canary").exists()
    assert 1000 < num_refused < 3000
