"""`lazybridge doctor`: what is installed and set here, and which provider `Agent()` takes."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

import lazybridge
from lazybridge.cli.choice import ProviderFacts, facts
from lazybridge.cli.record import SCHEMA_VERSION
from lazybridge.core import registry
from lazybridge.core.errors import ConfigurationError
from lazybridge.default_choice import Choice, default_provider
from lazybridge.engine import LLMEngine


@dataclass(frozen=True)
class Provider:
    """A provider and why it cannot be used; `model_file` is the local model, None where it is not there. `assumed` is a
    server on this machine that needs no key, or a package that finds the vendors' own: whether it does is not asked."""

    facts: ProviderFacts
    problem: str | None
    model_file: str | None = None
    assumed: bool = False


@dataclass(frozen=True)
class Report:
    """The state of this installation."""

    providers: tuple[Provider, ...]
    choice: Choice

    @property
    def ok(self) -> bool:
        """Whether at least one provider can be used now, without downloading anything."""
        return any(provider.problem is None and not provider.assumed for provider in self.providers)


def examine() -> Report:
    """Look at every provider. Nothing is called, downloaded or imported beyond lazybridge itself."""
    return Report(
        tuple(_provider(name) for name in registry.provider_names()), default_provider(LLMEngine._PROVIDER_DEFAULT)
    )


def _provider(name: str) -> Provider:
    cls = registry.provider_class(name)
    found = facts(cls)
    if name != "local":
        keyless = not getattr(cls, "needs_key", True)
        return Provider(found, found.problem, assumed=keyless and not (found.key_set or found.url_host))
    from lazybridge.core.providers.local import weights

    try:
        place = weights.find()
    except ConfigurationError as exc:
        return Provider(found, found.problem or str(exc))
    missing = None if place is not None else "the model is not there yet\nlazybridge pull"
    return Provider(found, found.problem or missing, None if place is None else str(place))


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON."""
    return {
        "schema_version": SCHEMA_VERSION,
        "ok": report.ok,
        "lazybridge": lazybridge.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "default": {"provider": report.choice.name, "why": report.choice.why},
        "providers": [_row(provider) for provider in report.providers],
    }


def _row(provider: Provider) -> dict[str, Any]:
    found = provider.facts
    row = {
        "provider": found.provider,
        "usable": provider.problem is None,
        "problem": provider.problem,
        "sdk": found.sdk,
        "sdk_version": found.sdk_version,
        "key_variable": found.key_variable,
        "key_set": found.key_set,
        "url_variable": found.url_variable,
        "url_host": found.url_host,
    }
    return {**row, "model_file": provider.model_file} if found.provider == "local" else row


def as_text(report: Report) -> str:
    """The report for people."""
    lines = [f"lazybridge {lazybridge.__version__}, Python {platform.python_version()}, {platform.platform()}", ""]
    for provider in report.providers:
        lines += _lines(provider)
    return "\n".join([*lines, f"Agent() without a model: {report.choice.why}"])


def _lines(provider: Provider) -> list[str]:
    found = provider.facts
    rows = [("package", found.package)] if found.package else []
    if found.key_variable is not None:
        rows.append(("key", f"{found.key_variable} is {'set' if found.key_set else 'not set'}"))
    if found.url_variable is not None:
        where = f"set, host {found.url_host}" if found.url_host else "not set"
        rows.append(("base URL", f"{found.url_variable} is {where}"))
    if found.provider == "local":
        rows.append(("model", provider.model_file or "no model file"))
    if provider.problem is not None:
        rows += [("problem" if not place else "", line) for place, line in enumerate(provider.problem.splitlines())]
    condition = ", with the vendor's key" if found.in_process else ", if its server runs"
    usable = f"usable{condition if provider.assumed else ''}"
    state = usable if provider.problem is None else "not usable"
    return [f"{found.provider}: {state}", *(f"  {name:<10}{value}" for name, value in rows), ""]
