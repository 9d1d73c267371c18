"""llama.cpp in this process, through the package llama-cpp-python where that is what is installed."""

from __future__ import annotations

import codecs
import importlib
import json
import os
import re
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lazybridge.core.errors import ContextLengthError
from lazybridge.core.providers.local import metadata, template
from lazybridge.core.providers.local.engine import Engine
from lazybridge.core.providers.local.options import LocalOptions
from lazybridge.core.providers.local.run import Run
from lazybridge.core.providers.local.template import Template
from lazybridge.core.providers.local.writing import write

# A cancelled request stops between two batches of its prompt.
_BATCH_TOKENS = 256
_SETTINGS = frozenset({"model", "messages", "stream", "stream_options", "max_tokens", "temperature", "stop", "seed", "response_format"})  # fmt: skip
# What reaches `Llama.generate` by its own name (llama-cpp-python 0.3.36, read 2026-11-22).
_SAMPLING = frozenset(
    {
        "top_k", "top_p", "min_p", "typical_p", "repeat_penalty", "frequency_penalty", "presence_penalty",
        "mirostat_mode", "mirostat_tau", "mirostat_eta",
    }
)  # fmt: skip
_TEMPERATURE = 0.8  # as llama.cpp's server
_SEEDS = 2**32
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}
# While it loads a model, the package turns the process's stdout and stderr away; two at once would not turn them back.
_loading = threading.Lock()


