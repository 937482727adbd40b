"""Pictures: where they come from, how they are decoded, ordered, augmented and batched.

What needs torch is imported when it is first asked for, so that a prediction can do without.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .advice import HEADER as ADVICE_HEADER
from .advice import advise
from .centre import Values, check_ten_views, views_of
from .decode import PictureError, open_picture, read_pixels, to_pixels
from .folder import walk_pictures
from .locate import places
from .order import epoch_order
from .pictures import DataSet, Indices, PictureSet
from .sources import SOURCES, default_recipe, find_folder, is_folder, open_data, open_for_run
from .survey import KINDS, Survey, survey_arrays, survey_folder

if TYPE_CHECKING:
    from .colours import Colours, find_colours, mean_picture
    from .views import centre_view, shrink_mean, ten_views, training_view

__all__ = [
    "ADVICE_HEADER",
    "KINDS",
    "SOURCES",
    "Colours",
    "DataSet",
    "Indices",
    "PictureError",
    "PictureSet",
    "Survey",
    "Values",
    "advise",
    "centre_view",
    "check_ten_views",
    "default_recipe",
    "epoch_order",
    "find_colours",
    "find_folder",
    "is_folder",
    "mean_picture",
    "open_data",
    "open_for_run",
    "open_picture",
    "places",
    "read_pixels",
    "shrink_mean",
    "survey_arrays",
    "survey_folder",
    "ten_views",
    "to_pixels",
    "training_view",
    "views_of",
    "walk_pictures",
]

_NEED_TORCH = {
    "Colours": "colours",
    "centre_view": "views",
    "find_colours": "colours",
    "mean_picture": "colours",
    "shrink_mean": "views",
    "ten_views": "views",
    "training_view": "views",
}


def __getattr__(name: str) -> Any:
    if name not in _NEED_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_NEED_TORCH[name]}", __name__), name)
    globals()[name] = value
    return value
