"""Schema out, validated object back."""

from __future__ import annotations

from lazybridge.core.structured.answers import Reader, parse, validate
from lazybridge.core.structured.compiler import Compiled, compiled
from lazybridge.core.structured.dialects import ANTHROPIC, GEMINI, GROQ, MISTRAL, OPENAI, SERVER, Dialect
from lazybridge.core.structured.partial import PartialReader
from lazybridge.core.structured.schemas import closed, output_schema

__all__ = [
    "ANTHROPIC",
    "GEMINI",
    "GROQ",
    "MISTRAL",
    "OPENAI",
    "SERVER",
    "Compiled",
    "Dialect",
    "PartialReader",
    "Reader",
    "closed",
    "compiled",
    "output_schema",
    "parse",
    "validate",
]
