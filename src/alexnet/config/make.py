"""From what a person typed to a `RunConfig`: built-in, then recipe, then file, then flags."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ..errors import ConfigError
from ..spec import compute, find_variant
from .recipes import RECIPES
from .strict import read, to_plain
from .tree import FORMAT, RunConfig


def parse_setting(text: str) -> tuple[str, Any]:
    """`path=value` from `--set`: numbers, true/false, none, or several separated by commas; text where text is meant.

    >>> parse_setting("optim.lr=0.02")
    ('optim.lr', 0.02)
    >>> parse_setting("picture.mean=0.5,0.5,0.5")
    ('picture.mean', [0.5, 0.5, 0.5])
    >>> parse_setting("data.root=2024")
    ('data.root', '2024')
    """
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise ConfigError(f"«{text}» is not a setting.", "Write path=value, for example optim.lr=0.02.")
    path, value = path.strip(), value.strip()
    if value.lower() in ("none", "null"):
        return path, None
    if _takes_text(path):
        return path, value
    items = [_parse_value(item.strip()) for item in value.split(",")]
    return path, items[0] if len(items) == 1 else items


def _takes_text(path: str) -> bool:
    """True for a setting that may be any text, such as a folder."""
    branch, _, name = path.partition(".")
    kind = get_type_hints(RunConfig).get(branch)
    hint = get_type_hints(kind).get(name) if isinstance(kind, type) else None
    return hint is str or str in get_args(hint)


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except ValueError:
        return text


def _place(tree: dict[str, Any], path: str, value: Any) -> None:
    branch, dot, name = path.partition(".")
    if not dot:
        raise ConfigError(
            f"«{path}» is not the path of a setting.", "Write branch.name, for example optim.lr or training.epochs."
        )
    tree.setdefault(branch, {})
    if not isinstance(tree[branch], dict):
        raise ConfigError(f"There is no setting «{path}».")
    tree[branch][name] = value


def read_config_file(path: Path) -> dict[str, Any]:
    """The settings in a `.json` or `.toml` file.

    Raises:
        ConfigError: it cannot be read or parsed.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read as settings: {error}.", "Write JSON or TOML.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold a table of settings.")
    return values


def model_in_file(path: Path | None) -> str | None:
    """The model that a settings file names, if it names one.

    Raises:
        ConfigError: it cannot be read or parsed.
    """
    branch = read_config_file(path).get("model") if path is not None else None
    name = branch.get("name") if isinstance(branch, dict) else None
    return name if isinstance(name, str) else None


def _merge_file(tree: dict[str, Any], path: Path) -> set[str]:
    """Places a file's settings; the paths that it sets."""
    placed = set()
    for branch, values in read_config_file(path).items():
        if not isinstance(values, dict):
            tree[branch] = values
            continue
        for name, value in values.items():
            _place(tree, f"{branch}.{name}", value)
            placed.add(f"{branch}.{name}")
    return placed


def _keep_margin(tree: dict[str, Any], model: str) -> None:
    """For another image size, the margin around the crop keeps its share: 256 → 224 becomes 128 → 112."""
    own, size, resize = find_variant(model).image_size, tree["model"]["image_size"], tree["picture"]["resize"]
    if isinstance(size, int) and isinstance(resize, int) and size != own:
        tree["picture"]["resize"] = max(round(resize * size / own), size)


def make_config(
    data: str,
    recipe: str | RunConfig,
    settings: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
    file: Path | None = None,
) -> RunConfig:
    """A recipe on `data`, changed by a file and by settings.

    Args:
        data: what was typed; a file does not change it, nor the recipe's net.
        recipe: a net's name, for the recipe of its source; or a recipe.
        settings: (path, value) pairs such as ("optim.lr", 0.02); later ones win.

    Raises:
        ConfigError: an unknown model or setting, a value that does not fit, or an image size that the net cannot see.
    """
    chosen = RECIPES[find_variant(recipe).name] if isinstance(recipe, str) else recipe
    tree, model = to_plain(chosen), chosen.model.name
    placed = _merge_file(tree, file) if file is not None else set()
    tree["data"]["name"], tree["model"]["name"] = data, model
    for path, value in dict(settings).items():
        if path in ("data.name", "model.name") and value != tree[path.partition(".")[0]]["name"]:
            raise ConfigError(f"{path} is not set by --set.", "Type DATA, and the model after --model.")
        _place(tree, path, value)
        placed.add(path)
    if "picture.resize" not in placed:
        _keep_margin(tree, model)
    if "optim.lr" in placed and "optim.lower_lr" not in placed:
        tree["optim"]["lower_lr"] = False  # a person's own rate is obeyed
    config = read_config(tree)
    compute(find_variant(model).resized(image_size=config.model.image_size))
    return config


def read_config(tree: Mapping[str, Any]) -> RunConfig:
    """A stored `config.json`, strictly.

    Raises:
        ConfigError: another format number, an unknown or missing key, a wrong type.
    """
    if not isinstance(tree, Mapping):
        raise ConfigError("The settings are no table of names and values.", "Restore config.json, or train anew.")
    if tree.get("format") != FORMAT:
        raise ConfigError(
            f"The settings have format {tree.get('format')}; this version reads format {FORMAT}.",
            "Use the version of alexnet that wrote them.",
        )
    return read(RunConfig, tree)
