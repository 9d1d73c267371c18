"""Where Google's API keeps a model."""

from __future__ import annotations

from urllib.parse import quote


def resource(model: str, vertex: bool) -> str:
    """Where a model stands in the URL, as the typed methods of google-genai 3.4.0 say it."""
    model = quote(model, safe="/@:")
    if vertex:
        if model.startswith(("projects/", "models/", "publishers/")):
            return model
        publisher, slash, name = model.partition("/")
        return f"publishers/{publisher}/models/{name}" if slash else f"publishers/google/models/{model}"
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
