"""What a notebook shows of a value; the rendering is loaded when something is shown."""

from __future__ import annotations


class Shown:
    """Shown as HTML by notebooks, as Markdown by what prefers that."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from lazybridge.notebook import html

        return html(self)

    def _repr_markdown_(self) -> str:
        from lazybridge.notebook import markdown

        return markdown(self)
