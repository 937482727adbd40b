"""Reads the plain data of a pickle without running it.

The operations are walked one by one (`pickletools.genops` only parses). Dictionaries, lists, tuples,
numbers, text, bytes and NumPy arrays come out; any other class, function or call is refused. Old
public files (the CIFAR archives) are Python 2 pickles, whose text comes out as bytes.
"""

from __future__ import annotations

import pickletools
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_OPERATIONS = 5_000_000
_MARK = object()

# The three names that NumPy's own arrays are pickled with, under its module names before and since 2.0.
_RECONSTRUCT = {f"{package}.multiarray _reconstruct" for package in ("numpy.core", "numpy._core")}
_FROM_BUFFER = {f"{package}.numeric _frombuffer" for package in ("numpy.core", "numpy._core")}
_ENCODE = "_codecs encode"
_EMPTY = {"__builtin__ bytes", "builtins bytes"}
_ALLOWED = {*_RECONSTRUCT, *_FROM_BUFFER, *_EMPTY, "numpy ndarray", "numpy dtype", _ENCODE}
_TYPE_CODE = re.compile(r"[<>=|]?[biufSU]\d{1,9}")


class UnsafePickle(ValueError):
    """The pickle is damaged, or holds something other than plain data."""


class _Name:
    """A class or function that a pickle names; never imported."""

    def __init__(self, name: str) -> None:
        if name not in _ALLOWED:
            raise UnsafePickle(f"it names «{name}», which is no plain data")
        self.name = name


class _Dtype:
    """A NumPy data type under construction."""

    def __init__(self, code: str) -> None:
        if _TYPE_CODE.fullmatch(code) is None:
            raise UnsafePickle(f"it holds an array of type {code}")
        self.dtype = np.dtype(code)

    def build(self, state: Any) -> None:
        order = _text(state[1])
        self.dtype = self.dtype.newbyteorder("<" if order == "|" else order)  # type: ignore[arg-type]


class _Array:
    """A NumPy array under construction."""

    def __init__(self) -> None:
        self.value: NDArray[Any] | None = None

    def build(self, state: Any) -> None:
        _, shape, dtype, is_fortran, content = state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes):
            raise UnsafePickle("an array has no plain content")
        flat = np.frombuffer(content, dtype.dtype)
        self.value = flat.reshape(shape, order="F" if is_fortran else "C")


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _call(function: Any, arguments: Any) -> Any:
    """The result of the few calls that NumPy arrays and Python 2 text need."""
    if not isinstance(function, _Name):
        raise UnsafePickle("it calls something that is no name")
    if function.name in _RECONSTRUCT:
        return _Array()
    if function.name in _FROM_BUFFER:
        return _from_buffer(*arguments)
    if function.name in _EMPTY and arguments == ():
        return b""
    if function.name == "numpy dtype":
        return _Dtype(_text(arguments[0]))
    if function.name == _ENCODE:
        return str(arguments[0]).encode("latin-1")
    raise UnsafePickle(f"it calls {function.name}")


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    """An array as protocol 5 writes it."""
    if not isinstance(dtype, _Dtype) or not isinstance(content, bytes):
        raise UnsafePickle("an array has no plain content")
    return np.frombuffer(content, dtype.dtype).reshape(shape, order=order)


class _Finisher:
    """Replaces the arrays under construction by the arrays; what is held twice is finished once."""

    def __init__(self) -> None:
        self.done: dict[int, Any] = {}

    def finish(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | str | bytes | np.ndarray):
            return value
        if id(value) in self.done:
            if self.done[id(value)] is _MARK:
                raise UnsafePickle("something in it holds itself")
            return self.done[id(value)]
        self.done[id(value)] = _MARK
        self.done[id(value)] = finished = self._finish(value)
        return finished

    def _finish(self, value: Any) -> Any:
        if isinstance(value, _Array) and value.value is not None:
            return value.value
        if isinstance(value, dict):
            return {self.finish(key): self.finish(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.finish(item) for item in value]
        if isinstance(value, tuple):
            return tuple(self.finish(item) for item in value)
        raise UnsafePickle("it holds a piece of a pickle in place of data")


class _Machine:
    """The stack and memory of a pickle being read."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def cut(self) -> list[Any]:
        """What lies above the last mark."""
        at = max(index for index, item in enumerate(self.stack) if item is _MARK)
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def set_items(self, items: list[Any]) -> None:
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def step(self, name: str, argument: Any) -> None:
        """Carries out one operation."""
        stack, memory = self.stack, self.memory
        match name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                stack.append(_MARK)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG" | "LONG1" | "LONG4" | "FLOAT" | "BINFLOAT":
                stack.append(argument)
            case "UNICODE" | "BINUNICODE" | "SHORT_BINUNICODE" | "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8":
                stack.append(argument)
            case "BYTEARRAY8":
                stack.append(bytes(argument))
            case "STRING" | "BINSTRING" | "SHORT_BINSTRING":
                stack.append(argument.encode("latin-1"))
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(name[-1])
                stack[-size:] = [tuple(stack[-size:])]
            case "TUPLE":
                stack.append(tuple(self.cut()))
            case "LIST":
                stack.append(self.cut())
            case "DICT":
                items = self.cut()
                stack.append(dict(zip(items[::2], items[1::2], strict=True)))
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "APPENDS":
                items = self.cut()
                stack[-1].extend(items)
            case "SETITEM":
                items = stack[-2:]
                del stack[-2:]
                self.set_items(items)
            case "SETITEMS":
                self.set_items(self.cut())
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memory[argument] = stack[-1]
            case "MEMOIZE":
                memory[len(memory)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memory[argument])
            case "GLOBAL":
                stack.append(_Name(argument))
            case "STACK_GLOBAL":
                attribute = stack.pop()
                stack.append(_Name(f"{stack.pop()} {attribute}"))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(_call(stack.pop(), arguments))
            case "BUILD":
                state = stack.pop()
                if not isinstance(stack[-1], _Array | _Dtype):
                    raise UnsafePickle("it builds something that is no array")
                stack[-1].build(state)
            case _:
                raise UnsafePickle(f"it uses the operation {name}")


def read_plain_pickle(content: bytes) -> Any:
    """The data in a pickle, with nothing imported and nothing run.

    Raises:
        UnsafePickle: it is damaged, too long, or holds anything but plain data and NumPy arrays.
    """
    machine = _Machine()
    try:
        for number, (operation, argument, _) in enumerate(pickletools.genops(content)):
            if number > MAX_OPERATIONS:
                raise UnsafePickle("it has too many operations")
            if operation.name == "STOP":
                return _Finisher().finish(machine.stack.pop())
            machine.step(operation.name, argument)
    except UnsafePickle:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise UnsafePickle(f"it is damaged ({error})") from error
    raise UnsafePickle("it ends early")
