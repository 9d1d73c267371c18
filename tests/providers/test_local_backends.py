"""The backends of the local provider on one real GGUF file: what one engine says is what the others are held to."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import math
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from lazybridge import Agent, embed
from lazybridge.core.errors import (
    ConfigurationError,
    ContextLengthError,
    InvalidRequestError,
    ProviderTimeoutError,
    UnsupportedFeatureError,
)
from lazybridge.core.providers.local import LocalOptions, LocalProvider, metadata
from lazybridge.core.providers.local.candle_llama import Llama
from lazybridge.core.providers.local.engine import Engine
from lazybridge.core.providers.local.template import ARRAYS, Template
from lazybridge.core.providers.local.vocabulary import Held, Vocabulary
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, OutputSchema, ToolDefinition
from tests.conftest import LlamaServer

BACKENDS = ("llamacpp", "mistralrs", "candle")
# It has no wheels, so it is no dependency of the tests: `pytest -m llama_cpp_python` where it is installed.
COMPILED = pytest.param("llama-cpp-python", marks=pytest.mark.llama_cpp_python)
TITLES = {
    "llama-cpp-python": "llama-cpp-python",
    "llamacpp": "llama.cpp",
    "mistralrs": "mistral.rs",
    "candle": "candle",
}
CAPITAL = "What is the capital of France?"
# The model is sure of each of these tokens: at all three engines' rounding it writes the same ones.
PROMPTS = (CAPITAL, "What is the sun?", "Translate 'dog' to Spanish.")
CITY = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}
WEATHER = ToolDefinition("get_weather", "Weather of a city.", CITY)
AGE = OutputSchema({"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]})

each_backend = pytest.mark.parametrize("backend", [*BACKENDS, COMPILED])
one_at_a_time = pytest.mark.parametrize("backend", ["mistralrs", "candle", COMPILED])
with_schemas = pytest.mark.parametrize("backend", ["llamacpp", "mistralrs", COMPILED])


@pytest.fixture(scope="module")
def providers(model_file: Path) -> Iterator[Callable[[str], LocalProvider]]:
    """One provider for each backend, loaded once."""
    made: dict[str, LocalProvider] = {}

    def provider(backend: str) -> LocalProvider:
        if backend not in made:
            options = LocalOptions(path=model_file, threads=1, context_tokens=512)
            made[backend] = LocalProvider(backend=backend, options=options)
        return made[backend]

    yield provider
    for one in made.values():
        one.close()


@pytest.fixture(scope="module")
def answered(providers: Callable[[str], LocalProvider]) -> Callable[[str, str], CompletionResponse]:
    """The greedy answer of a backend to a prompt, in 8 tokens; asked once."""
    return cache(lambda backend, text: providers(backend).complete(ask(text)))


@pytest.fixture
def provider(providers: Callable[[str], LocalProvider], backend: str) -> LocalProvider:
    return providers(backend)


def ask(text: str = "Hi", **settings: Any) -> CompletionRequest:
    return CompletionRequest((Message.user(text),), **{"max_tokens": 8, "temperature": 0.0, **settings})


def short(text: str = "Hi", **settings: Any) -> CompletionRequest:
    """A prompt of few tokens: mistral.rs reads some 15 a second here."""
    return ask(text, **{"system": "x", **settings})


LONG = short("Tell me a long story about a dog.", max_tokens=400)


def engine_of(provider: LocalProvider) -> Engine:
    return next(iter(provider._engines.values()))


def assert_idle(provider: LocalProvider) -> None:
    """Nothing is being written, and nothing is computed behind our back: a token costs 20 ms of CPU and more."""
    deadline = time.monotonic() + 2
    while engine_of(provider)._runs:
        assert time.monotonic() < deadline, "the generation was not stopped"
        time.sleep(0.01)
    begun = time.process_time()
    time.sleep(0.6)
    assert time.process_time() - begun < 0.3


# --- answers ------------------------------------------------------------------------------------------------------------


@one_at_a_time
@pytest.mark.parametrize("text", PROMPTS)
def test_the_engines_write_the_same_tokens(answered, text, backend):
    first, other = answered("llamacpp", text), answered(backend, text)
    assert other.content == first.content != ""
    assert other.usage.input_tokens == first.usage.input_tokens
    assert other.usage.output_tokens == first.usage.output_tokens == 8
    assert (other.stop_reason, other.model) == (first.stop_reason, first.model)
    assert other.usage.cost_usd == 0.0


def test_where_engines_part_the_model_itself_hesitates(providers, answered):
    """They round the same weights differently, so two tokens that are about as likely may change places."""
    whole = providers("llamacpp").complete(ask("Say hello", logprobs=2))
    other = answered("candle", "Say hello").content
    written = ""
    for token in whole.logprobs:
        likeliest, next_one = token.alternatives
        if not other.startswith(written + token.token):
            assert other.startswith(written + next_one.token)
            assert likeliest.logprob - next_one.logprob < 0.2
            break
        written += token.token


@each_backend
def test_an_answer_ends_where_the_model_ends_it_or_at_the_limit(answered, provider, backend):
    assert answered(backend, CAPITAL).content == "The capital of France is Paris."
    assert answered(backend, CAPITAL).stop_reason == "end_turn"
    assert answered(backend, "What is the sun?").stop_reason == "max_tokens"


@each_backend
def test_a_stop_sequence_is_not_part_of_the_answer(provider):
    response = provider.complete(ask(CAPITAL, stop=("of Fran",)))
    assert (response.content.rstrip(), response.stop_reason) == ("The capital", "end_turn")


@each_backend
async def test_a_stream_is_the_whole_answer_in_pieces(provider):
    whole = provider.complete(short())
    chunks = list(provider.stream(short()))
    later = [chunk async for chunk in provider.astream(short())]
    assert len(chunks) > 4
    for found in (chunks, later):
        assert "".join(chunk.delta for chunk in found) == whole.content != ""
        assert [chunk.is_final for chunk in found] == [False] * (len(found) - 1) + [True]
        assert found[-1].stop_reason == whole.stop_reason == "max_tokens"
        assert found[-1].usage.output_tokens == whole.usage.output_tokens == 8


@pytest.mark.parametrize(
    ("backend", "top_p"),
    [
        ("llamacpp", None),
        ("candle", None),
        ("candle", 0.9),
        pytest.param("llama-cpp-python", None, marks=pytest.mark.llama_cpp_python),
    ],
)
def test_the_same_seed_gives_the_same_text(provider, top_p):
    request = short("Tell me a joke", temperature=1.0, top_p=top_p, seed=7, max_tokens=5)
    first = provider.complete(request).content
    assert provider.complete(request).content == first
    assert {provider.complete(replace(request, seed=seed)).content for seed in (8, 9)} != {first}


def test_mistral_rs_own_settings_pass_through_extra_body(providers):
    greedy = providers("mistralrs").complete(short()).content
    assert providers("mistralrs").complete(short(temperature=1.0, extra_body={"top_k": 1})).content == greedy


def test_a_narrow_top_p_leaves_the_likeliest_token(providers, answered):
    request = ask(PROMPTS[1], temperature=1.0, top_p=0.0, seed=1)
    assert providers("candle").complete(request).content == answered("candle", PROMPTS[1]).content


def test_mistral_rs_says_that_it_takes_no_seed(providers):
    with pytest.warns(UserWarning, match="seed"):
        response = providers("mistralrs").complete(short(seed=7, max_tokens=1))
    assert [adjustment.parameter for adjustment in response.adjustments] == ["seed"]
    with pytest.raises(UnsupportedFeatureError, match="takes no seed"):
        providers("mistralrs").complete(short(seed=7, strict=True))


@one_at_a_time
def test_probabilities_are_llama_cpps_alone(provider):
    with pytest.raises(UnsupportedFeatureError, match="only .*llama.?cpp.* gives probabilities"):
        provider.complete(short(logprobs=2, strict=True))


@one_at_a_time
def test_a_setting_that_the_engine_does_not_know_is_an_invalid_request(provider):
    with pytest.raises(InvalidRequestError, match="mirostat"):
        provider.complete(short(extra_body={"mirostat": 2}))


# --- schema and tools ---------------------------------------------------------------------------------------------------


@with_schemas
def test_an_answer_fits_its_schema(provider):
    response = provider.complete(short("Maria is 31 years old.", output_schema=AGE, max_tokens=24))
    assert json.loads(response.content) == {"age": 31}


@pytest.mark.parametrize("backend", ["mistralrs", COMPILED])
def test_a_forced_tool_is_called(provider):
    request = short("Weather in Paris?", tools=(WEATHER,), tool_choice="get_weather", max_tokens=40)
    (call,) = provider.complete(request).tool_calls
    assert (call.name, call.arguments) == ("get_weather", {"city": "Paris"})


@with_schemas
def test_a_schema_that_the_engine_cannot_read_is_an_invalid_request(provider):
    with pytest.raises(InvalidRequestError) as caught:
        provider.complete(short(output_schema=OutputSchema({"type": "bogus"})))
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("wanted", [{"output_schema": AGE}, {"tools": (WEATHER,)}])
def test_candle_refuses_schemas_and_tools(providers, wanted):
    with pytest.raises(UnsupportedFeatureError, match="'candle' has no output schemas and no tools") as caught:
        providers("candle").complete(short(**wanted))
    assert 'LocalProvider(backend="llamacpp")' in str(caught.value).splitlines()[-1]


# --- stopping early, taking turns ---------------------------------------------------------------------------------------


@each_backend
def test_leaving_a_stream_stops_the_model(provider):
    with closing(provider.stream(LONG)) as stream:
        assert len(list(islice(stream, 3))) == 3
        begun = time.monotonic()
    assert time.monotonic() - begun < 0.5
    assert_idle(provider)


@one_at_a_time
async def test_closing_an_async_stream_stops_the_model(provider):
    async with aclosing(provider.astream(LONG)) as stream:
        async for _ in stream:
            break
    await asyncio.to_thread(assert_idle, provider)


@one_at_a_time
def test_a_timeout_stops_the_model_and_keeps_what_arrived(provider):
    provider.load()
    with pytest.raises(ProviderTimeoutError) as caught:
        provider.complete(replace(LONG, timeout=3))
    assert len(caught.value.partial_text) > 3
    assert_idle(provider)


def test_candle_can_be_stopped_while_it_reads(providers):
    provider = providers("candle")
    provider.complete(short(max_tokens=1))
    with pytest.raises(ProviderTimeoutError):
        provider.complete(short("word " * 450, timeout=0.3))
    assert_idle(provider)


def test_the_next_call_waits_while_mistral_rs_reads_what_nobody_wants_any_more(providers):
    provider = providers("mistralrs")
    provider.load()
    begun = time.monotonic()
    with pytest.raises(ProviderTimeoutError):
        provider.complete(short("word " * 30, timeout=0.2))
    assert time.monotonic() - begun < 0.7
    assert provider.complete(short(max_tokens=1)).usage.output_tokens == 1


@each_backend
def test_threads_take_turns(provider):
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(provider.complete(short()).content)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 2
    assert len(set(texts)) == 1


@one_at_a_time
def test_who_no_longer_waits_gets_no_turn(provider):
    """The second request is left while the first is being written: it never begins."""
    first = provider.stream(short(max_tokens=12))
    next(first)
    with pytest.raises(ProviderTimeoutError):
        provider.complete(short(timeout=0.05))
    assert list(first)[-1].usage.output_tokens == 12
    assert_idle(provider)


@pytest.mark.llama_cpp_python
def test_a_stream_that_is_left_lets_the_next_one_in(providers):
    """Two threads in one model of llama-cpp-python end the process: the second has its first token once the first is left."""
    provider = providers("llama-cpp-python")
    first = provider.stream(LONG)
    next(first)
    texts: list[str] = []
    thread = threading.Thread(target=lambda: texts.append(provider.complete(short()).content))
    thread.start()
    time.sleep(0.4)
    assert not texts
    begun = time.monotonic()
    first.close()
    thread.join()
    assert time.monotonic() - begun < 2
    assert texts == [provider.complete(short()).content]


@pytest.mark.llama_cpp_python
def test_llama_cpp_python_remembers_what_it_has_read(providers):
    """A prompt that begins as the last one did is not read again from the start, and gives the same answer."""
    provider = providers("llama-cpp-python")
    long = "word " * 400
    cold, warm = (provider.complete(ask(long + end)) for end in ("one", "two"))
    begun = time.process_time()
    again = provider.complete(ask(long + "two"))
    assert time.process_time() - begun < 1.0
    assert again.content == warm.content
    assert cold.usage.input_tokens == warm.usage.input_tokens


@pytest.mark.llama_cpp_python
def test_llama_cpp_python_can_be_stopped_while_it_reads(providers):
    provider = providers("llama-cpp-python")
    provider.complete(short(max_tokens=1))
    with pytest.raises(ProviderTimeoutError):
        provider.complete(short("other " * 450, timeout=0.1))
    engine = engine_of(provider)
    deadline = time.monotonic() + 10
    while engine._runs:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert engine._llama.n_tokens < 300  # of 450: it stopped between two batches


@pytest.mark.llama_cpp_python
def test_constants_and_names_of_a_schema_may_hold_anything(providers):
    """Half a character is held back until it is whole."""
    name, text = 'ü"\\🙂', '日本🙂é"\\n\n'
    schema = {"type": "object", "properties": {name: {"const": text}}, "required": [name]}
    request = short(output_schema=OutputSchema(schema), max_tokens=80)
    chunks = list(providers("llama-cpp-python").stream(request))
    assert json.loads("".join(chunk.delta for chunk in chunks)) == {name: text}


@pytest.mark.llama_cpp_python
@pytest.mark.parametrize("wrong", [{"enum": []}, {"type": "string", "pattern": "^[z-a]$"}, {"$ref": "#/$defs/missing"}])
def test_what_no_answer_can_fit_is_refused_and_does_not_end_the_process(providers, wrong):
    schema = {"type": "object", "properties": {"a": wrong}, "required": ["a"]}
    with pytest.raises(InvalidRequestError):
        providers("llama-cpp-python").complete(short(output_schema=OutputSchema(schema)))


@pytest.mark.llama_cpp_python
def test_vectors_of_llama_cpp_python_are_xllamacpps(model_file):
    def vectors(backend: str) -> Any:
        options = LocalOptions(path=model_file, threads=1, context_tokens=64, backend=backend)
        with LocalProvider(options=options) as own:
            with pytest.raises(ContextLengthError):
                embed("word " * 100, provider=own)
            return embed(["the cat sat", "el gato"], provider=own)

    ours, theirs = vectors("llama-cpp-python"), vectors("llamacpp")
    assert ours.usage.input_tokens == theirs.usage.input_tokens
    for mine, other in zip(ours.vectors, theirs.vectors, strict=True):
        assert mine == pytest.approx(other, abs=2e-2)


# --- limits and errors --------------------------------------------------------------------------------------------------


@each_backend
def test_a_prompt_longer_than_the_context_is_a_context_length_error(provider):
    with pytest.raises(ContextLengthError) as caught:
        provider.complete(ask("word " * 600))
    assert caught.value.provider == "local"


@one_at_a_time
def test_an_answer_ends_with_the_context(backend, model_file):
    options = LocalOptions(path=model_file, threads=1, context_tokens=20, backend=backend)
    with LocalProvider(options=options) as own:
        response = own.complete(short("Tell me a story", max_tokens=400))
    assert response.usage.input_tokens + response.usage.output_tokens == 20
    assert response.stop_reason == "max_tokens"


@each_backend
def test_a_file_that_is_no_model_is_named(backend, tmp_path):
    text = tmp_path / "text.gguf"
    text.write_text("I am a poem.")
    with pytest.raises(ConfigurationError, match=r"cannot be read as a GGUF model.*text\.gguf"):
        LocalProvider(backend=backend, model=f"local:{text}")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    own = LocalProvider(backend=backend, model=f"local:{broken}")
    with pytest.raises(ConfigurationError, match=rf"{TITLES[backend]} cannot load .*broken\.gguf") as caught:
        own.load()
    assert len(str(caught.value).splitlines()) == 2
    assert not own.is_loaded


@pytest.mark.parametrize(
    ("backend", "package", "extra"),
    [
        ("llamacpp", "xllamacpp", "local"),
        ("mistralrs", "mistralrs", "mistralrs"),
        ("mistralrs", "jinja2", "mistralrs"),
        ("candle", "candle", "candle"),
        ("candle", "tokenizers", "candle"),
        ("candle", "jinja2", "candle"),
    ],
)
def test_a_missing_package_is_an_error_with_the_line_to_write(monkeypatch, backend, package, extra):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, of=None: None if name == package else real(name, of))
    with pytest.raises(ConfigurationError, match=f"the package {package} is not installed") as caught:
        LocalProvider(backend=backend)
    assert str(caught.value).splitlines()[-1] == f'pip install "lazybridge[{extra}]"'


@pytest.mark.parametrize(
    ("backend", "option"),
    [(backend, {name: 2}) for backend in ("mistralrs", "candle") for name in ("gpu_layers", "parallel")]
    + [("mistralrs", {"lora": "a.gguf"}), ("candle", {"lora": "a.gguf"})],
)
def test_an_option_that_the_engine_does_not_take_is_refused(backend, option):
    with pytest.raises(ConfigurationError, match=f"{backend!r} does not take {next(iter(option))}"):
        LocalProvider(backend=backend, options=LocalOptions(**option))


def test_the_package_that_is_compiled_is_named_where_it_is_missing(monkeypatch):
    present(monkeypatch, "xllamacpp")
    with pytest.raises(
        ConfigurationError, match="the package llama_cpp is not installed\npip install llama-cpp-python"
    ):
        LocalProvider(backend="llama-cpp-python")


@pytest.mark.parametrize(
    ("installed", "asked", "taken"),
    [
        (("xllamacpp", "llama_cpp"), None, "llamacpp"),
        (("llama_cpp",), None, "llama-cpp-python"),
        (("xllamacpp", "llama_cpp"), "llama-cpp-python", "llama-cpp-python"),
    ],
)
def test_llama_cpp_is_the_one_that_is_installed_and_xllamacpp_before_the_other(monkeypatch, installed, asked, taken):
    present(monkeypatch, *installed)
    assert LocalProvider(backend=asked).options.backend == taken
    assert LocalProvider(options=LocalOptions(backend=asked)).options.backend == taken


def present(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Only these of the packages of llama.cpp can be found."""
    real = importlib.util.find_spec
    spec = real("json")
    both = ("xllamacpp", "llama_cpp")
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, of=None: (spec if name in packages else None) if name in both else real(name, of),
    )


