"""Settings: every recipe out and in again, strict reading, ranges, and what wins over what."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alexnet.config import RECIPES, RunConfig, make_config, parse_setting, read_config, to_plain
from alexnet.config.tree import FORMAT, DataConfig, ModelConfig
from alexnet.errors import ConfigError
from alexnet.spec import VARIANTS


def plain(**changes: Any) -> dict[str, Any]:
    tree = to_plain(make_config("sample", "keras"))
    for path, value in changes.items():
        branch, _, name = path.partition("__")
        tree[branch] = {**tree[branch], name: value} if name else value
    return tree


def test_every_net_has_a_recipe() -> None:
    assert set(RECIPES) == set(VARIANTS)
    assert len(RECIPES) == 19


def test_every_recipe_comes_back() -> None:
    num_recipes = 0
    for name in RECIPES:
        config = make_config("sample", name)
        assert read_config(json.loads(json.dumps(to_plain(config)))) == config
        assert config.model.name == name
        assert config.data.name == "sample"
        num_recipes += 1
    assert num_recipes == 19


def test_floats_come_back_to_the_last_bit() -> None:
    config = make_config("sample", "keras", {"optim.lr": 0.1 + 0.2, "picture.mean": [1 / 3]})
    found = read_config(json.loads(json.dumps(to_plain(config))))
    assert found.optim.lr == 0.1 + 0.2
    assert found.picture.mean == (1 / 3,)


def test_whole_numbers_become_floats() -> None:
    rate = make_config("sample", "keras", {"optim.lr": 1}).optim.lr
    assert (rate, type(rate)) == (1.0, float)


@pytest.mark.parametrize(
    ("path", "named", "hint"),
    [
        ("optim.lrr", "optim.lrr", "Did you mean «optim.lr»?"),
        ("optim.weight-decay", "optim.weight-decay", "Did you mean «optim.weight_decay»?"),
        ("training.epoch", "training.epoch", "Did you mean «training.epochs»?"),
        ("optimm.lr", "optimm", "Did you mean «optim»?"),
        ("zzz.lr", "zzz", "Known are: data, model, picture, augment, optim, schedule, training"),
        ("optim.zzz", "optim.zzz", "Known are: rule, lr, lower_lr, momentum, weight_decay"),
        ("optim.lr.x", "optim.lr.x", "lr"),
    ],
)
def test_unknown_settings_name_the_nearest(path: str, named: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config("sample", "keras", {path: 1})
    assert caught.value.message == f"There is no setting «{named}»."
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("path", ["lr", "", "optim", "format"])
def test_a_path_needs_a_branch(path: str) -> None:
    with pytest.raises(ConfigError, match="is not the path of a setting") as caught:
        make_config("sample", "keras", {path: 1})
    assert "optim.lr" in caught.value.hint


def test_format_is_no_branch() -> None:
    with pytest.raises(ConfigError, match=r"«format\.x»"):
        make_config("sample", "keras", {"format.x": 1})


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="kears") as caught:
        make_config("sample", "kears")
    assert "«keras»" in caught.value.hint


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("optim.lr", "fast", "a number"),
        ("optim.lr", True, "a number"),
        ("optim.lr", [0.1], "a number"),
        ("optim.lr", None, "a number"),
        ("optim.lr", 10**400, ""),
        ("optim.rule", "sgdd", "«sgd» or «adam»"),
        ("optim.rule", 1, "«sgd» or «adam»"),
        ("training.epochs", 1.5, "a whole number"),
        ("training.epochs", "ten", "a whole number"),
        ("training.epochs", True, "a whole number"),
        ("training.epochs", {}, "a whole number"),
        ("augment.flip", 1, "«true» or «false»"),
        ("augment.flip", "yes", "«true» or «false»"),
        ("picture.mean", "grey", "numbers separated by commas or «training»"),
        ("picture.mean", [0.5, "x"], "numbers separated by commas or «training»"),
        ("picture.std", "training", "numbers separated by commas"),
        ("model.channels", "3", "a whole number or «none»"),
        ("data.root", False, "text or «none»"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_wrong_types_say_what_fits(path: str, value: object, expected: str) -> None:
    with pytest.raises(ConfigError, match=path) as caught:
        make_config("sample", "keras", {path: value})
    assert expected in caught.value.hint


@pytest.mark.parametrize(
    ("path", "wrong", "right"),
    [
        ("data.holdout", [-0.1, 1, 2], [0, 0.999]),
        ("model.channels", [0, 2, 4, -1], [1, 3, None]),
        ("model.image_size", [0, -5], [1, 28, None]),
        ("picture.scale", [0, -1, float("nan"), float("inf")], [1e-9, 1]),
        ("picture.std", [0, [1, 0], [], [-1], float("nan"), [1, float("nan")], float("inf")], [1, [0.5, 2]]),
        ("picture.mean", [float("nan"), [0, float("nan")], float("inf")], [-1, [0, 1, 2]]),
        ("augment.area", [0, [0, 1], [0.5], [0.6, 0.5], [0.5, 1.1], [0.1, 0.2, 0.3]], [[0.1, 1], [1, 1]]),
        ("optim.lr", [0, -1, float("nan"), float("inf")], [1e-12, 10]),
        ("optim.momentum", [-0.1, 1, 1.5, float("nan")], [0, 0.999]),
        ("optim.weight_decay", [-1e-9, float("nan"), float("inf")], [0, 0.1]),
        ("schedule.epochs", [0, -1], [1]),
        ("schedule.factor", [0, -1, 1.1, float("nan")], [1e-9, 1]),
        ("schedule.min_lr", [-1, float("nan")], [0, 1e-6]),
        ("training.epochs", [0, -1], [1]),
        ("training.batch_size", [0, -1], [1]),
        ("training.log_steps", [0, -1], [1]),
        ("training.seed", [-1, 2**64], [0, 2**64 - 1]),
        ("training.settle_batches", [-1], [0, 5]),
    ],
)
def test_ranges(path: str, wrong: list[Any], right: list[Any]) -> None:
    for value in right:
        branch, name = path.split(".")
        found = getattr(getattr(make_config("sample", "keras", {path: value}), branch), name)
        assert found == (tuple(value) if isinstance(value, list) else value) or found == (value,)
    accepted = []
    for value in wrong:
        with contextlib.suppress(ConfigError):
            make_config("sample", "keras", {path: value})
            accepted.append(value)
    assert not accepted
    with pytest.raises(ConfigError, match=re.escape(path)) as caught:
        make_config("sample", "keras", {path: wrong[0]})
    assert caught.value.hint


def test_checks_hold_when_made_in_python() -> None:
    with pytest.raises(ConfigError, match=r"data\.holdout"):
        DataConfig(name="x", holdout=1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig(name="x").name = "y"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optim.lr=0.02", ("optim.lr", 0.02)),
        ("optim.lr=1e-3", ("optim.lr", 1e-3)),
        ("training.epochs=3", ("training.epochs", 3)),
        (" training.epochs = 3 ", ("training.epochs", 3)),
        ("augment.flip=true", ("augment.flip", True)),
        ("augment.flip=False", ("augment.flip", False)),
        ("picture.resize=none", ("picture.resize", None)),
        ("picture.resize=null", ("picture.resize", None)),
        ("optim.rule=adam", ("optim.rule", "adam")),
        ("picture.mean=0.5,0.4, 0.3", ("picture.mean", [0.5, 0.4, 0.3])),
        ("picture.mean=training", ("picture.mean", "training")),
        ("data.root=/a=b", ("data.root", "/a=b")),
        ("data.root=", ("data.root", "")),
    ],
)
def test_parse_setting(text: str, expected: tuple[str, object]) -> None:
    found = parse_setting(text)
    assert found == expected
    assert type(found[1]) is type(expected[1])


@pytest.mark.parametrize("text", ["optim.lr", "", "=3"])
def test_what_is_no_setting(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a setting") as caught:
        parse_setting(text)
    assert "optim.lr=0.02" in caught.value.hint


def test_one_number_is_a_mean_for_every_recipe() -> None:
    refused = []
    for model in RECIPES:
        try:
            config = make_config("sample", model, [parse_setting("picture.mean=0.5"), parse_setting("picture.std=2")])
        except ConfigError:
            refused.append(model)
        else:
            assert config.picture.mean == (0.5,)
            assert config.picture.std == (2.0,)
    assert not refused


@pytest.mark.parametrize("folder", ["2024", "true", "none-such", "a,b"])
def test_a_folder_may_have_any_name(folder: str) -> None:
    assert make_config("sample", "keras", [parse_setting(f"data.root={folder}")]).data.root == folder


FILES = {
    "own.toml": "[optim]\nlr = 0.5\nmomentum = 0\n[picture]\nmean = 0.25\n",
    "own.json": json.dumps({"optim": {"lr": 0.5, "momentum": 0}, "picture": {"mean": [0.25]}}),
}


@pytest.mark.parametrize("name", FILES)
def test_recipe_then_file_then_settings(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    recipe = make_config("sample", "keras")
    config = make_config("sample", "keras", [("optim.lr", 0.125), ("optim.lr", 0.25)], path)
    assert recipe.optim.momentum == 0.0
    assert make_config("sample", "lenet").optim.momentum == 0.9
    assert make_config("sample", "lenet", file=path).optim.momentum == 0.0
    assert make_config("sample", "lenet", file=path).optim.lr == 0.5
    assert config.optim.lr == 0.25
    assert config.picture.mean == (0.25,)
    assert config.training == recipe.training


def test_a_stored_config_is_a_settings_file(tmp_path: Path) -> None:
    config = make_config("sample", "half", {"optim.lr": 0.5})
    path = tmp_path / "config.json"
    path.write_text(json.dumps(to_plain(config)), encoding="utf-8")
    assert make_config("sample", "half", file=path) == config


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", "[optim\nlr = 1"),
        ("a.json", '{"optim": '),
        ("a.json", "[1, 2]"),
        ("a.json", "3"),
        ("a.json", '{"optim": 3}'),
        ("a.json", '{"optim": {"lrr": 3}}'),
        ("a.json", '{"format": 2}'),
        ("a.toml", "lr = 3"),
    ],
)
def test_files_that_are_no_settings(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        make_config("sample", "keras", file=tmp_path / name)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"\xe9": 1}')
    for path in (tmp_path, tmp_path / "nowhere.toml", tmp_path / "latin.json"):
        with pytest.raises(ConfigError, match="cannot be read as settings"):
            make_config("sample", "keras", file=path)


@pytest.mark.parametrize("number", [0, 2, "1", None, True])
def test_another_format_is_refused(number: object) -> None:
    assert FORMAT == 1
    with pytest.raises(ConfigError, match="format"):
        read_config({**plain(), "format": number})


def test_stored_settings_are_read_strictly() -> None:
    assert isinstance(read_config(plain()), RunConfig)
    for tree, phrase in (
        ({key: value for key, value in plain().items() if key != "format"}, "format None"),
        ({key: value for key, value in plain().items() if key != "model"}, "«model» is missing"),
        (plain(data={}), r"«data\.name» is missing"),
        (plain(extra=1), "«extra»"),
        (plain(optim__extra=1), r"«optim\.extra»"),
        (plain(optim=3), "optim must hold settings"),
        (plain(optim__lr="0.1"), r"optim\.lr cannot be '0.1'"),
    ):
        with pytest.raises(ConfigError, match=phrase):
            read_config(tree)


def test_settings_need_neither_torch_nor_numpy() -> None:
    program = "import sys, alexnet.config, alexnet.runs; sys.exit(any(n in sys.modules for n in ('torch', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
