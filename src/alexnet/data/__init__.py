"""Pictures: where they come from, how they are decoded, ordered, augmented and batched."""

from .advice import HEADER as ADVICE_HEADER
from .advice import advise
from .colours import Colours, find_colours, mean_picture
from .decode import PictureError, open_picture, read_pixels, to_pixels
from .folder import walk_pictures
from .locate import places
from .order import epoch_order
from .pictures import DataSet, Indices, PictureSet
from .sources import SOURCES, default_recipe, find_folder, is_folder, open_data, open_for_run
from .survey import KINDS, Survey, survey_arrays, survey_folder
from .views import centre_view, check_ten_views, shrink_mean, ten_views, training_view

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
    "walk_pictures",
]
