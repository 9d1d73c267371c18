"""Whom a provider asks: what two of them must share to be the same."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from lazybridge.core.providers.base import BaseProvider

# Where a provider may keep who it asks, beside its base URL.
_PLACES = ("endpoint", "region", "project", "location", "api_version")


def whose(provider: BaseProvider, model: str | None) -> tuple[Any, ...]:
    """A model at an address. A class of a user's that names none is known by itself alone, and ends with its `id`."""
    url = _url(provider)
    if url is None and not provider._adjusts_itself:
        return provider.registered_name(), model, id(provider)
    return provider.registered_name(), model, url, *(getattr(provider, place, None) for place in _PLACES)


def shown(provider: BaseProvider) -> str | None:
    """The base URL without what may be secret in it; None for the vendor's own."""
    url = _url(provider)
    if not isinstance(url, str):
        return None
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _url(provider: BaseProvider) -> Any:
    own_url = getattr(provider, "_own_url", None)
    return getattr(provider, "base_url", None) if own_url is None else own_url()
