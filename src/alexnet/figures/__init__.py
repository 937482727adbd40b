"""What people look at: curves, confusion, galleries, filters, the report."""

from .confusion import draw_confusion
from .curves import draw_curves, draw_rates
from .gallery import Captioned, draw_filters, draw_gallery
from .report import Section, write_report

__all__ = [
    "Captioned",
    "Section",
    "draw_confusion",
    "draw_curves",
    "draw_filters",
    "draw_gallery",
    "draw_rates",
    "write_report",
]
