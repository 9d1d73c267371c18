"""What a vendor says of its models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lazybridge.core.endpoints import EndpointRequest, EndpointResponse
from lazybridge.core.errors import ServerError


@dataclass(frozen=True, kw_only=True)
class ModelListRequest(EndpointRequest):
    """All models that this key may use; `after` is where the next page begins."""

    after: str | None = None


@dataclass(frozen=True)
class ListedModel:
    """One model, as its vendor lists it; what the vendor does not say is None. Limits are in tokens."""

    id: str
    display_name: str | None = None
    owned_by: str | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    raw: Any = field(default=None, repr=False, compare=False)


@dataclass(kw_only=True)
class ModelList(EndpointResponse):
    """The models, in the vendor's order; `after` is None on the last page."""

    models: list[ListedModel]
    after: str | None = None

    def add(self, page: ModelList) -> None:
        """Take the next page. Raises ServerError where it is the last one over again, which would have no end."""
        if page.after is not None and page.after == self.after:
            raise ServerError(f"the vendor's list of models has no end: the page after {self.after!r} names it again")
        self.models, self.after = [*self.models, *page.models], page.after

    def __iter__(self) -> Iterator[ListedModel]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    @property
    def ids(self) -> list[str]:
        """The models' ids, as they are asked for."""
        return [model.id for model in self.models]
