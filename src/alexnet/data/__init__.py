"""Pictures: where they come from, how they are decoded, ordered, augmented and batched."""

from .colours import Colours, find_colours, mean_picture
from .decode import PictureError, open_picture, read_pixels, to_pixels
from .folder import walk_pictures
from .locate import cache_folder, places
from .order import epoch_order
from .pictures import DataSet, Indices, PictureSet
from .sources import SOURCES, default_model, open_data, open_for_run
from .views import centre_view, check_ten_views, shrink_mean, ten_views, training_view

__all__ = [
    "SOURCES",
    "Colours",
    "DataSet",
    "Indices",
    "PictureError",
    "PictureSet",
    "cache_folder",
    "centre_view",
    "check_ten_views",
    "default_model",
    "epoch_order",
    "find_colours",
    "mean_picture",
    "open_data",
    "open_for_run",
    "open_picture",
    "places",
    "read_pixels",
    "shrink_mean",
    "ten_views",
    "to_pixels",
    "training_view",
    "walk_pictures",
]
