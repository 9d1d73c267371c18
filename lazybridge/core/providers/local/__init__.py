"""Models that run in this process: the provider, and how a model is loaded."""

# Each backend makes itself known when it is imported; none imports its engine before a model is loaded.
from lazybridge.core.providers.local import candle, llama_cpp_python, llamacpp, mistralrs
from lazybridge.core.providers.local.options import LocalOptions
from lazybridge.core.providers.local.provider import LocalProvider

__all__ = ["LocalOptions", "LocalProvider", "candle", "llama_cpp_python", "llamacpp", "mistralrs"]
