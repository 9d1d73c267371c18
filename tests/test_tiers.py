"""What a tier means: the provider's table, a registration, a lock file; and the rung that has what a request needs."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import lazybridge
from lazybridge import Agent, ConfigurationError, LLMEngine, Message
from lazybridge.core import catalogue, registry, tiers
from lazybridge.core.catalogue import lifecycle
from lazybridge.core.providers.openai import OpenAIProvider
from lazybridge.core.types import TIERS
from lazybridge.default_choice import DEFAULT_ORDER
from tests.fake_vendor import FakeVendor

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 32


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.chdir(tmp_path)


def model_of(agent: Agent) -> str | None:
    return agent.engine.model


def test_a_registered_tier_stands_before_the_provider_s_own() -> None:
    lazybridge.register_tier("Anthropic", "cheap", "claude-sonnet-5-5")
    assert model_of(Agent.from_provider("claude", tier="cheap")) == "claude-sonnet-5-5"
    assert model_of(Agent.from_provider("anthropic", tier="super_cheap")) == "claude-haiku-5-5"
    assert LLMEngine(provider="anthropic", tier="cheap").model == "claude-sonnet-5-5"


@pytest.mark.parametrize(("tier", "model"), [("cheep", "m"), ("cheap", ""), ("cheap", "medium")])
def test_a_bad_registration_says_what_to_write(tier: str, model: str) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'cheap'|is no model id"):
        lazybridge.register_tier("anthropic", tier, model)  # type: ignore[arg-type]


def test_without_a_provider_the_first_vendor_with_a_key_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [*dict(DEFAULT_ORDER)] == ["anthropic", "openai", "google", "mistral", "groq", "xai", "deepseek", "zai", "cerebras", "openrouter"]  # fmt: skip
    for _, variable in DEFAULT_ORDER:
        monkeypatch.setenv(variable, "test-key-0123456789")
    for name, variable in DEFAULT_ORDER:
        for agent, tier in ((Agent(), None), (Agent(tier="cheap"), "cheap")):
            cls = type(agent.engine.provider)
            assert agent.engine.provider.registered_name() == name
            assert model_of(agent) == (cls.resolve_tier(tier) if tier else None)
        assert f"lazybridge: using {name}, because {variable} is set\n" in capsys.readouterr().err
        monkeypatch.delenv(variable)
    assert type(Agent(tier="cheap").engine.provider).__name__ == "LocalProvider"
    assert "none of ANTHROPIC_API_KEY, OPENAI_API_KEY, " in capsys.readouterr().err


def test_the_order_names_the_variables_that_the_classes_read() -> None:
    for name in dict(DEFAULT_ORDER):
        cls: Any = registry.provider_class(name)
        assert [variable for other, variable in DEFAULT_ORDER if other == name] == [cls.key_variable, *cls.other_key_variables]  # fmt: skip
        assert cls.default_model
        assert set(cls._TIER_ALIASES) == set(TIERS)


def test_the_page_on_providers_has_the_order() -> None:
    page = (Path(__file__).parents[1] / "docs" / "providers.md").read_text(encoding="utf-8")
    written = page.split("<!-- the default order -->")[1].split("<!-- end -->")[0]
    assert re.findall(r"`(\w+)` \(`(\w+)`\)", written) == list(DEFAULT_ORDER)


# --- the lock file --------------------------------------------------------------------------------------------------


def locked(path: Path, **rows: str) -> Path:
    path.write_text(json.dumps({"tiers": {"anthropic": {word: {"model": model} for word, model in rows.items()}}}))
    return path


def test_a_lock_file_in_the_working_directory_is_obeyed(tmp_path: Path) -> None:
    locked(tmp_path / "lazybridge.lock", cheap="claude-haiku-4-5", default="claude-opus-5-5")
    assert model_of(Agent.from_provider("anthropic", tier="cheap")) == "claude-haiku-4-5"
    assert model_of(Agent("claude")) == "claude-opus-5-5"
    assert model_of(Agent.from_provider("anthropic", tier="top")) == "claude-fable-5-2"
    lazybridge.register_tier("anthropic", "cheap", "claude-sonnet-5-5")
    assert model_of(Agent.from_provider("anthropic", tier="cheap")) == "claude-sonnet-5-5"


def test_a_lock_file_may_stand_elsewhere_or_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked(tmp_path / "lazybridge.lock", cheap="claude-haiku-4-5")
    other = locked(tmp_path / "other.json", cheap="claude-opus-5")
    monkeypatch.setenv(tiers.LOCK_VARIABLE, str(other))
    assert model_of(Agent.from_provider("anthropic", tier="cheap")) == "claude-opus-5"
    monkeypatch.setenv(tiers.LOCK_VARIABLE, "off")
    assert model_of(Agent.from_provider("anthropic", tier="cheap")) == "claude-haiku-5-5"
    monkeypatch.setenv(tiers.LOCK_VARIABLE, str(tmp_path / "missing.json"))
    with pytest.raises(ConfigurationError, match=r"lazybridge lock --file .*missing\.json"):
        Agent.from_provider("anthropic", tier="cheap")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"tiers": {"anthropic": {"cheap": "x"}}}', '{"tiers": {"anthropic": {"cheap": {"model": 5}}}}']
)
def test_a_broken_lock_file_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "lazybridge.lock").write_text(text)
    with pytest.raises(ConfigurationError, match="write it anew: lazybridge lock"):
        Agent.from_provider("anthropic", tier="cheap")


# --- what a request needs -------------------------------------------------------------------------------------------


@pytest.fixture
def blind(vendor: FakeVendor) -> Iterator[Agent]:
    original = dict(OpenAIProvider._TIER_ALIASES)
    OpenAIProvider._TIER_ALIASES = {**original, "cheap": "gpt-audio-mini", "super_cheap": "gpt-audio-mini"}
    try:
        yield Agent.from_provider("openai", tier="cheap", base_url=f"{vendor.url}/v1", api="chat")
    finally:
        OpenAIProvider._TIER_ALIASES = original


def test_a_picture_is_shown_to_a_rung_that_sees(blind: Agent, vendor: FakeVendor) -> None:
    assert catalogue.profile("openai", "gpt-audio-mini").vision is False
    envelope = blind([Message.user("what is this?", attachments=[PNG])])
    assert envelope.ok
    assert vendor.requests[-1]["json"]["model"] == "gpt-6.1-terra"
    (note,) = [note for note in envelope.metadata.adjustments if note.parameter == "tier"]
    assert note.reason == "cheap is gpt-audio-mini, which lacks vision; asked medium: gpt-6.1-terra"
    looking = [Message.user("what is this?", attachments=[PNG])]
    assert blind.dry_run(looking)["model"] == blind.estimate(looking).model == "gpt-6.1-terra"
    assert blind("no picture").ok
    assert vendor.requests[-1]["json"]["model"] == "gpt-audio-mini"


def test_where_no_rung_hears_it_is_said(vendor: FakeVendor) -> None:
    agent = Agent.from_provider("openai", tier="cheap", base_url=f"{vendor.url}/v1")
    sound = lazybridge.AudioContent(data=b"RIFF0000WAVE", media_type="audio/wav")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        envelope = agent([Message.user(["hear this", sound])])
    reasons = {note.parameter: note.reason for note in envelope.metadata.adjustments}
    assert reasons["tier"] == "cheap is gpt-5.6-luna, which lacks audio, and no other tier of openai has it"
    assert "audio" in reasons


# --- retirement -----------------------------------------------------------------------------------------------------


@pytest.fixture
def day(monkeypatch: pytest.MonkeyPatch) -> date:
    frozen = date(2026, 11, 22)
    monkeypatch.setattr(lifecycle, "today", lambda: frozen)
    monkeypatch.setattr(lifecycle, "_warned", set())
    return frozen


def test_a_model_on_its_way_out_warns_once_with_date_and_replacement(day: date) -> None:
    with pytest.warns(UserWarning, match="claude-sonnet-4-5 retires on 2026-11-30, use claude-"):
        Agent("claude-sonnet-4-5")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Agent("claude-sonnet-4-5")
        Agent("claude-haiku-5-5")


def test_every_tier_is_served_for_90_days_more(day: date) -> None:
    for name in ("openai", "anthropic"):
        for tier in TIERS:
            model = model_of(Agent.from_provider(name, tier=tier))
            assert model is not None
            left = lifecycle.days_left(catalogue.profile(name, model), day)
            assert left is None or left > 90, (model, left)
