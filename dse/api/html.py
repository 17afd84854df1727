"""How objects of the front door look in a notebook."""

from collections.abc import Iterable

from markupsafe import Markup, escape


def titled(title: str, *parts: str) -> str:
    """Return HTML: a title in bold, and parts of HTML below it."""
    return f"<div><p><b>{escape(title).replace(chr(10), Markup('<br>'))}</b></p>{''.join(parts)}</div>"


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and values as a table of HTML."""
    cells = "".join(
        f'<tr><td style="text-align:left"><code>{escape(name)}</code></td>'
        f'<td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in rows
    )
    return f"<table>{cells}</table>"
