"""The Llama architecture over the tensors of a GGUF file, in candle's operations; small, and no faster than Python lets it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

_MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
_NORMS = ("attn_norm", "ffn_norm")

Cache = list[Any]
"""The keys and values of each layer, as far as they were read; None before."""


class Llama:
    """A forward pass. Raises ValueError where the file holds anything but a plain Llama model."""

    def __init__(self, candle: Any, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        architecture = facts.get("general.architecture")
        if architecture != "llama":
            raise ValueError(f"candle's backend reads models of the architecture 'llama', and this is {architecture!r}")
        self._candle, self._functions = candle, candle.functional
        self._layers = facts["llama.block_count"]
        self._width = facts["llama.embedding_length"]
        self._heads = facts["llama.attention.head_count"]
        self._pairs = facts.get("llama.attention.head_count_kv", self._heads)
        self._size = self._width // self._heads
        self._epsilon = facts["llama.attention.layer_norm_rms_epsilon"]
        self.context_length: int = facts["llama.context_length"]
        self._check(tensors, facts)
        self._embedding = tensors["token_embd.weight"].dequantize()
        self._output = tensors.get("output.weight", tensors["token_embd.weight"])
        self._last_norm = self._norm_of(tensors["output_norm.weight"])
        self._blocks = [
            {name: tensors[f"blk.{layer}.{name}.weight"] for name in _MATRICES}
            | {name: self._norm_of(tensors[f"blk.{layer}.{name}.weight"]) for name in _NORMS}
            for layer in range(self._layers)
        ]
        base = facts.get("llama.rope.freq_base", 10_000.0)
        self._frequencies = [base ** (-2 * (place // 2) / self._size) for place in range(self._size)]
        # Each pair of numbers (a, b) turned by a right angle: (-b, a).
        turned = [[0.0] * self._size for _ in range(self._size)]
        for place in range(0, self._size, 2):
            turned[place + 1][place], turned[place][place + 1] = -1.0, 1.0
        self._turned = candle.tensor(turned)

    def _check(self, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        known = {"token_embd.weight", "output_norm.weight", "output.weight"}
        known |= {f"blk.{layer}.{name}.weight" for layer in range(self._layers) for name in (*_MATRICES, *_NORMS)}
        strange, missing = sorted(set(tensors) - known), sorted(known - set(tensors) - {"output.weight"})
        if strange or missing:
            raise ValueError(f"this is not a plain Llama model: {', '.join((strange or missing)[:3])}")
        turning = facts.get("llama.rope.dimension_count", self._size)
        if turning != self._size or facts.get("llama.rope.scaling.type", "none") != "none":
            raise ValueError("candle's backend knows Llama's plain rotary positions, and this model has others")

    def cache(self) -> Cache:
        """An empty one, for one conversation."""
        return [None] * self._layers

    def forward(self, tokens: Sequence[int], position: int, cache: Cache) -> Any:
        """The logits after `tokens`, which stand from `position` on, as a tensor of one row; `cache` grows by them."""
        candle, count = self._candle, len(tokens)
        stream = self._embedding.index_select(candle.tensor(list(tokens)).to_dtype(candle.u32), 0)
        angles = candle.tensor(
            [[(position + place) * frequency for frequency in self._frequencies] for place in range(count)]
        ).unsqueeze(1)
        waves = angles.cos(), angles.sin()
        mask = self._mask(count, position) if count > 1 else None
        for layer, block in enumerate(self._blocks):
            mixed = self._attend(block, self._norm(stream, block["attn_norm"]), waves, mask, layer, cache)
            stream = stream + block["attn_output"].matmul_t(mixed)
            normed = self._norm(stream, block["ffn_norm"])
            gate = self._functions.silu(block["ffn_gate"].matmul_t(normed))
            stream = stream + block["ffn_down"].matmul_t(gate * block["ffn_up"].matmul_t(normed))
        return self._output.matmul_t(self._norm(stream.narrow(0, count - 1, 1), self._last_norm))

    def _attend(self, block: Any, normed: Any, waves: tuple[Any, Any], mask: Any, layer: int, cache: Cache) -> Any:
        # The heads that share a pair of keys and values stand together, so that nothing is repeated.
        count, group = normed.shape[0], self._heads // self._pairs
        keys = self._rotated(block["attn_k"].matmul_t(normed), self._pairs, waves).transpose(0, 1).contiguous()
        values = block["attn_v"].matmul_t(normed).reshape((count, self._pairs, self._size)).transpose(0, 1).contiguous()
        if cache[layer] is not None:
            keys, values = self._candle.cat([cache[layer][0], keys], 1), self._candle.cat([cache[layer][1], values], 1)
        cache[layer] = keys, values
        queries = self._rotated(block["attn_q"].matmul_t(normed), self._heads, waves)
        queries = queries.reshape((count, self._pairs, group * self._size)).transpose(0, 1).contiguous()
        scores = queries.reshape((self._pairs, count * group, self._size)).matmul(keys.transpose(1, 2))
        scores = scores / math.sqrt(self._size)
        if mask is not None:
            scores = scores.broadcast_add(mask)
        mixed = self._functions.softmax(scores, 2).matmul(values).reshape((self._pairs, count, group * self._size))
        return mixed.transpose(0, 1).contiguous().reshape((count, self._width))

    def _mask(self, count: int, position: int) -> Any:
        """Minus infinity where a token would see a later one."""
        group = self._heads // self._pairs
        rows = [
            [0.0 if seen <= position + place else -math.inf for seen in range(position + count)]
            for place in range(count)
            for _ in range(group)
        ]
        return self._candle.tensor(rows).unsqueeze(0)

    def _rotated(self, heads: Any, count: int, waves: tuple[Any, Any]) -> Any:
        shape = (heads.shape[0], count, self._size)
        turned = heads.reshape((shape[0] * count, self._size)).matmul(self._turned).reshape(shape)
        return heads.reshape(shape).broadcast_mul(waves[0]) + turned.broadcast_mul(waves[1])

    def _norm(self, stream: Any, weight: Any) -> Any:
        square = stream.sqr().sum_keepdim(1) / float(self._width)
        return stream.broadcast_div((square + self._epsilon).sqrt()).broadcast_mul(weight)

    def _norm_of(self, tensor: Any) -> Any:
        return tensor.dequantize().reshape((1, self._width))
