"""How many tokens the input of a request is, from the very body that is sent. Nothing is asked, nothing is downloaded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from lazybridge.core.bodies import GOOGLES_SCHEMAS, SCHEMAS, TOOLS, Tally, mapping
from lazybridge.core.tokens import at_least, at_most, encoder, guess


class Range(NamedTuple):
    """A count of tokens: at least, probably, and at most (None where there is no bound)."""

    low: int
    expected: int
    high: int | None


class Count(NamedTuple):
    """The input of a request: its tokens, how they were counted, and what has no bound.

    `media` names what only the model's context window bounds; `unbounded` names what nothing bounds. Where either is
    there, `tokens.high` is None.
    """

    tokens: Range
    how: str
    media: tuple[str, ...] = ()
    unbounded: tuple[str, ...] = ()


class _Vendor(NamedTuple):
    """What a vendor makes of a body: `scale` is its tokens for one of o200k_base in text, `definitions` in JSON of tools and
    schemas; the pairs are tokens that it adds for tools, an output schema and an image, probably and at most."""

    scale: float
    definitions: float
    tools: tuple[int, int]
    schema: tuple[int, int]
    image: tuple[int, int] | None
    thinking: int = 0


# Fitted to recorded requests, as `docs/budgets.md` says; what is added for tools at most is generous: hidden prompts of 159 to
# 530 tokens are listed at https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview.
# Images: Claude 5.5 takes up to 4,784 (https://platform.claude.com/docs/en/build-with-claude/vision; measured 4,005 at
# 12 megapixels: https://huggingface.co/datasets/JOHNISKING/image-token-cost). gpt-6 takes 1.2 tokens for 1,024 pixels
# without a cap, and pictures above 60 megapixels are refused (https://docs.apiyi.com/en/faq/vision-image-too-large);
# gpt-4o-mini takes 2,833 + 5,667 for each of up to 8 tiles (https://platform.openai.com/docs/guides/images-vision).
# All read 2026-11-22.
_VENDORS = {
    "anthropic": _Vendor(1.2, 1.2, (430, 2_000), (150, 500), (1_500, 5_000), 25),
    "openai": _Vendor(1.0, 0.45, (5, 1_000), (5, 500), (1_100, 75_000)),
}
_ANY = _Vendor(1.1, 1.1, (300, 2_000), (100, 500), None)
# Tokens around the text of a request and of a message, probably and at most; citations of documents add a prompt.
_REQUEST, _MESSAGE, _CITATIONS = (3, 100), (4, 16), (600, 1_000)


def count(body: Mapping[str, Any], vendor: str, model: str) -> Count:
    """The input tokens of a JSON body of Chat Completions, Responses, Messages or generateContent, with what the vendor
    adds to it."""
    tally, rules, encode = Tally(body), _VENDORS.get(vendor, _ANY), encoder(vendor, model)
    low = 0 if _may_drop(body) else sum(map(at_least, tally.texts))
    likely = rules.scale * sum(map(guess, tally.said)) + rules.definitions * sum(map(guess, tally.definitions))
    high = tally.skeleton + sum(map(at_most, (*tally.said, *tally.definitions)))
    added = [
        (_REQUEST, 1),
        (_MESSAGE, tally.messages),
        (_CITATIONS, tally.cited),
        (rules.image or (0, 0), tally.images),
    ]
    added += [
        (rules.tools, _has(body, TOOLS)),
        (rules.schema, _has(body, SCHEMAS) or _has(mapping(body.get("generationConfig")), GOOGLES_SCHEMAS)),
    ]
    likely += sum(probably * times for (probably, _), times in added) + rules.thinking * _thinks(body)
    high += sum(most * times for (_, most), times in added)
    if encode is None:
        high += sum(map(at_most, tally.texts))
        likely += rules.scale * sum(map(guess, tally.texts))
        how = "the tokens are no fewer than the words, no more than the bytes; the guess between is fitted to recorded requests"
    else:
        exact = sum(map(encode, tally.texts))
        low, high, likely = low and exact, high + exact, likely + exact
        how = "the text is counted by tiktoken, which is exact; what the vendor adds to messages and tools is an allowance"
    if tally.images and rules.image is None:
        tally.media.append("images, of a vendor whose rule for them is not known")
    bounded = not tally.media and not tally.unbounded
    tokens = Range(low, max(low, math.ceil(likely)), high if bounded else None)
    return Count(tokens, how, tuple(tally.media), tuple(tally.unbounded))


def _may_drop(body: Mapping[str, Any]) -> bool:
    """Whether the vendor may leave out a part of the conversation."""
    return "truncation" in body or "context_management" in body


def _has(body: Mapping[str, Any], names: Iterable[str]) -> bool:
    return any(body.get(name) for name in names)


def _thinks(body: Mapping[str, Any]) -> bool:
    return mapping(body.get("thinking")).get("type") in ("enabled", "adaptive")