def test_an_unknown_backend_is_refused():
    with pytest.raises(ConfigurationError, match="no backend is called 'ollama'"):
        Agent("local", backend="ollama")
    with pytest.raises(ValueError, match="gpu_layers must be at least 0, got -1"):
        LocalOptions(gpu_layers=-1)


# --- options ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["local", "local:{path}"])
def test_an_agent_names_its_backend(model, model_file):
    with Agent(model.format(path=model_file), backend="candle", temperature=0, max_tokens=8) as agent:
        assert agent(CAPITAL).text() == "The capital of France is Paris."
        assert agent.engine.provider.options.backend == "candle"


@each_backend
def test_another_chat_template_is_what_the_model_reads(backend, model_file):
    template = "{% for message in messages %}{{ message.content }}\n{% endfor %}The"
    options = LocalOptions(path=model_file, threads=1, context_tokens=64, chat_template=template)
    with LocalProvider(backend=backend, options=options) as own:
        assert own.complete(short("A list:", max_tokens=1)).usage.input_tokens == 7


@one_at_a_time
def test_a_chat_template_that_cannot_be_read_is_an_error(backend, model_file):
    own = LocalProvider(backend=backend, options=LocalOptions(path=model_file, chat_template="{% for %}"))
    with pytest.raises(ConfigurationError, match="the chat template is not Jinja"):
        own.load()


