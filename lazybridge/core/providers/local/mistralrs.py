"""mistral.rs in this process, through the package mistralrs."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from lazybridge.core.errors import ContextLengthError
from lazybridge.core.providers.local import events, memory, metadata, template
from lazybridge.core.providers.local.engine import Engine
from lazybridge.core.providers.local.run import Run
from lazybridge.core.providers.local.template import Template

_NO_SEED = "mistral.rs takes no seed for a request"
_NO_PROBABILITIES = "only llama.cpp gives probabilities here"


class MistralRs(Engine):
    """mistral.rs, one request at a time.

    A stream that is dropped stops it at its next token (mistralrs 0.9.5, read 2026-11-22); while it reads a prompt it
    cannot be stopped, and the next request waits.
    """

    backend = "mistralrs"
    title = "mistral.rs"
    packages = ("mistralrs", "jinja2")
    install = '"lazybridge[mistralrs]"'
    refused_options = frozenset({"gpu_layers", "lora", "parallel"})
    left_out = {"seed": _NO_SEED, "logprobs": _NO_PROBABILITIES}

    _runner: Any = None

    def _open(self) -> None:
        os.environ.setdefault("RUST_LOG", "off")  # else it writes to stdout
        os.environ.setdefault("RAYON_NUM_THREADS", str(self.key.options.threads))
        self._library = importlib.import_module("mistralrs")
        options, path = self.key.options, self.key.path
        facts = metadata.read(path, template.ARRAYS)
        self._template = Template(facts, options.chat_template)
        longest = metadata.of_architecture(facts, "context_length") or options.context_tokens
        self._context = min(options.context_tokens, longest)
        which = self._library.Which.GGUF(quantized_model_id=str(path.parent), quantized_filename=[path.name])
        with tempfile.TemporaryDirectory() as folder:
            own: dict[str, str] = {}
            if options.chat_template is not None:
                place = Path(folder, "template.jinja")
                place.write_text(options.chat_template)
                own["jinja_explicit"] = str(place)
            self._runner = self._library.Runner(which=which, max_seqs=1, prefix_cache_n=0, **own)

    def _answer(self, body: dict[str, Any], run: Run) -> None:
        settings = {name: value for name, value in body.items() if name not in ("model", "stream_options", "stream")}
        text = self._template.render(settings["messages"])
        room = self._context - len(self._runner.tokenize_text(text, False, None))
        if room <= 0:
            raise ContextLengthError(
                f"the prompt has {self._context - room} tokens, the context {self._context}",
                provider="local", model=self.key.path.stem,
            )  # fmt: skip
        settings["max_tokens"] = min(settings.get("max_tokens") or room, room)
        if "stop" in settings:
            settings["stop_seqs"] = settings.pop("stop")
        if settings.get("response_format", {}).get("type") == "json_schema":
            form = settings.pop("response_format")
            settings |= {"grammar": json.dumps(form["json_schema"]["schema"]), "grammar_type": "json_schema"}
        request = self._library.ChatCompletionRequest(model="default", stream=True, **settings)
        for chunk in self._runner.send_chat_completion_request(request):
            (choice,) = chunk.choices
            stop = run.on_event(events.piece(choice.delta.content or "", choice.finish_reason))
            if chunk.usage is not None:
                stop = run.on_event(events.counted(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)) or stop
            if stop:
                return

    def _shut(self) -> None:
        self._runner = None
        memory.settle()  # its own threads free the model after this returns
