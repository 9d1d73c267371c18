"""Lists of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.endpoints.models import ListedModel, ModelList, ModelListRequest
from lazybridge.core.wire import number
from lazybridge.core.wire.endpoints import Endpoint, HTTPCall, listed


@dataclass(frozen=True, kw_only=True)
class ModelListEndpoint(Endpoint[ModelListRequest, ModelList]):
    """`GET /models`: OpenAI's shape, and Anthropic's and OpenRouter's, which have pages."""

    free = True
    needs_model = False
    path: str = "/models"
    page: tuple[tuple[str, Any], ...] = ()  # what asks for the largest page
    after_field: str = "after_id"

    def call(self, request: ModelListRequest, model: ModelProfile) -> HTTPCall:
        """The call for one page."""
        query = dict(self.page)
        if request.after is not None:
            query[self.after_field] = request.after
        return HTTPCall(self.path, method="get", query=query)

    def response(self, request: ModelListRequest, raw: Any) -> ModelList:
        """One page. Together answers with the bare list."""
        found = listed({"data": raw} if isinstance(raw, list) else raw, "data")
        return ModelList(models=[_model(item) for item in found], after=self._after(raw))

    def _after(self, raw: Any) -> str | None:
        """What the next page comes after: the last id, or what the address of that page says; None where there is none."""
        if not isinstance(raw, Mapping):
            return None
        links = raw.get("links")
        following = links.get("next") if isinstance(links, Mapping) else None
        if following:
            return dict(parse_qsl(urlsplit(following).query)).get(self.after_field)
        return raw.get("last_id") or None if raw.get("has_more") else None


@dataclass(frozen=True, kw_only=True)
class GeminiModelList(ModelListEndpoint):
    """Google's `GET /models`; a name there is `models/` and the id."""

    path: str = "models"
    page: tuple[tuple[str, Any], ...] = (("pageSize", 1000),)
    after_field: str = "pageToken"

    def response(self, request: ModelListRequest, raw: Any) -> ModelList:
        """One page."""
        models = [
            ListedModel(
                str(item.get("name", "")).removeprefix("models/"),
                item.get("displayName"),
                None,
                number(item, "inputTokenLimit"),
                number(item, "outputTokenLimit"),
                item,
            )
            for item in listed(raw, "models")
        ]
        return ModelList(models=models, after=raw.get("nextPageToken") or None)


def _model(item: Mapping[str, Any]) -> ListedModel:
    """One model: the limits as Anthropic, DeepSeek, Groq, Mistral, OpenRouter and vLLM call them."""
    top = item.get("top_provider")
    return ListedModel(
        str(item.get("id", "")),
        item.get("display_name") or item.get("name") or None,
        item.get("owned_by") or None,
        number(item, "max_input_tokens", "context_window", "max_context_length", "context_length", "max_model_len"),
        number(item, "max_tokens", "max_output_tokens", "max_completion_tokens")
        or number(top if isinstance(top, Mapping) else None, "max_completion_tokens"),
        item,
    )
