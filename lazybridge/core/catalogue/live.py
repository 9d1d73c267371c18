"""Prices from an installed genai-prices (the extra `lazybridge[prices]`): for what the shipped tables lack, and newer
ones from the network where someone asks for them."""

from __future__ import annotations

import importlib.util
from datetime import date
from functools import cache
from importlib import metadata

from lazybridge.core.catalogue import tables
from lazybridge.core.catalogue.reference import ABSENT, VENDORS, rows
from lazybridge.core.errors import ConfigurationError


def update_prices(*, url: str | None = None) -> int:
    """Fetch today's prices over the network and use them for the rest of this process; how many models they price.

    They replace the shipped prices, but for those that lazybridge itself corrects. `url` is a copy of your own of
    genai-prices' data. Raises ConfigurationError where the extra is not installed, ConnectionError where the data
    cannot be fetched, and ValueError where it is none.
    """
    if not _is_installed():
        raise ConfigurationError('the package genai_prices is not installed\npip install "lazybridge[prices]"')
    import httpx2
    from genai_prices import UpdatePrices

    updater = UpdatePrices() if url is None else UpdatePrices(url=url)
    try:
        snapshot = updater.fetch()
    except httpx2.HTTPError as exc:
        raise ConnectionError(f"no prices from {updater.url}: {exc}") from exc
    if snapshot is None:
        return 0
    source, day = f"genai-prices, {updater.url}", date.today().isoformat()
    found = {vendor: rows(snapshot.providers, vendor) for vendor in VENDORS}
    tables.put_before({vendor: {"source": source, "as_of": day, "models": models} for vendor, models in found.items()})
    return sum(map(len, found.values()))


@cache
def add_installed(vendor: str) -> bool:
    """Put what an installed genai-prices knows of a vendor behind the shipped table; whether there was anything new."""
    if vendor in ABSENT or not _is_installed():
        return False
    from genai_prices.data import providers

    version = metadata.version("genai-prices")
    known = {name for id in tables.ids(vendor) for name in (id, *getattr(tables.row(vendor, id), "aliases", ()))}
    new = {id: row for id, row in rows(providers, vendor).items() if id not in known}
    if new:
        shipped = tables.origin()  # how old the data of another version is, is not known
        as_of = shipped["as_of"] if shipped["source"] == f"genai-prices {version}" else ""
        tables.put_behind(vendor, {"source": f"genai-prices {version}", "as_of": as_of, "models": new})
    return bool(new)


def _is_installed() -> bool:
    return importlib.util.find_spec("genai_prices") is not None