def test_a_template_may_refuse_a_conversation(model_file):
    options = LocalOptions(path=model_file, threads=1, chat_template="{{ raise_exception('no system text') }}")
    with LocalProvider(backend="candle", options=options) as own, pytest.raises(InvalidRequestError, match="no system"):
        own.complete(short())


@pytest.mark.parametrize("backend", ["llamacpp", COMPILED])
def test_an_adapter_changes_what_llama_cpp_writes(model_file, tmp_path, answered, backend):
    """The adapter is written by the gguf package; one of zeros changes nothing."""
    import gguf
    import numpy

    def written_with(scale: float) -> str:
        place = tmp_path / f"adapter-{scale}.gguf"
        writer = gguf.GGUFWriter(place, "llama")
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", 8.0)
        random = numpy.random.default_rng(0)
        for layer in range(30):
            for side, shape in (("a", (8, 576)), ("b", (576, 8))):
                weights = (random.standard_normal(shape) * scale).astype(numpy.float32)
                writer.add_tensor(f"blk.{layer}.attn_q.weight.lora_{side}", weights)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        options = LocalOptions(path=model_file, threads=1, context_tokens=64, lora=place, gpu_layers=0)
        with LocalProvider(backend=backend, options=options) as own:
            return own.complete(ask(PROMPTS[1])).content

    plain = answered(backend, PROMPTS[1]).content
    assert written_with(0.0) == plain
    assert written_with(0.3) != plain
    with pytest.raises(ConfigurationError, match="lora names no file"):
        LocalProvider(options=LocalOptions(lora=tmp_path / "missing.gguf"))


