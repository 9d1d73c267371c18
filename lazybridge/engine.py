"""LLMEngine: which provider, with which settings, for how long."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Unpack, cast

from lazybridge.budget import Budget, check_budget
from lazybridge.call import Call
from lazybridge.composed import AnyCall
from lazybridge.core import catalogue, registry, structured, tiers
from lazybridge.core.catalogue import lifecycle
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.errors.secrets import Secret
from lazybridge.core.makers import BUILT_IN_RULES, Rule
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.registry import Route
from lazybridge.core.retry import RetryPolicy
from lazybridge.core.types import Adjustment, CompletionRequest, Message, NativeTool, Tier
from lazybridge.envelope import Envelope
from lazybridge.needs import rung_for
from lazybridge.run import Policy
from lazybridge.settings import SETTING_NAMES, Settings, Task, check_setting, messages_of, refuse_misspelt
from lazybridge.tool_sources import AnyTool, SourcedCall, ToolSource, sorted_out
from lazybridge.tools import Toolbox

if TYPE_CHECKING:
    from lazybridge.ledger import Ledger

# `Agent()` takes the first vendor of this order whose key is in the environment, else the local model: the vendors with an
# SDK of their own, then the makers who speak Chat Completions, then who hosts others' models. Each has a default model and
# every tier. Hugging Face and fal are not among them: their keys are set for more than language models.
DEFAULT_ORDER: tuple[tuple[str, str], ...] = (
    ("anthropic", "ANTHROPIC_API_KEY"),
    ("openai", "OPENAI_API_KEY"),
    ("google", "GOOGLE_API_KEY"),
    ("google", "GEMINI_API_KEY"),
    ("mistral", "MISTRAL_API_KEY"),
    ("groq", "GROQ_API_KEY"),
    ("xai", "XAI_API_KEY"),
    ("deepseek", "DEEPSEEK_API_KEY"),
    ("zai", "ZAI_API_KEY"),
    ("cerebras", "CEREBRAS_API_KEY"),
    ("openrouter", "OPENROUTER_API_KEY"),
)
_MAKERS = (
    "anthropic",
    "openai",
    "google",
    "mistral",
    "xai",
    "deepseek",
    "zai",
)  # whose ids a misspelt one may be near to


class LLMEngine:
    """Asks one model, runs tools, retries and keeps the time.

    `timeout` is in seconds for the whole call, over all attempts, waits and tool turns. `max_retries` more attempts
    follow a failed one. `fallback=False` keeps a model that is gone or overloaded from being replaced by the
    provider's next one. Keywords that are no setting go to the provider's class (`api="chat"`).
    Raises ConfigurationError for a missing key or package, an unknown model, or a misspelt tier or option.
    """

    _PROVIDER_ALIASES: ClassVar[dict[str, str]] = dict(registry.BUILT_IN_ALIASES)
    _PROVIDER_RULES: ClassVar[list[Rule]] = list(BUILT_IN_RULES)
    _PROVIDER_DEFAULT: ClassVar[str | None] = None

    def __init__(
        self,
        model: str | BaseProvider | None = None,
        *,
        provider: str | type[BaseProvider] | BaseProvider | None = None,
        tier: str | None = None,
        tools: Iterable[AnyTool | ToolSource] = (),
        native_tools: Iterable[NativeTool] = (),
        output: Any = None,
        api_key: str | None = None,
        base_url: str | None = None,
        strict_native_tools: bool | None = None,
        timeout: float | None = None,
        max_retries: int = 2,
        max_turns: int = 10,
        fallback: bool = True,
        name: str | None = None,
        budget: Budget | None = None,
        ledger: Ledger | None = None,
        **settings: Any,
    ) -> None:
        api_key = Secret(api_key) if isinstance(api_key, str) else api_key
        if isinstance(model, BaseProvider):
            model, provider = None, model
        if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
            raise ConfigurationError(
                f"timeout={timeout!r} is no time\ntimeout is in seconds, above 0; None is no limit"
            )
        if tier is not None:
            tiers.check(tier)
        if model is not None and tier is not None:
            raise ConfigurationError(f"got both the model {model!r} and the tier {tier!r}\nname one of them")
        for word, count in (("max_retries", max_retries), ("max_turns", max_turns)):
            if not isinstance(count, int) or count < 0:
                raise ConfigurationError(f"{word}={count!r} is no count\n{word} is a whole number, such as 2")
        options = {word: settings.pop(word) for word in list(settings) if word not in SETTING_NAMES}
        for word in options:
            refuse_misspelt(word)
        given = {"api_key": api_key, "base_url": base_url, "strict_native_tools": strict_native_tools}
        options |= {word: value for word, value in given.items() if value is not None}
        check_budget(budget)
        chosen, self.model = self.chosen(model, provider, tier, options)
        self.provider = chosen if isinstance(chosen, BaseProvider) else chosen(**options)
        if self.model is not None:
            self.model = self.provider.resolve_tier(self.model)
        self.tier = tier
        lifecycle.warn(
            self.provider.registered_name(), self.model or self.provider.model or self.provider.default_model
        )
        self.sorted = sorted_out(tools)
        self.tools = Toolbox(self.sorted.known)
        self.output = output
        self._template = self._checked({**settings, "timeout": timeout}, native_tools)
        self.policy = Policy(RetryPolicy(max_retries), fallback, max_turns, name, budget, ledger)

    def _checked(self, settings: dict[str, Any], native_tools: Iterable[NativeTool]) -> CompletionRequest:
        """The request of every call but for its messages; what is wrong with a setting is said when the agent is built."""
        try:
            return CompletionRequest(
                messages=(Message.user("…"),),
                model=self.model,
                tools=self.tools.definitions,
                native_tools=tuple(map(NativeTool, native_tools)),
                output_schema=None if self.output is None else structured.output_schema(self.output),
                **settings,
            )
        except (TypeError, ValueError) as exc:
            hint = f"\nnative tools: {', '.join(NativeTool)}" if "NativeTool" in str(exc) else ""
            raise ConfigurationError(f"{exc}{hint}") from exc

    # --- routing ----------------------------------------------------------------------------------------------------

    @classmethod
    def register_provider_alias(cls, alias: str, provider: str) -> None:
        """Send the exact model string `alias` (case does not count) to a provider."""
        cls._PROVIDER_ALIASES[alias.lower()] = provider

    @classmethod
    def register_provider_rule(
        cls, pattern: str, provider: str, *, kind: Literal["contains", "startswith"] = "contains"
    ) -> None:
        """Send every model id that contains, or starts with, `pattern` to a provider; the newest rule is asked first."""
        if kind not in ("contains", "startswith"):
            raise ConfigurationError(f'no rule kind is called {kind!r}\nwrite kind="contains" or kind="startswith"')
        cls._PROVIDER_RULES.insert(0, (kind, pattern, provider))

    @classmethod
    def route(cls, model: str) -> Route:
        """Where a model string goes, and why. Raises UnknownModelError where no rule knows it."""
        known = chain(cls._PROVIDER_ALIASES, (id for vendor in _MAKERS for id in catalogue.ids(vendor)))
        return registry.route(model, cls._PROVIDER_ALIASES, cls._PROVIDER_RULES, cls._PROVIDER_DEFAULT, known)

    @classmethod
    def chosen(
        cls,
        model: str | None,
        provider: str | type[BaseProvider] | BaseProvider | None,
        tier: str | None,
        options: Mapping[str, Any],
    ) -> tuple[type[BaseProvider] | BaseProvider, str | None]:
        """The provider that these words name, built where a built one was given, and the model or tier to ask it for.

        Raises ConfigurationError, UnknownModelError among them, where they name none.
        """
        if isinstance(provider, BaseProvider):
            if options:
                raise ConfigurationError(
                    f"{', '.join(options)} cannot be given beside a provider that is built already\n"
                    f"pass it to {type(provider).__name__}(...)"
                )
            return provider, tier or model
        if isinstance(provider, str):
            provider = registry.provider_class(cls._PROVIDER_ALIASES.get(provider.lower(), provider))
        if provider is None and model is None:
            choice = default_provider()
            print(f"lazybridge: {choice.why}", file=sys.stderr)
            provider = registry.provider_class(choice.name)
        if provider is None:
            assert model is not None
            found = cls.route(model)
            provider, model = registry.provider_class(found.provider), found.model
        elif model is not None and not _has_own_url(provider, options):
            model = _without_prefix(model, provider)
        return provider, tier or model or tiers.chosen(provider.registered_name(), "default")

    # --- one call ---------------------------------------------------------------------------------------------------

    def request(self, task: Task, attachments: Iterable[Any] = (), **overrides: Unpack[Settings]) -> CompletionRequest:
        """The neutral request for a task: a prompt, a message, or a conversation as messages or dicts."""
        for name in overrides:
            check_setting(name)
        changes: dict[str, Any] = dict(overrides)
        return replace(self._template, messages=messages_of(task, attachments), **changes)

    def filled(
        self, request: CompletionRequest, attachments: Iterable[Any] = (), **overrides: Unpack[Settings]
    ) -> CompletionRequest:
        """A whole request, overridden; the model, output schema, headers and time that it leaves out are the engine's."""
        for name in overrides:
            check_setting(name)
        changes: dict[str, Any] = {"messages": messages_of(request.messages, attachments), **overrides}
        request = replace(request, **changes)
        left_out = [name for name in _OF_THE_ENGINE if getattr(request, name) is None and name not in overrides]
        return replace(request, **{name: getattr(self._template, name) for name in left_out})

    def run(self, request: CompletionRequest) -> Envelope[Any]:
        """The whole answer."""
        return self.call(request).whole()

    async def arun(self, request: CompletionRequest) -> Envelope[Any]:
        """The whole answer, on the running event loop."""
        return await self.call(request).awhole()

    def call(self, request: CompletionRequest, output: Any = None) -> AnyCall:
        """One call, yet to be made; `output` is another type of its payload than the engine's."""
        wanted = self.output if output is None else output

        def made(request: CompletionRequest, tools: Toolbox) -> Call:
            return Call(self.provider, *self.on_a_rung(request), self.policy, tools, wanted)

        return SourcedCall(made, request, self.sorted) if self.sorted.sources else made(request, self.tools)

    def close(self) -> None:
        """Close what synchronous calls of its provider opened; a user's provider need not have `close`."""
        close = getattr(self.provider, "close", None)
        if close is not None:
            close()

    async def aclose(self) -> None:
        """Close what its provider opened on the running event loop, and for synchronous calls."""
        aclose = getattr(self.provider, "aclose", None)
        if aclose is not None:
            await aclose()

    def on_a_rung(self, request: CompletionRequest) -> tuple[CompletionRequest, tuple[Adjustment, ...]]:
        """The request for the model that will be asked: where a tier was named, the rung that has what it needs; and
        what to say about it."""
        if self.tier is None or self.model is None or request.model != self.model:
            return request, ()
        model, notes = rung_for(self.provider, cast(Tier, self.tier), self.model, request)
        return (request if model == self.model else replace(request, model=model)), notes


