"""One prompt, from its Agent to the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import click

from lazybridge.agent import Agent
from lazybridge.agent_stream import AgentStream
from lazybridge.cli.exits import INCOMPLETE_STOPS, Exit, exit_code
from lazybridge.cli.notes import complain, footer, note, plain_warnings, show_footer
from lazybridge.cli.record import print_json, record
from lazybridge.core.errors import LazyBridgeError
from lazybridge.core.types import CompletionRequest
from lazybridge.default_choice import default_provider
from lazybridge.engine import LLMEngine
from lazybridge.envelope import Envelope, EnvelopeMetadata


@dataclass(frozen=True)
class Question:
    """What is asked of whom; `agent` holds the keywords of the Agent."""

    task: str
    attachments: Sequence[str] = ()
    agent: dict[str, Any] = field(default_factory=dict)
    schema: dict[str, Any] | None = None


@dataclass(frozen=True)
class Display:
    """How the answer is shown."""

    json: bool = False
    stream: bool = True
    quiet: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a call ended: `error` is the failure, or KeyboardInterrupt where the user stopped it."""

    envelope: Envelope[Any] | None = None
    error: BaseException | None = None

    @property
    def metadata(self) -> EnvelopeMetadata:
        """What the call took; empty where none was made."""
        return self.envelope.metadata if self.envelope is not None else EnvelopeMetadata()


def ask(question: Question, display: Display) -> Exit:
    """Ask, print the answer on stdout and the rest on stderr."""
    with plain_warnings():
        outcome = _ask(question, display)
    _print(outcome, question, display)
    return _explain(outcome, display)


def _ask(question: Question, display: Display) -> Outcome:
    settings = dict(question.agent)
    if display.quiet and settings.get("model") is None and settings.get("provider") is None:
        settings["provider"] = default_provider(
            LLMEngine._PROVIDER_DEFAULT
        ).name  # named, so that nobody needs to be told of it
    try:
        agent = Agent(**settings, output=question.schema)
        request = agent.engine.request(question.task, question.attachments)
    except (LazyBridgeError, ValueError, TypeError, OSError) as error:
        return Outcome(error=error)
    with closing(agent):
        if _streams(question, display):
            return _streamed(agent, request)
        return _whole(agent, request)


def _streams(question: Question, display: Display) -> bool:
    """JSON is printed when it is whole and valid, never as it arrives."""
    return display.stream and not display.json and question.schema is None


def _whole(agent: Agent, request: CompletionRequest) -> Outcome:
    try:
        envelope = agent.engine.run(request)
    except KeyboardInterrupt as stopped:
        return Outcome(error=stopped)
    return Outcome(envelope, envelope.error)


def _streamed(agent: Agent, request: CompletionRequest) -> Outcome:
    """The answer on stdout as it arrives, its last line ended also where it was cut off."""
    stream = AgentStream(lambda: agent.engine.call(request))
    error: BaseException | None = None
    last = ""
    try:
        with stream:
            for chunk in stream:
                if chunk.delta:
                    last = chunk.delta
                    click.echo(chunk.delta, nl=False)
    except (LazyBridgeError, KeyboardInterrupt) as exc:
        error = exc
    if last and not last.endswith("\n"):
        click.echo()
    return Outcome(stream.envelope, error)


def _print(outcome: Outcome, question: Question, display: Display) -> None:
    error, envelope = outcome.error, outcome.envelope
    if display.json:
        print_json(record(envelope, error, with_payload=question.schema is not None))
    elif question.schema is not None:
        if error is None and envelope is not None:
            print_json(envelope.payload)
    elif not _streams(question, display):
        text = envelope.text() if error is None and envelope is not None else getattr(error, "partial_text", "")
        if text:
            click.echo(text, nl=not text.endswith("\n"))


def _explain(outcome: Outcome, display: Display) -> Exit:
    meta, error = outcome.metadata, outcome.error
    stopped = isinstance(error, KeyboardInterrupt)
    if error is not None and not stopped:
        complain(error)
    elif meta.stop_reason in INCOMPLETE_STOPS:
        note(f"the answer is not whole: {meta.stop_reason}")
    if not display.quiet and meta.attempts:
        show_footer(footer(meta, "stopped" if stopped else "failed" if error is not None else None))
    return Exit.STOPPED if stopped else exit_code(meta, error)
