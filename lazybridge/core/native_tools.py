"""Tools that a vendor runs on its own servers, and what they may be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypedDict, Unpack

from lazybridge.core.errors import ConfigurationError


class NativeToolOptions(TypedDict, total=False):
    """What a native tool may be told; which of them a tool takes, `OPTIONS` says.

    `max_uses` is how often it may be used for one answer; domains are names such as "python.org", and only one of
    `allowed_domains` and `blocked_domains` may be given; `user_location` has some of `city`, `region`, `country` (two
    letters) and `timezone` (IANA). `container` is the id of a sandbox to go on with, `file_ids` are uploaded files to put
    into a new one, `memory_limit` is such as "4g". `vector_store_ids` are OpenAI's vector stores or the names of Google's
    file search stores; `max_results` is how many passages a search brings. `display_width` and `display_height` are in
    pixels. `size` is such as "1024x1536"; `partial_images` is how many unfinished images a stream shows. `latitude` and
    `longitude`, in degrees, are where the user is.
    """

    max_uses: int
    allowed_domains: Iterable[str]
    blocked_domains: Iterable[str]
    user_location: Mapping[str, str]
    search_context_size: Literal["low", "medium", "high"]
    container: str
    file_ids: Iterable[str]
    memory_limit: str
    vector_store_ids: Iterable[str]
    max_results: int
    display_width: int
    display_height: int
    environment: Literal["windows", "mac", "linux", "ubuntu", "browser"]
    size: str
    quality: str
    background: str
    output_format: str
    partial_images: int
    latitude: float
    longitude: float


class NativeTool(StrEnum):
    """A tool that the vendor runs on its own servers. Call it to tell it more:
    `NativeTool.WEB_SEARCH(max_uses=3, allowed_domains=["python.org"])`.

    COMPUTER_USE alone is run by the caller: its calls come back as tool calls.
    """

    WEB_SEARCH = "web_search"
    CODE_EXECUTION = "code_execution"
    FILE_SEARCH = "file_search"
    COMPUTER_USE = "computer_use"
    IMAGE_GENERATION = "image_generation"
    GOOGLE_SEARCH = "google_search"
    GOOGLE_MAPS = "google_maps"
    URL_CONTEXT = "url_context"

    def __call__(self, **options: Unpack[NativeToolOptions]) -> ConfiguredTool:
        """This tool, told more. Raises ConfigurationError for an option that it does not take, or lacks."""
        return ConfiguredTool(self, tuple((name, _frozen(value)) for name, value in options.items()))


_SEARCH = ("max_uses", "allowed_domains", "blocked_domains", "user_location", "search_context_size")
OPTIONS: Mapping[NativeTool, tuple[str, ...]] = {
    NativeTool.WEB_SEARCH: _SEARCH,
    NativeTool.GOOGLE_SEARCH: _SEARCH,
    NativeTool.CODE_EXECUTION: ("container", "file_ids", "memory_limit"),
    NativeTool.FILE_SEARCH: ("vector_store_ids", "max_results"),
    NativeTool.COMPUTER_USE: ("display_width", "display_height", "environment"),
    NativeTool.IMAGE_GENERATION: ("size", "quality", "background", "output_format", "partial_images"),
    NativeTool.GOOGLE_MAPS: ("latitude", "longitude"),
    NativeTool.URL_CONTEXT: ("max_uses", "allowed_domains", "blocked_domains"),
}
# What only makes sense together, or not at all.
_TOGETHER = (("display_width", "display_height", "environment"), ("latitude", "longitude"))
_NOT_BOTH = (("allowed_domains", "blocked_domains"), ("container", "file_ids"), ("container", "memory_limit"))
_LISTS = frozenset({"allowed_domains", "blocked_domains", "file_ids", "vector_store_ids"})
_PLACES = frozenset({"city", "region", "country", "timezone"})
# Tools that run code, or move the mouse of a computer: they want a word of their own before they are sent.
DANGEROUS = frozenset({NativeTool.CODE_EXECUTION, NativeTool.COMPUTER_USE})
_EXAMPLES = {
    NativeTool.FILE_SEARCH: 'vector_store_ids=["vs_1"]',
    NativeTool.COMPUTER_USE: 'display_width=1024, display_height=768, environment="browser"',
    NativeTool.GOOGLE_MAPS: "latitude=41.9, longitude=12.5",
}


@dataclass(frozen=True, repr=False)
class ConfiguredTool:
    """A native tool and what it is told, as `NativeTool.WEB_SEARCH(max_uses=3)` makes it."""

    tool: NativeTool
    options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        given = dict(self.options)
        word = f"NativeTool.{self.tool.name}"
        for name, value in given.items():
            if name not in OPTIONS[self.tool]:
                raise ConfigurationError(f"{word} takes no {name}\nit takes: {', '.join(OPTIONS[self.tool])}")
            _check(word, name, value)
        for one, other in _NOT_BOTH:
            if one in given and other in given:
                raise ConfigurationError(f"{word} takes {one} or {other}, not both\nleave one of them out")
        for names in _TOGETHER:
            missing = [name for name in names if name not in given]
            if missing and len(missing) < len(names):
                raise ConfigurationError(f"{word} lacks {', '.join(missing)}\nwrite {word}({_EXAMPLES[self.tool]})")
        if self.tool is NativeTool.FILE_SEARCH and not given.get("vector_store_ids"):
            raise ConfigurationError(f"{word} lacks vector_store_ids\nwrite {word}({_EXAMPLES[self.tool]})")

    def __str__(self) -> str:
        return str(self.tool)

    def __repr__(self) -> str:
        return f"NativeTool.{self.tool.name}({', '.join(f'{name}={value!r}' for name, value in self.options)})"


AnyNativeTool = NativeTool | ConfiguredTool


def native_tool(given: object) -> AnyNativeTool:
    """A native tool by its name, or as it is. Raises ValueError for a name that there is not."""
    return given if isinstance(given, (NativeTool, ConfiguredTool)) else NativeTool(given)  # type: ignore[arg-type]


def native_tools(given: Any) -> tuple[AnyNativeTool, ...]:
    """Native tools, one or several, each by its name or as it is. Raises ValueError for a name that there is not."""
    return tuple(map(native_tool, (given,) if isinstance(given, (str, ConfiguredTool)) else given))


def kind_of(tool: AnyNativeTool) -> NativeTool:
    """Which tool it is, whatever it is told."""
    return tool.tool if isinstance(tool, ConfiguredTool) else NativeTool(tool)


def options_of(tool: AnyNativeTool) -> dict[str, Any]:
    """What it is told."""
    return dict(tool.options) if isinstance(tool, ConfiguredTool) else {}


def check_allowed(tools: Iterable[AnyNativeTool], allowed: bool) -> None:
    """Raise ConfigurationError for a tool that runs code or a computer where nobody said that it may."""
    refused = [kind for tool in tools if (kind := kind_of(tool)) in DANGEROUS]
    if refused and not allowed:
        words = ", ".join(f"NativeTool.{kind.name}" for kind in refused)
        raise ConfigurationError(
            f"{words} acts on its own: it runs code, or a computer\nto allow it write allow_dangerous_native_tools=True"
        )


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(sorted(value.items()))
    return value if isinstance(value, (str, bytes)) or not isinstance(value, Iterable) else tuple(value)


def _check(word: str, name: str, value: Any) -> None:
    kind = NativeToolOptions.__annotations__[name]
    if name in _LISTS:
        fits = isinstance(value, tuple) and bool(value) and all(isinstance(item, str) for item in value)
        wanted = "a list of texts"
    elif name == "user_location":
        value = dict(value) if isinstance(value, tuple) else value
        fits = (
            isinstance(value, dict)
            and value.keys() <= _PLACES
            and all(isinstance(place, str) for place in value.values())
        )
        fits, wanted = fits and bool(value), f"a dict of {', '.join(sorted(_PLACES))}"
    elif "int" in str(kind):
        fits, wanted = type(value) is int and value >= 0, "a whole number"
    elif "float" in str(kind):
        fits, wanted = isinstance(value, (int, float)) and not isinstance(value, bool), "a number of degrees"
    else:
        fits, wanted = isinstance(value, str), "a text"
    if not fits:
        raise ConfigurationError(f"{word}: {name} is {wanted}, got {value!r}")