# --- loading and unloading ----------------------------------------------------------------------------------------------


@each_backend
def test_loading_and_unloading_may_be_repeated_from_any_thread(backend, model_file):
    own = LocalProvider(options=LocalOptions(path=model_file, threads=1, context_tokens=128, backend=backend))
    estimate = own.memory_bytes
    assert not own.is_loaded
    assert estimate > model_file.stat().st_size
    threads = [threading.Thread(target=own.load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own.load()
    assert own.is_loaded
    loaded = engine_of(own)
    assert loaded.leases == 1
    own.unload()
    own.unload()
    assert not own.is_loaded
    assert not loaded._keeper.is_alive()
    assert own.memory_bytes == estimate


def test_the_memory_of_a_longer_context_is_part_of_the_estimate(model_file):
    def estimate(**options: Any) -> int:
        return LocalProvider(options=LocalOptions(path=model_file, **options)).memory_bytes or 0

    # 30 layers, 3 heads of keys and values, 64 numbers of 2 bytes each, as llama.cpp's own log says.
    assert estimate(context_tokens=2000) - estimate(context_tokens=1000) == 1000 * 30 * 3 * 2 * 64 * 2
    assert estimate(context_tokens=1000, parallel=2) == estimate(context_tokens=2000)


UNLOAD = """
import sys
from lazybridge.core.providers.local import LocalOptions, LocalProvider, memory
from lazybridge.core.types import CompletionRequest, Message
def answer(own):
    return own.complete(CompletionRequest((Message.user("Hi"),), max_tokens=4, system="x")).content
own = LocalProvider(backend=sys.argv[2], options=LocalOptions(path=sys.argv[1], threads=1))
answer(own); own.unload()  # what an engine's library keeps for itself is not the model's
before = memory.resident()
answer(own)
loaded, told = memory.resident(), own.memory_bytes
own.unload()
print(before, loaded, memory.resident(), told)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize(
    ("backend", "share"),
    [
        ("llamacpp", 0.75),
        ("candle", 0.5),
        ("mistralrs", 0.6),
        pytest.param("llama-cpp-python", 0.6, marks=pytest.mark.llama_cpp_python),
    ],
)
def test_unloading_gives_the_memory_back(model_file, backend, share):
    ended = subprocess.run(
        [sys.executable, "-c", UNLOAD, str(model_file), backend], capture_output=True, timeout=60, check=True
    )
    before, loaded, after, told = map(int, ended.stdout.split())
    assert loaded - before > 50_000_000
    assert loaded - after > share * (loaded - before)
    assert math.isclose(told, loaded - before, rel_tol=0.35)


FIRST = """
import sys
from lazybridge.core.providers.local import LocalOptions, LocalProvider, memory
from lazybridge.core.types import CompletionRequest, Message
own = LocalProvider(backend=sys.argv[2], options=LocalOptions(path=sys.argv[1], threads=1))
before = memory.resident()
own.complete(CompletionRequest((Message.user("Tell me a story."),), max_tokens=16))
loaded = memory.resident()
own.unload()
print(before, loaded, memory.resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@each_backend
def test_the_memory_that_comes_back_is_what_the_page_says(model_file, backend):
    """The share of what loading and use had added, in a process that had loaded nothing before; three quarters of it is
    enough, for a short use adds less than the benchmark's."""
    page = Path(__file__).parents[2].joinpath("docs/local.md").read_text()
    told = int(re.findall(rf"^{backend} .* (\d+)% ", page, re.MULTILINE)[0]) / 100
    command = [sys.executable, "-c", FIRST, str(model_file), backend]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=True)
    before, loaded, after = map(int, ended.stdout.split())
    assert loaded - after > 0.75 * told * (loaded - before)


ENDING = """
import sys
from lazybridge.core.providers.local import LocalOptions, LocalProvider
from lazybridge.core.types import CompletionRequest, Message
provider = LocalProvider(backend=sys.argv[2], options=LocalOptions(path=sys.argv[1], threads=1))
request = CompletionRequest((Message.user("Tell me a story"),), max_tokens=400, system="x")
stream = provider.stream(request)
next(stream)
"""


@one_at_a_time
def test_a_process_ends_well_while_the_model_writes(backend, model_file):
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ENDING, str(model_file), backend],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr.decode(), ended.stdout.decode()) == (0, "", "")


