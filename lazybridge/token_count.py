"""How many input tokens a conversation has, by its vendor's own count."""

from __future__ import annotations

from lazybridge.core.endpoints.tokens import TokenCount, TokenCountRequest
from lazybridge.core.types import CompletionRequest
from lazybridge.endpoint_call import with_endpoints
from lazybridge.endpoint_run import EndpointRun
from lazybridge.engine import LLMEngine


def counted(engine: LLMEngine, request: CompletionRequest) -> int:
    """The count of what an engine would send. Raises UnsupportedFeatureError where the vendor counts none."""
    run, asked = _prepared(engine, request)
    return run.ask("token_count", asked, TokenCount).tokens


async def acounted(engine: LLMEngine, request: CompletionRequest) -> int:
    """`counted`, on the running event loop."""
    run, asked = _prepared(engine, request)
    return (await run.aask("token_count", asked, TokenCount)).tokens


def _prepared(engine: LLMEngine, request: CompletionRequest) -> tuple[EndpointRun, TokenCountRequest]:
    request, _ = engine.on_a_rung(request)
    return EndpointRun(with_endpoints(engine.provider), engine.policy, request.timeout), TokenCountRequest.of(request)