class LlamaCppPython(Engine):
    """llama.cpp by ctypes, one request at a time: two threads in one of its models end the process, so a stream has the
    model from its first token until it ends or is closed, and the next request waits."""

    backend = "llama-cpp-python"
    title = "llama-cpp-python"
    packages = ("llama_cpp",)
    install = "llama-cpp-python platformdirs"
    refused_options = frozenset({"parallel"})
    left_out = {"logprobs": 'only backend="llamacpp" gives probabilities here'}
    cache_width = 2
    whole_embedding = False
    embeds = True

    _llama: Any = None

    @classmethod
    def threads(cls, options: LocalOptions) -> int:
        """How many CPU threads it takes."""
        return options.cpu_threads

    def _open(self) -> None:
        self._library = importlib.import_module("llama_cpp")
        options, path = self.key.options, self.key.path
        facts = metadata.read(path, template.ARRAYS)
        batch, pooling = _BATCH_TOKENS, self._library.LLAMA_POOLING_TYPE_UNSPECIFIED
        if options.embedding:
            batch = options.context_tokens  # a text is read in one piece
            if metadata.of_architecture(facts, "pooling_type") is None:
                pooling = self._library.LLAMA_POOLING_TYPE_MEAN  # a model that was made to write
        else:
            self._template = Template(facts, options.chat_template)
        with _loading:
            self._llama = self._library.Llama(
                str(path),
                n_ctx=options.context_tokens,
                n_batch=batch,
                n_ubatch=batch,
                n_threads=options.cpu_threads,
                n_threads_batch=options.cpu_threads,
                n_gpu_layers=-1 if options.gpu_layers is None else options.gpu_layers,
                lora_path=None if options.lora is None else os.fspath(options.lora),
                embedding=options.embedding,
                pooling_type=pooling,
                verbose=False,
            )
        self._words = self._library.llama_model_get_vocab(self._llama.model)
        self._context = min(options.context_tokens, self._llama.n_ctx())

    def _answer(self, body: dict[str, Any], run: Run) -> None:
        unknown = sorted(set(body) - _SETTINGS - _SAMPLING)
        if unknown:
            raise ValueError(f"the backend 'llama-cpp-python' has no setting {', '.join(map(repr, unknown))}")
        grammar = self._grammar(body.get("response_format"))
        prompt = self._prompt(self._template.render(body["messages"]))
        room = self._context - len(prompt)
        if room <= 0:
            raise ContextLengthError(
                f"the prompt has {len(prompt)} tokens, the context {self._context}",
                provider="local", model=self.key.path.stem,
            )  # fmt: skip
        if not self._read(prompt, body.get("seed"), run):
            return
        heat = body.get("temperature")
        sampling = {name: body[name] for name in _SAMPLING & set(body) if body[name] is not None}
        tokens = self._llama.generate(prompt, temp=_TEMPERATURE if heat is None else heat, grammar=grammar, **sampling)
        write(
            tokens, self._ends, self._reader(prompt), body, run, len(prompt), min(body.get("max_tokens") or room, room)
        )

    def _grammar(self, form: dict[str, Any] | None) -> Any:
        """What holds the answer to a schema. Raises ValueError where it cannot be made."""
        if form is None:
            return None
        if form.get("type") != "json_schema":
            raise ValueError(f"the backend 'llama-cpp-python' has no response_format {form.get('type')!r}")
        schema = json.loads(json.dumps(form["json_schema"]["schema"]))  # it is changed
        writer = _rules(self._library.llama_grammar)
        try:
            writer.visit(writer.resolve_refs(schema, ""), "")
            rules = writer.format_grammar()
        except (AssertionError, AttributeError, LookupError) as exc:
            raise ValueError(f"the schema cannot be read: {exc}") from exc
        # What llama.cpp cannot read either would end the process when it is used.
        read = self._library.llama_sampler_init_grammar(self._words, rules.encode(), b"root")
        if not read:
            raise ValueError("the schema makes a grammar that llama.cpp cannot read")
        self._library.llama_sampler_free(read)
        return self._library.LlamaGrammar.from_string(rules, verbose=False)

    def _prompt(self, text: str) -> list[int]:
        """The tokens of a prompt, with the one that begins texts where the model wants it, and only once."""
        tokens: list[int] = self._llama.tokenize(text.encode(), add_bos=True, special=True)
        first = self._llama.token_bos()
        return tokens[1:] if tokens[:2] == [first, first] else tokens

    def _read(self, prompt: list[int], seed: int | None, run: Run) -> bool:
        """Read all but the end of the prompt; False where nobody waits any more."""
        llama = self._llama
        if seed is not None:
            llama.reset()  # with a reused prompt the same seed need not give the same text
        llama.set_seed((secrets.randbits(32) if seed is None else seed) % _SEEDS)
        known = llama.longest_token_prefix(llama.eval_tokens, prompt)
        for end in range(known + _BATCH_TOKENS, len(prompt), _BATCH_TOKENS):
            if run.stopped():
                return False
            next(llama.generate(prompt[:end], temp=0.0))
        return not run.stopped()

    def _ends(self, token: int) -> bool:
        return bool(self._library.llama_vocab_is_eog(self._words, token))

    def _reader(self, prompt: list[int]) -> Callable[[int], str]:
        """A callable that takes one token after the other and says the text that each completes, "" for none yet."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        before = prompt[-1:]

        def read(token: int) -> str:
            text = decoder.decode(self._llama.detokenize([token], prev_tokens=before))
            before[:] = [token]
            return text

        return read

    def _embed(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            found, count = self._llama.embed(body["input"], normalize=True, truncate=False, return_count=True)
        except ValueError as exc:  # a text that is longer than the context
            return {"error": {"message": f"the text is too large: {exc}", "type": "invalid_request_error"}}
        data = [{"object": "embedding", "index": place, "embedding": vector} for place, vector in enumerate(found)]
        return {"object": "list", "data": data, "usage": {"prompt_tokens": count, "total_tokens": count}}

    def _shut(self) -> None:
        self._llama.close()
        self._llama = None


def _rules(grammar: Any) -> Any:
    """The package's own writer of rules, but for constants and names: it leaves their backslashes as they are, so that a
    quote in one ends it, and a character beyond U+FFFF becomes two (llama-cpp-python 0.3.36, read 2026-11-22)."""

    def literal(text: str) -> str:
        with suppress(ValueError):  # a single character of it
            text = json.dumps(json.loads(text), ensure_ascii=False)
        return '"' + "".join(_ESCAPES.get(character, character) for character in text) + '"'

    def pattern(text: str, name: str) -> Any:
        try:
            re.compile(text)
        except re.error as exc:  # what nothing fits would end the process
            raise ValueError(f"the schema's pattern {text!r} cannot be read: {exc}") from exc
        return patterns(text, name)

    writer = grammar.SchemaConverter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
    patterns = writer._visit_pattern
    writer._format_literal, writer._visit_pattern = literal, pattern
    return writer
