"""llama.cpp in this process, through the package xllamacpp."""

from __future__ import annotations

import importlib
import os
import secrets
from typing import Any

from lazybridge.core.providers.local import metadata
from lazybridge.core.providers.local.engine import Engine
from lazybridge.core.providers.local.options import LocalOptions
from lazybridge.core.providers.local.run import Run

# A cancelled request stops between two batches of its prompt; 256 tokens keep that short on one slow core.
_BATCH_TOKENS = 256


class LlamaCpp(Engine):
    """llama.cpp's own server, called in process: parallel requests, schemas, GPU layers, LoRA adapters."""

    backend = "llamacpp"
    title = "llama.cpp"
    packages = ("xllamacpp",)
    install = '"lazybridge[local]"'
    one_at_a_time = False
    cache_width = 2
    whole_embedding = False
    embeds = True

    _server: Any = None

    @classmethod
    def threads(cls, options: LocalOptions) -> int:
        """How many CPU threads it takes."""
        return options.cpu_threads

    def _open(self) -> None:
        xllamacpp = importlib.import_module("xllamacpp")
        options = self.key.options
        params = xllamacpp.CommonParams()
        params.model.path = str(self.key.path)
        params.model_alias = [self.key.path.stem]
        params.n_parallel = options.parallel
        params.n_ctx = options.context_tokens * options.parallel  # llama.cpp divides it among the parallel requests
        params.n_batch = params.n_ubatch = _BATCH_TOKENS
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.cpu_threads
        params.use_jinja = True
        if options.gpu_layers is not None:
            params.n_gpu_layers = options.gpu_layers
        if options.chat_template is not None:
            params.chat_template = options.chat_template
        if options.lora is not None:
            params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(os.fspath(options.lora))]
        if options.embedding:
            params.embedding = True
            params.n_batch = params.n_ubatch = options.context_tokens  # a text is read in one piece
            if metadata.of_architecture(metadata.read(self.key.path), "pooling_type") is None:
                params.pooling_type = (
                    xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
                )  # a model that was made to write
        params.warmup = False
        params.verbosity = 0
        # It always listens on a loopback port; without a key, every user of the machine could talk to it.
        params.api_keys = [secrets.token_hex(32)]
        params.endpoint_slots = False
        params.endpoint_metrics = True
        self._server = xllamacpp.Server(params)
        # Destroying a server whose main loop has not begun can hang; metrics are answered by that loop.
        self._server.handle_metrics()

    def _answer(self, body: dict[str, Any], run: Run) -> None:
        # Tokens of the prompt are then reported batch by batch, and a cancelled request need not wait for all of them.
        body = {**body, "return_progress": True}
        if body.get("seed") is not None:
            body["cache_prompt"] = False  # with a reused prompt the same seed need not give the same text
        self._server.handle_chat_completions(body, run.on_event)

    def _embed(self, body: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._server.handle_embeddings(body)
        return found

    def _shut(self) -> None:
        self._server = None
