"""Where an answer says that it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lazybridge.core.content import Citation


def of_search(answer: Mapping[str, Any]) -> tuple[Citation, ...]:
    """The results of the vendor's own search: `search_results` (Perplexity), else the addresses of `citations`."""
    results = answer.get("search_results") or answer.get("citations") or ()
    return tuple(
        Citation(item)
        if isinstance(item, str)
        else Citation(item.get("url") or "", item.get("title"), item.get("snippet"))
        for item in results
    )


def of_annotations(annotations: Iterable[Mapping[str, Any]]) -> tuple[Citation, ...]:
    """The `url_citation` annotations of a text, nested (Chat Completions) or flat (Responses)."""
    found = (item.get("url_citation") or item for item in annotations if item.get("type") == "url_citation")
    return tuple(
        Citation(
            item.get("url") or "",
            item.get("title"),
            item.get("content"),
            item.get("start_index"),
            item.get("end_index"),
        )
        for item in found
    )
