"""Texts as vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lazybridge.core.endpoints import EndpointRequest, EndpointResponse

Purpose = Literal["query", "document", "similarity", "classification", "clustering"]
PURPOSES: tuple[Purpose, ...] = ("query", "document", "similarity", "classification", "clustering")


@dataclass(frozen=True, kw_only=True)
class EmbeddingRequest(EndpointRequest):
    """Texts to embed. `dimensions` is the length of a vector, where a model offers several; `purpose` is what the vectors
    are for, where a model has several kinds. Raises ValueError for an empty list, an empty text or an unknown purpose."""

    inputs: tuple[str, ...]
    dimensions: int | None = None
    purpose: Purpose | None = None

    def __post_init__(self) -> None:
        if isinstance(self.inputs, str) or not all(isinstance(text, str) for text in self.inputs):
            raise ValueError(
                f"inputs={self.inputs!r} are no texts\nwrite a list of texts, such as embed(['one', 'two'])"
            )
        if not self.inputs or not all(self.inputs):
            what = "there is no text to embed" if not self.inputs else f"text {self.inputs.index('')} is empty"
            raise ValueError(f"{what}\nvendors refuse it; leave it out")
        if self.purpose is not None and self.purpose not in PURPOSES:
            raise ValueError(f"purpose={self.purpose!r} is none of {', '.join(PURPOSES)}")
        if self.dimensions is not None and (type(self.dimensions) is not int or self.dimensions < 1):
            raise ValueError(f"dimensions={self.dimensions!r} is no length\ndimensions is a whole number, such as 512")


@dataclass(kw_only=True)
class Embeddings(EndpointResponse):
    """One vector of floats for each text, in the order of the texts."""

    vectors: list[list[float]] = field(repr=False)

    @property
    def vector(self) -> list[float]:
        """The vector of the one text. Raises ValueError where there were several."""
        if len(self.vectors) != 1:
            raise ValueError(f"there are {len(self.vectors)} vectors\nread .vectors")
        return self.vectors[0]

    @property
    def dimensions(self) -> int:
        """How long a vector is."""
        return len(self.vectors[0])
