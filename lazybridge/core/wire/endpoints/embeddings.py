"""Embeddings: OpenAI's `/embeddings`, which most vendors speak, and Google's."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.endpoints.embeddings import EmbeddingRequest, Embeddings, Purpose
from lazybridge.core.errors import ServerError
from lazybridge.core.types import Adjustment
from lazybridge.core.usage import UsageStats
from lazybridge.core.wire import number, reported_cost
from lazybridge.core.wire.endpoints import Endpoint, HTTPCall, decoded, listed, with_extra
from lazybridge.core.wire.endpoints.gemini import resource, with_settings

# What says how vectors come, and neither what is embedded nor by which model.
_HARMLESS = frozenset({"dimensions", "encoding_format", "input_type", "output_dimension", "output_dtype", "parameters", "user"})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EmbeddingEndpoint(Endpoint[EmbeddingRequest, Embeddings]):
    """What every embedding API has: a limit of texts, and of UTF-8 bytes, for one request; a token has a byte at least."""

    most_inputs: int = 2048
    most_bytes: int = 300_000

    def most(self, request: EmbeddingRequest) -> UsageStats | None:
        """A token holds a byte at least; a vendor may add a few around each text. None where `extra_body` may change what is
        asked, or who."""
        if not _HARMLESS.issuperset(request.extra_body or ()):
            return None
        return UsageStats(sum(len(text.encode()) + 8 for text in request.inputs), 0)

    def parts(self, inputs: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The texts in portions that one request takes."""
        found: list[tuple[str, ...]] = []
        portion: list[str] = []
        size = 0
        for text in inputs:
            weight = len(text.encode())
            if portion and (len(portion) == self.most_inputs or size + weight > self.most_bytes):
                found.append(tuple(portion))
                portion, size = [], 0
            portion.append(text)
            size += weight
        return [*found, tuple(portion)]


@dataclass(frozen=True, kw_only=True)
class OpenAIEmbeddings(EmbeddingEndpoint):
    """OpenAI's `/embeddings`. `dimensions_field` is None for a vendor that takes none; `purposes` are a vendor's words
    for what vectors are for, sent as `input_type`."""

    # openai 3.54.0 `types/embedding_create_params.py`: at most 2048 texts and 300,000 tokens; read 2026-11-22.
    path: str = "/embeddings"
    dimensions_field: str | None = "dimensions"
    purposes: tuple[tuple[Purpose, str], ...] = ()

    def call(self, request: EmbeddingRequest, model: ModelProfile) -> HTTPCall:
        """The call; what the vendor has no word for is an adjustment."""
        adjustments: list[Adjustment] = []
        body: dict[str, Any] = {"model": model.id, "input": list(request.inputs)}
        if request.dimensions is not None:
            if self.dimensions_field is None:
                adjustments.append(Adjustment("dimensions", "this API has no such parameter; nothing was sent"))
            else:
                body[self.dimensions_field] = request.dimensions
        if request.purpose is not None:
            word = dict(self.purposes).get(request.purpose)
            if word is None:
                adjustments.append(Adjustment("purpose", "this API makes one kind of vector; nothing was sent"))
            else:
                body["input_type"] = word
        return HTTPCall(self.path, with_extra(body, request), adjustments=tuple(adjustments))

    def response(self, request: EmbeddingRequest, raw: Any) -> Embeddings:
        """The vectors, in the order of the texts."""
        items = listed(raw, "data")
        places = [item.get("index", place) for place, item in enumerate(items)]
        if sorted(places) != list(range(len(request.inputs))):
            raise ServerError(
                f"{len(request.inputs)} texts came back as the vectors {places[:5]}",
            )
        ordered = [item for _, item in sorted(zip(places, items, strict=True), key=lambda pair: pair[0])]
        usage = raw.get("usage")
        said = usage if isinstance(usage, Mapping) else {}
        tokens = number(said, "prompt_tokens", "total_tokens")
        return Embeddings(
            vectors=[_floats(item.get("embedding")) for item in ordered],
            model=raw.get("model") or None,
            usage=UsageStats(tokens, None if tokens is None else 0, reported_cost_usd=reported_cost(said)),
        )


@dataclass(frozen=True, kw_only=True)
class GeminiEmbeddings(EmbeddingEndpoint):
    """Google's `batchEmbedContents`, and Vertex AI's `predict`."""

    # google-genai 3.4.0 `models.py` (`_embed_content`); at most 100 texts:
    # https://github.com/langchain-ai/langchain-google/issues/424; read 2026-11-22.
    most_inputs: int = 100
    vertex: bool = False

    def call(self, request: EmbeddingRequest, model: ModelProfile) -> HTTPCall:
        """The call."""
        task = _TASKS[request.purpose] if request.purpose is not None else None
        if self.vertex:
            instances = [{"content": text, **({"task_type": task} if task else {})} for text in request.inputs]
            body: dict[str, Any] = {"instances": instances}
            if request.dimensions is not None:
                body["parameters"] = {"outputDimensionality": request.dimensions}
            return HTTPCall(f"{resource(model.id, True)}:predict", with_settings(body, request))
        settings: dict[str, Any] = {"taskType": task} if task else {}
        if request.dimensions is not None:
            settings["outputDimensionality"] = request.dimensions
        name = resource(model.id, False)
        parts = [{"model": name, "content": {"parts": [{"text": text}]}, **settings} for text in request.inputs]
        return HTTPCall(f"{name}:batchEmbedContents", with_extra({"requests": parts}, request))

    def response(self, request: EmbeddingRequest, raw: Any) -> Embeddings:
        """The vectors; only Vertex AI, and the newest models, say how many tokens there were."""
        if self.vertex:
            items = [item.get("embeddings") or {} for item in listed(raw, "predictions")]
            counts = [number(item.get("statistics"), "token_count") for item in items]
            tokens = None if None in counts else sum(count for count in counts if count is not None)
        else:
            items = list(listed(raw, "embeddings"))
            tokens = number(raw.get("usageMetadata"), "promptTokenCount", "totalTokenCount")
        if len(items) != len(request.inputs):
            raise ServerError(
                f"{len(request.inputs)} texts came back as {len(items)} vectors",
            )
        return Embeddings(
            vectors=[_floats(item.get("values")) for item in items],
            usage=UsageStats(tokens, None if tokens is None else 0),
        )


# google-genai 3.4.0 `types.py` (EmbedContentConfig) and https://ai.google.dev/gemini-api/docs/embeddings#task-types,
# read 2026-11-22.
_TASKS: dict[Purpose, str] = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "similarity": "SEMANTIC_SIMILARITY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}


def _floats(vector: Any) -> list[float]:
    """A vector that came as numbers, or as base64 of 32-bit floats, little end first. Raises TypeError where one is null,
    as servers write NaN, or no number."""
    if isinstance(vector, str):
        found = array("f", decoded(vector))
        if array("H", b"\x01\x00")[0] != 1:  # this machine reads the big end first
            found.byteswap()
        return found.tolist()
    if not isinstance(vector, list) or not vector:
        raise ServerError("the answer has an item without a vector")
    return array("d", vector).tolist()
