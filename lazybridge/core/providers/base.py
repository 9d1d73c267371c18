"""The stable extension point: subclass BaseProvider, implement four methods, and Agent("your-model") routes to it."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, ClassVar

from lazybridge.core import registry, tiers
from lazybridge.core.errors import ConfigurationError, UnsupportedFeatureError, UnsupportedNativeToolError
from lazybridge.core.errors.secrets import Secret
from lazybridge.core.native_tools import AnyNativeTool, kind_of
from lazybridge.core.types import (
    TIERS,
    CompletionRequest,
    CompletionResponse,
    NativeTool,
    StreamChunk,
)

__all__ = ["BaseProvider", "UnsupportedFeatureError", "UnsupportedNativeToolError"]


class BaseProvider(ABC):
    """A translator between the neutral types and one vendor's SDK.

    `__init__` sets `api_key` and `model` and then calls `_init_client(**kwargs)` with the keywords the caller wrote.
    A subclass registers itself: under its attribute `name`, else its class name without "Provider", in lower case.
    """

    default_model: str = ""
    supported_native_tools: frozenset[NativeTool] = frozenset()
    strict_native_tools: bool = False
    _TIER_ALIASES: dict[str, str] = {}
    _FALLBACKS: dict[str, list[str]] = {}
    _VISION_CAPABLE_MODEL_PATTERNS: frozenset[str] = frozenset()
    _AUDIO_CAPABLE_MODEL_PATTERNS: frozenset[str] = frozenset()

    # A `lazybridge.RateLimit` for every attempt that this provider is asked for, whichever agent makes it.
    rate_limit: Any = None

    name: ClassVar[str] = ""
    _adjusts_itself: ClassVar[bool] = False
    _free: bool = False
    _unpriced: str | None = None  # why the catalogue's prices do not hold for what this provider asks

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__module__.startswith("lazybridge."):
            registry.register_class(cls)

    def __init__(
        self,
        api_key: str | None = None,
        model: str | None = None,
        *,
        strict_native_tools: bool | None = None,
        **kwargs: Any,
    ) -> None:
        self.api_key = Secret(api_key) if isinstance(api_key, str) else api_key
        self.model = model
        if strict_native_tools is not None:
            self.strict_native_tools = strict_native_tools
        self._init_client(**kwargs)

    @classmethod
    def registered_name(cls) -> str:
        """The name that routing knows this class by: its own `name`, else the class name without "Provider", in lower case."""
        return cls.__dict__.get("name") or cls.__name__.removesuffix("Provider").lower()

    @classmethod
    def vendor_name(cls) -> str:
        """Whose models these are, by the catalogue: the built-in class's name, also for what is derived from one."""
        for parent in cls.__mro__:
            if parent.__module__.startswith("lazybridge.") and parent.__dict__.get("name"):
                return str(parent.__dict__["name"])
        return cls.registered_name()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model or self.default_model!r})"

    @abstractmethod
    def complete(self, request: CompletionRequest) -> CompletionResponse:
        """One whole answer. The SDK's own exceptions pass through."""

    @abstractmethod
    def stream(self, request: CompletionRequest) -> Iterator[StreamChunk]:
        """The answer in pieces, and one final chunk with `is_final`, stop_reason and usage."""

    @abstractmethod
    async def acomplete(self, request: CompletionRequest) -> CompletionResponse:
        """`complete`, without blocking the event loop."""

    @abstractmethod
    def astream(self, request: CompletionRequest) -> AsyncIterator[StreamChunk]:
        """`stream`, without blocking the event loop."""

    def _init_client(self, **kwargs: Any) -> None:  # noqa: B027  # the contract makes it optional
        """Make the SDK client. Read keys from the environment here; raise ConfigurationError where one is missing."""

    def _compute_cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        """USD for a call, or None where the price is not known."""
        return None

    def get_default_max_tokens(self, model: str | None = None) -> int:
        """The output cap to send where a vendor demands one and the request names none."""
        return 4096

    def is_retryable(self, exc: BaseException) -> bool | None:
        """True or False decides whether an exception is retried; None leaves it to lazybridge."""
        return None

    @classmethod
    def supports_vision(cls, model: str | None = None) -> bool:
        """Whether a model can look at images, by `_VISION_CAPABLE_MODEL_PATTERNS` (substrings)."""
        return cls._matches(model, cls._VISION_CAPABLE_MODEL_PATTERNS)

    @classmethod
    def supports_audio(cls, model: str | None = None) -> bool:
        """Whether a model can listen to audio, by `_AUDIO_CAPABLE_MODEL_PATTERNS` (substrings)."""
        return cls._matches(model, cls._AUDIO_CAPABLE_MODEL_PATTERNS)

    @classmethod
    def _matches(cls, model: str | None, patterns: Iterable[str]) -> bool:
        name = cls.resolve_tier(model or cls.default_model).lower()
        return any(pattern.lower() in name for pattern in patterns)

    @classmethod
    def resolve_tier(cls, model: str) -> str:
        """The model id behind a tier word: the registered or locked one, else the class's own; any other string is a
        model id already."""
        if model in TIERS or model in cls._TIER_ALIASES:
            found = tiers.chosen(cls.registered_name(), model) or cls._TIER_ALIASES.get(model)
            if found is not None:
                return found
            allowed = ", ".join(cls._TIER_ALIASES) or "none"
            raise ConfigurationError(f"{cls.__name__} has no tier {model!r}\nits tiers: {allowed}")
        return model

    def _resolve_model(self, request: CompletionRequest) -> str:
        """The model id to send: the request's, else the provider's, else `default_model`; tiers are resolved."""
        model = request.model or self.model or self.default_model
        if not model:
            raise ConfigurationError(f'{type(self).__name__} has no default model\nname one: Agent("model-id")')
        return self.resolve_tier(model)

    def _check_native_tools(self, tools: Iterable[AnyNativeTool]) -> list[AnyNativeTool]:
        """The tools this provider offers; the others warn and are left out, or raise under `strict_native_tools`."""
        supported: list[AnyNativeTool] = []
        for tool in tools:
            if kind_of(tool) in self.supported_native_tools:
                supported.append(tool)
                continue
            offered = ", ".join(sorted(self.supported_native_tools)) or "none"
            message = f"{type(self).__name__} does not offer the native tool {str(tool)!r}; it offers: {offered}"
            if self.strict_native_tools:
                raise UnsupportedNativeToolError(message)
            warnings.warn(message, UserWarning, stacklevel=3)
        return supported