# --- the head of the file, the template, the tokens ---------------------------------------------------------------------


def test_the_head_of_a_file_is_read_as_the_gguf_package_reads_it(model_file):
    import gguf

    arrays = ("tokenizer.ggml.merges", "tokenizer.ggml.token_type", "general.languages")
    found = metadata.read(model_file, arrays)
    fields = gguf.GGUFReader(model_file).fields
    for name, value in found.items():
        if name in arrays[:2]:
            assert len(value) == len(fields[name].data)
            assert value[-1] == fields[name].contents(-1)
        else:
            assert value == fields[name].contents(), name
    assert set(fields) - set(found) == {
        "GGUF.version",
        "GGUF.tensor_count",
        "GGUF.kv_count",
        "tokenizer.ggml.tokens",
    }


def test_quantisations_are_named_as_the_gguf_package_names_them():
    import gguf

    known = [one for one in gguf.LlamaFileType if metadata.quantisation({"general.file_type": one.value}) is not None]
    for one in known:
        name = one.name.removeprefix("MOSTLY_").removeprefix("ALL_")
        assert metadata.quantisation({"general.file_type": one.value}) == name
    assert len(known) >= 35
    assert gguf.LlamaFileType.GUESSED not in known
    assert metadata.quantisation({}) is None


@pytest.mark.parametrize("length", [4, 8, 30, 100_000])
def test_a_head_that_is_cut_off_is_no_gguf(model_file, tmp_path, length):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(model_file.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"cut\.gguf' is not a GGUF file that can be read"):
        metadata.read(cut)


