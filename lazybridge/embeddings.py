"""`embed`: texts as vectors, by any vendor that makes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from typing import Unpack

from lazybridge.core.endpoints.embeddings import EmbeddingRequest, Embeddings, Purpose
from lazybridge.core.errors import LazyBridgeError
from lazybridge.core.wire.endpoints.embeddings import EmbeddingEndpoint
from lazybridge.endpoint_call import CallOptions, conceal, endpoint_run
from lazybridge.endpoint_run import EndpointRun

_EXAMPLE = 'embed("a text", model="text-embedding-3-small")'


def embed(
    texts: str | Sequence[str],
    model: str | None = None,
    *,
    dimensions: int | None = None,
    purpose: Purpose | None = None,
    **options: Unpack[CallOptions],
) -> Embeddings:
    """Vectors for one text or many, in their order, and what they cost.

    More texts than the vendor takes at once go out in several requests. `dimensions` is the length of a vector, where
    a model offers several; `purpose` says what the vectors are for ("query", "document", "similarity", "classification",
    "clustering"), where a model tells these apart. What a vendor cannot take is in `.adjustments`.
    `options` are those of `CallOptions`: `provider=`, `timeout=` in seconds, `budget=`, `api_key=`, `base_url=` and others.
    Raises ConfigurationError for a missing key or an unknown model, UnsupportedFeatureError where the vendor makes no
    vectors, TypeError or ValueError for texts that are none, BudgetExceeded before a request that a budget cannot pay for, and
    ProviderError, with `.attempts` and `.receipt`, for a failed call; where requests before it went well, `.partial` is what
    they gave.
    """
    run, parts = _prepared(texts, model, dimensions, purpose, options)
    with _kept_on_failure(run) as found:
        for part in parts:
            found.append(run.ask("embeddings", part, Embeddings))
    return _joined(run, found)


async def aembed(
    texts: str | Sequence[str],
    model: str | None = None,
    *,
    dimensions: int | None = None,
    purpose: Purpose | None = None,
    **options: Unpack[CallOptions],
) -> Embeddings:
    """`embed`, on the running event loop."""
    run, parts = _prepared(texts, model, dimensions, purpose, options)
    with _kept_on_failure(run) as found:
        for part in parts:
            found.append(await run.aask("embeddings", part, Embeddings))
    return _joined(run, found)


def _prepared(
    texts: str | Sequence[str], model: str | None, dimensions: int | None, purpose: Purpose | None, options: CallOptions
) -> tuple[EndpointRun, Iterator[EmbeddingRequest]]:
    conceal(options)
    if isinstance(texts, (bytes, Mapping, Set)) or not isinstance(texts, Iterable):
        raise TypeError(
            f"texts are a text or a list of them, got {type(texts).__name__}: {texts!r:.60}\nwrite {_EXAMPLE}"
        )
    inputs = (texts,) if isinstance(texts, str) else tuple(texts)
    run, common = endpoint_run(model, options, _EXAMPLE)
    request = EmbeddingRequest(inputs=inputs, dimensions=dimensions, purpose=purpose, **common)
    endpoint = run.provider.endpoint_for("embeddings")
    assert isinstance(endpoint, EmbeddingEndpoint)
    return run, (replace(request, inputs=part) for part in endpoint.parts(inputs))


@contextmanager
def _kept_on_failure(run: EndpointRun) -> Iterator[list[Embeddings]]:
    """Put the vectors of the requests that went well onto the error of the one that did not."""
    found: list[Embeddings] = []
    try:
        yield found
    except LazyBridgeError as error:
        if found:
            error.partial = _joined(run, found)
        raise


def _joined(run: EndpointRun, found: list[Embeddings]) -> Embeddings:
    whole = found[0]
    if len(found) > 1:
        whole.vectors = [vector for part in found for vector in part.vectors]
        whole.raw = [part.raw for part in found]
    return run.told(whole)