_OF_THE_ENGINE = ("model", "output_schema", "extra_headers", "timeout")


class Choice(NamedTuple):
    """A provider and the sentence that says why it is taken."""

    name: str
    why: str


def default_provider() -> Choice:
    """What `Agent()` takes where neither a model nor a provider is named."""
    registered = LLMEngine._PROVIDER_DEFAULT
    if registered:
        return Choice(registered, f"using {registered}, the registered default")
    for name, variable in DEFAULT_ORDER:
        if os.environ.get(variable):
            return Choice(name, f"using {name}, because {variable} is set")
    variables = ", ".join(variable for _, variable in DEFAULT_ORDER)
    return Choice("local", f"using the local model, because none of {variables} is set")


def _has_own_url(provider: type[BaseProvider], options: Mapping[str, Any]) -> bool:
    variable = getattr(provider, "url_variable", None)
    return bool(options.get("base_url") or (variable and os.environ.get(variable)))


def _without_prefix(model: str, provider: type[BaseProvider]) -> str:
    """`openai/gpt-6-luna` with provider openai means `gpt-6-luna`; at a base URL of one's own the id is the server's."""
    vendor, slash, rest = model.partition("/")
    return rest if slash and rest and registry.key_of(vendor) == registry.key_of(provider.registered_name()) else model
