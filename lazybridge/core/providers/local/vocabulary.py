"""The tokens of a GGUF file, through the package tokenizers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

_CONTROL = 3  # of tokenizer.ggml.token_type


class Vocabulary:
    """Text to tokens and back. Raises ValueError for a kind of tokens other than SmolLM's."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        kind = (facts.get("tokenizer.ggml.model"), facts.get("tokenizer.ggml.pre"))
        if kind != ("gpt2", "smollm"):
            raise ValueError(f"candle's backend reads SmolLM's tokens, and these are {'/'.join(map(str, kind))}")
        library = importlib.import_module("tokenizers")
        self._decoders = importlib.import_module("tokenizers.decoders")
        before = importlib.import_module("tokenizers.pre_tokenizers")
        tokens: list[str] = facts["tokenizer.ggml.tokens"]
        merges = [tuple(pair.split(" ", 1)) for pair in facts["tokenizer.ggml.merges"]]
        self._tokenizer = library.Tokenizer(
            library.models.BPE(vocab={token: place for place, token in enumerate(tokens)}, merges=merges)
        )
        self._tokenizer.pre_tokenizer = before.Sequence(
            [before.Digits(individual_digits=True), before.ByteLevel(add_prefix_space=False)]
        )
        self._tokenizer.decoder = self._decoders.ByteLevel()
        kinds = zip(tokens, facts["tokenizer.ggml.token_type"], strict=True)
        control = [
            library.AddedToken(token, special=True, normalized=False) for token, kind in kinds if kind == _CONTROL
        ]
        self._tokenizer.add_special_tokens(control)
        ends = (facts.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot"))
        self.ends = frozenset(end for end in ends if end is not None)
        """The tokens that end an answer."""

    def encode(self, text: str) -> list[int]:
        """The tokens of a prompt; control tokens that it spells out are control tokens."""
        found: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return found

    def reader(self) -> Any:
        """A callable that takes one token after the other and says the text that each completes, "" for none yet."""
        stream = self._decoders.DecodeStream(skip_special_tokens=True)
        return lambda token: stream.step(self._tokenizer, token) or ""


class Held:
    """Text that is handed out as it comes, but for what may be the beginning of a stop sequence."""

    def __init__(self, stops: str | list[str] | None) -> None:
        self._stops = [stops] if isinstance(stops, str) else [stop for stop in stops or () if stop]
        self._text = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """What can be handed out now; `stopped` once a stop sequence was there."""
        self._text += text
        places = [place for stop in self._stops if (place := self._text.find(stop)) >= 0]
        self.stopped = bool(places)
        until = min(places) if places else len(self._text) - self._suspicious()
        out, self._text = self._text[:until], self._text[until:]
        return out

    def rest(self) -> str:
        """What was held back, at the end."""
        return "" if self.stopped else self._text

    def _suspicious(self) -> int:
        """How many characters at the end may begin a stop sequence."""
        lengths = (
            length for stop in self._stops for length in range(1, len(stop)) if self._text.endswith(stop[:length])
        )
        return max(lengths, default=0)