@pytest.fixture(scope="module")
def facts(model_file: Path) -> dict[str, Any]:
    names = ("tokenizer.ggml.merges", "tokenizer.ggml.token_type")
    return metadata.read(model_file, (*ARRAYS, *names))


TEXTS = (
    "Hello, world!",
    "I'll pay $1,234.50 in 2026.",
    "  two  spaces\n\n\tand a tab ",
    "naïve café — 日本語, 🙂🙃",
    "<|im_start|>user\nx<|im_end|>",
    "def f(x): return x**2  # comment",
)


def post(server: LlamaServer, path: str, **body: Any) -> Any:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {server.key}"}
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_tokens_are_llama_cpps(llama_server, facts):
    vocabulary = Vocabulary(facts)
    for text in TEXTS:
        theirs = post(llama_server, "/tokenize", content=text, parse_special=True)["tokens"]
        assert vocabulary.encode(text) == theirs, text
        read = vocabulary.reader()
        assert "".join(map(read, theirs)) == text.replace("<|im_start|>", "").replace("<|im_end|>", "")


def test_prompts_are_llama_cpps(llama_server, facts):
    said = (("user", "Hi"), ("assistant", "Ho"), ("user", "?"))
    messages = [{"role": role, "content": text} for role, text in said]
    for start in (0, 2):
        theirs = post(llama_server, "/apply-template", messages=messages[start:])["prompt"]
        assert Template(facts, None).render(messages[start:]) == theirs


