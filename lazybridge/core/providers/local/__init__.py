"""Models that run in this process: the provider, and how a model is loaded."""

from lazybridge.core.providers.local.llamacpp import LocalProvider
from lazybridge.core.providers.local.options import LocalOptions

__all__ = ["LocalOptions", "LocalProvider"]
