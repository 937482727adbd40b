"""A report of a run as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #888; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.lead { font-size: 1.15rem; margin-top: .4rem; } .soft, figcaption { color: var(--soft); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; } figure { margin: 1rem 0; }
img { max-width: 100%; background: white; border-radius: 4px; }
pre { overflow-x: auto; padding: .7rem; border: 1px solid var(--line); border-radius: 4px; }
"""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with a picture, a table or both.

    Args:
        png: shown whole; empty for none.
        header, rows: a table; cells that are numbers are aligned to the right.
        text: a sentence below the heading.
        code: shown as typed.
    """

    title: str
    text: str = ""
    png: bytes = b""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    code: str = ""


def _escape(value: object) -> str:
    return html.escape(str(value).encode("utf-8", "replace").decode())


def _cell(value: object, tag: str) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    shown = f"{value:,.4f}" if isinstance(value, float) else f"{value:,}" if is_number else value
    return f'<{tag} class="n">{shown}</{tag}>' if is_number else f"<{tag}>{_escape(shown)}</{tag}>"


def _section(section: Section) -> str:
    parts = [f"<h2>{_escape(section.title)}</h2>"]
    if section.text:
        parts.append(f"<p>{_escape(section.text)}</p>")
    if section.png:
        data = base64.b64encode(section.png).decode()
        parts.append(f'<figure><img alt="{_escape(section.title)}" src="data:image/png;base64,{data}"></figure>')
    if section.rows:
        head = "".join(_cell(cell, "th") for cell in section.header)
        body = "".join("<tr>" + "".join(_cell(cell, "td") for cell in row) + "</tr>" for row in section.rows)
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    if section.code:
        parts.append(f"<pre>{_escape(section.code)}</pre>")
    return "\n".join(parts)


def write_report(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The HTML text: no script, no request to anywhere, everything a person named is escaped."""
    body = "\n".join(_section(section) for section in sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:;'
        " style-src 'unsafe-inline'\">\n"
        f"<title>{_escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{_escape(title)}</h1>\n<p class="lead">{_escape(lead)}</p>\n{body}\n</body>\n</html>\n'
    )