def test_models_that_candle_does_not_know_are_refused(facts):
    import candle.functional

    with pytest.raises(ValueError, match=r"SmolLM's tokens, and these are gpt2/llama-bpe"):
        Vocabulary({**facts, "tokenizer.ggml.pre": "llama-bpe"})
    with pytest.raises(ValueError, match="no chat template"):
        Template({}, None)
    with pytest.raises(ValueError, match="architecture 'llama', and this is 'qwen3'"):
        Llama(candle, {}, {**facts, "general.architecture": "qwen3"})
    blocks = ("attn_q", "attn_k", "attn_v", "attn_output", "attn_norm", "ffn_gate", "ffn_up", "ffn_down", "ffn_norm")
    names = ["token_embd.weight", "output_norm.weight", *(f"blk.{n}.{one}.weight" for n in range(30) for one in blocks)]
    with pytest.raises(ValueError, match=r"not a plain Llama model: rope_freqs\.weight"):
        Llama(candle, dict.fromkeys([*names, "rope_freqs.weight"]), facts)
    with pytest.raises(ValueError, match=r"not a plain Llama model: blk\.29\.ffn_norm\.weight"):
        Llama(candle, dict.fromkeys(names[:-1]), facts)
    with pytest.raises(ValueError, match="rotary positions"):
        Llama(candle, dict.fromkeys(names), {**facts, "llama.rope.scaling.type": "yarn"})


@pytest.mark.parametrize(
    ("stops", "pieces", "given"),
    [
        (None, ["a", "b"], ["a", "b"]),
        ("xy", ["a", "x", "b"], ["a", "", "xb"]),
        (["xy"], ["ax", "yb"], ["a", ""]),
        (["bcd", "c"], ["abc"], ["ab"]),
        (["END"], ["E", "N", "E", "N", "D!"], ["", "", "EN", "", ""]),
        (["zz"], ["az"], ["a", "z"]),
    ],
)
def test_what_may_begin_a_stop_sequence_is_held_back(stops, pieces, given):
    held = Held(stops)
    found = [held.feed(piece) for piece in pieces]
    rest = held.rest()
    assert (found if held.stopped or not rest else [*found, rest]) == given
