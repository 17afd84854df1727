"""The page of a study as a file that a notebook shows."""

import html
from pathlib import Path

HEIGHT = 900
"""Pixels of a page within a notebook; it scrolls."""


class Page(type(Path())):
    """The path of a page. In a notebook it is the page itself, within a frame from which nothing reaches out."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        text = html.escape(self.read_text(encoding="utf-8"))
        return (
            f'<iframe srcdoc="{text}" sandbox="allow-scripts allow-downloads allow-modals" width="100%" '
            f'height="{HEIGHT}" style="border: 0" title="{html.escape(self.name)}"></iframe>'
        )
