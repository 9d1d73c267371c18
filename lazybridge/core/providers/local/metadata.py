"""What the head of a GGUF file says of its model, without reading the model.

The layout is that of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Collection, Mapping
from typing import Any

# The type of a value, as a format of `struct`; strings and arrays have types of their own.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

# general.file_type, by the enum LlamaFileType of gguf 0.19.0 (read 2026-11-22).
_QUANTISATIONS = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
    39: "NVFP4", 40: "Q1_0",
}  # fmt: skip


def read(path: str | os.PathLike[str], arrays: Collection[str] = ()) -> dict[str, Any]:
    """The keys and values of a GGUF file's head; of its arrays only those that are named.

    Raises ValueError where the file is no GGUF file or is cut off in its head, OSError where it cannot be opened.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _Head(data).read(arrays)
        except (struct.error, KeyError, UnicodeDecodeError) as exc:
            raise ValueError(f"{os.fspath(path)!r} is not a GGUF file that can be read") from exc


def of_architecture(facts: Mapping[str, Any], name: str) -> Any:
    """A value whose key begins with the model's architecture, such as `llama.context_length`; None where it is missing."""
    return facts.get(f"{facts.get('general.architecture')}.{name}")


def quantisation(facts: Mapping[str, Any]) -> str | None:
    """How the weights are stored, such as "Q4_K_M"; None where the file does not say, or says what is not known here."""
    return _QUANTISATIONS.get(facts.get("general.file_type", -1))


def cache_bytes(facts: Mapping[str, Any], tokens: int, width: int) -> int | None:
    """How much memory the keys and values of `tokens` take at `width` bytes a number; None where the head does not say.

    Sliding windows and other ways to keep less are not counted: it is an upper bound.
    """
    layers, heads, width_of_model = (
        of_architecture(facts, name) for name in ("block_count", "attention.head_count", "embedding_length")
    )
    if not (isinstance(layers, int) and isinstance(heads, int) and isinstance(width_of_model, int) and heads):
        return None
    pairs = of_architecture(facts, "attention.head_count_kv") or heads
    sizes = (of_architecture(facts, f"attention.{name}_length") or width_of_model // heads for name in ("key", "value"))
    return layers * tokens * pairs * sum(sizes) * width if isinstance(pairs, int) else None


def embedding_bytes(facts: Mapping[str, Any]) -> int | None:
    """How much memory the embedding takes at 4 bytes a number; None where the head does not say."""
    tokens, width = (of_architecture(facts, name) for name in ("vocab_size", "embedding_length"))
    return 4 * tokens * width if isinstance(tokens, int) and isinstance(width, int) else None


class _Head:
    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 4
        version = self._number("I")
        if data[:4] != b"GGUF" or version not in (2, 3):
            raise KeyError(version)

    def read(self, arrays: Collection[str]) -> dict[str, Any]:
        self._number("Q")  # how many tensors
        found = {}
        for _ in range(self._number("Q")):
            name = self._text()
            kind = self._number("I")
            if kind != _ARRAY:
                found[name] = self._value(kind)
                continue
            kind, length = self._number("I"), self._number("Q")
            if name in arrays:
                found[name] = [self._value(kind) for _ in range(length)]
            else:
                self._skip(kind, length)
        return found

    def _value(self, kind: int) -> Any:
        return self._text() if kind == _STRING else self._number(_NUMBERS[kind])

    def _number(self, form: str) -> Any:
        (value,) = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(f"<{form}")
        return value

    def _text(self) -> str:
        length = self._number("Q")
        text = self._data[self._at : self._at + length]
        if len(text) < length:
            raise struct.error("cut off")
        self._at += length
        return text.decode()

    def _skip(self, kind: int, length: int) -> None:
        if kind != _STRING:
            self._at += length * struct.calcsize(f"<{_NUMBERS[kind]}")
            return
        unpack, data, at = struct.Struct("<Q").unpack_from, self._data, self._at
        for _ in range(length):
            at += 8 + unpack(data, at)[0]
        self._at = at
