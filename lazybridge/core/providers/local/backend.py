"""What a backend is, and what it cannot do."""

from __future__ import annotations

import importlib.util
import os
from abc import ABC
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers.local import metadata
from lazybridge.core.providers.local.options import BackendName, LocalOptions


class Backend(ABC):
    """The facts of one backend, on the class."""

    backend: ClassVar[BackendName]
    title: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    install: ClassVar[str]
    """What `pip install` is to be given."""
    one_at_a_time: ClassVar[bool] = True
    constrained: ClassVar[bool] = True
    """Whether it holds an answer to a JSON schema while the model writes."""
    refused_options: ClassVar[frozenset[str]] = frozenset()
    """The fields of LocalOptions that it cannot take."""
    left_out: ClassVar[Mapping[str, str]] = {}
    """The settings of a request that it cannot take, and why."""
    cache_width: ClassVar[int] = 4
    """The bytes of a number in its cache of keys and values."""
    whole_embedding: ClassVar[bool] = True
    """Whether it keeps the embedding in full precision."""
    embeds: ClassVar[bool] = False
    """Whether it makes vectors."""

    @classmethod
    def is_installed(cls) -> bool:
        """Whether its packages are there."""
        return all(importlib.util.find_spec(package) is not None for package in cls.packages)

    @classmethod
    def check(cls, options: LocalOptions) -> None:
        """Raises ConfigurationError for a missing package, for options that this backend does not take, and for a missing adapter."""
        for package in cls.packages:
            if importlib.util.find_spec(package) is None:
                raise ConfigurationError(f"the package {package} is not installed\npip install {cls.install}")
        default = LocalOptions()
        for name in sorted(cls.refused_options):
            value = getattr(options, name)
            if value != getattr(default, name):
                raise ConfigurationError(
                    f'the backend {cls.backend!r} does not take {name}={value!r}\nLocalProvider(backend="llamacpp") does'
                )
        if options.lora is not None and not Path(options.lora).is_file():
            raise ConfigurationError(
                f"lora names no file: {os.fspath(options.lora)!r}\nLocalOptions(lora='/path/to/adapter.gguf')"
            )

    @classmethod
    def threads(cls, options: LocalOptions) -> int:
        """How many CPU threads it takes."""
        return options.threads or 1

    @classmethod
    def estimated_bytes(cls, path: Path, options: LocalOptions) -> int:
        """About how much memory a model will take: its file, the embedding where it is kept in full precision, and what
        one full context needs for each parallel request."""
        size = path.stat().st_size
        try:
            facts = metadata.read(path)
        except ValueError:  # loading says what is wrong with it
            return size
        cache = metadata.cache_bytes(facts, options.context_tokens * options.parallel, cls.cache_width)
        return size + (cache or 0) + (metadata.embedding_bytes(facts) or 0) * cls.whole_embedding
