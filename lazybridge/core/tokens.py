"""How many tokens a text is: bounds that hold, a guess between them, and OpenAI's own count where it is at hand."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import string
import unicodedata
from collections.abc import Callable
from typing import Any

_SPACE = string.whitespace.encode()
_LETTERS = string.ascii_letters.encode()
_DIGITS = string.digits.encode()


def at_least(text: str) -> int:
    """A lower bound: the tokenizers of the vendors never join two words, so that each is one token or more."""
    return len(text.split())


def at_most(text: str) -> int:
    """An upper bound: they work on UTF-8, so that no token is less than a byte, and some normalise (NFKC) first."""
    if text.isascii():
        return len(text)
    return max(
        len(text.encode("utf-8", "surrogatepass")),
        len(unicodedata.normalize("NFKC", text).encode("utf-8", "surrogatepass")),
    )


def guess(text: str) -> float:
    """About how many tokens of OpenAI's o200k_base: fitted to recorded chats, tool definitions, prose and code, where
    nine in ten are within 20 %."""
    ascii_part = text.encode("ascii", "ignore").translate(None, _SPACE)
    others = ascii_part.translate(None, _LETTERS)
    symbols = len(others.translate(None, _DIGITS))
    tokens = 0.53 * len(text.split()) + 0.137 * (len(ascii_part) - len(others)) + 0.8 * (len(others) - symbols) + 0.53 * symbols  # fmt: skip
    if not text.isascii():
        foreign = [character for character in text if character > "\x7f"]
        wide = sum(character >= "\u2e80" for character in foreign)  # Chinese, Japanese, Korean, emoji
        tokens += 0.65 * wide + 0.28 * (len(foreign) - wide)
    return tokens


# --- OpenAI's own tokenizer, where it is at hand ------------------------------------------------------------------------

# What tiktoken 0.14.0 would download: `tiktoken_ext/openai_public.py`, read 2026-11-22.
_FILES = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


def encoder(vendor: str, model: str) -> Callable[[str], int] | None:
    """Counts the tokens of a text as an OpenAI model does; None where tiktoken, its file or the model is not known."""
    if vendor != "openai" or importlib.util.find_spec("tiktoken") is None:
        return None
    try:
        name: str = _tiktoken().encoding_name_for_model(model)
    except KeyError:
        return None
    return _loaded(name) if os.path.exists(_cached(name)) else None


def _cached(name: str) -> str:
    """Where tiktoken keeps the file of an encoding: `read_file_cached` of its `load.py`."""
    import hashlib
    import tempfile

    usual = os.path.join(tempfile.gettempdir(), "data-gym-cache")
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR", usual))
    return os.path.join(folder, hashlib.sha1(_FILES.format(name).encode()).hexdigest()) if folder else ""


@functools.lru_cache(4)
def _loaded(name: str) -> Callable[[str], int]:
    encoding = _tiktoken().get_encoding(name)
    return lambda text: len(encoding.encode(text, disallowed_special=()))


def _tiktoken() -> Any:
    return importlib.import_module("tiktoken")
