"""`verify=`: a judge looks at each answer, and what it objects to goes back to the model."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from lazybridge.composed import AnyCall, Ask, Composed, Do, Steps
from lazybridge.core import structured
from lazybridge.core.errors import ConfigurationError, LazyBridgeError, VerificationError
from lazybridge.core.types import CompletionRequest, Message
from lazybridge.envelope import Envelope

Judge = Callable[[str], AnyCall] | Callable[[Any], Any]


@dataclass
class Verdict:
    """What a judge that is an agent answers."""

    stands: bool
    reason: str = ""


@dataclass(frozen=True)
class Verification:
    """Who judges the answers, and how many of them at most. `asks` makes the call of a judge that is an agent."""

    judge: Any
    most: int
    asks: Callable[[str], AnyCall] | None = None


def checked_verification(judge: Any, most: int, asks: Callable[[str], AnyCall] | None = None) -> Verification | None:
    """What `verify=` and `max_verify=` were given. Raises ConfigurationError for what is neither function nor agent."""
    if type(most) is not int or most < 1:
        raise ConfigurationError(
            f"max_verify={most!r} is no count of answers\nmax_verify is a whole number from 1, such as 3"
        )
    if judge is not None and (not callable(judge) or (hasattr(judge, "as_tool") and asks is None)):
        raise ConfigurationError(f"verify={judge!r} is no judge\nwrite a function of the answer, or an Agent")
    return None if judge is None else Verification(judge, most, asks)


class VerifiedCall(Composed):
    """One call, and again with the judge's reason until its answer stands."""

    def __init__(
        self, make: Callable[[CompletionRequest], AnyCall], request: CompletionRequest, verification: Verification
    ) -> None:
        super().__init__(request.timeout)
        self._make, self._request, self._verification = make, request, verification

    def _steps(self) -> Steps:
        request, reason = self._request, ""
        for _ in range(self._verification.most):
            envelope: Envelope[Any] = yield Ask(_made(self._make, request))
            if not envelope.ok or envelope.response is None or envelope.tool_calls:
                return envelope
            try:
                reason = yield from self._objection(envelope)
            except LazyBridgeError as failure:
                failure.partial_text = envelope.text()
                raise
            if not reason:
                return envelope
            request = _again(request, envelope, reason)
        error = VerificationError(f"no answer stood after max_verify={self._verification.most}: {reason}")
        error.answer, error.partial_text, error.reason = envelope.payload, envelope.text(), reason
        raise error

    def _objection(self, envelope: Envelope[Any]) -> Generator[Any, Any, str]:
        """Why an answer does not stand; "" where it does. Raises VerificationError where the judge cannot say."""
        judge, asks = self._verification.judge, self._verification.asks
        if asks is not None:
            judged: Envelope[Any] = yield Ask(lambda: asks(_question(self._request, envelope)))
            if judged.error is not None:
                raise judged.error
            assert judged.response is not None
            verdict = structured.parse(Verdict, judged.response)
            return "" if verdict.stands else verdict.reason or _NO_REASON
        try:
            said = yield Do(judge, (envelope.payload,))
        except LazyBridgeError:
            raise
        except Exception as exc:  # a judge that fails has let nothing pass
            raise _undecided(envelope, f"the judge failed: {type(exc).__name__}: {exc}") from exc
        if said is None or said is True or said == "":
            return ""
        if said is False:
            return _NO_REASON
        if not isinstance(said, str):
            raise _undecided(envelope, f"a judge says None, True, False or a reason, got {said!r}")
        return said


_NO_REASON = "The answer does not stand."


def _undecided(envelope: Envelope[Any], reason: str) -> VerificationError:
    error = VerificationError(reason)
    error.answer, error.reason = envelope.payload, reason
    return error


def _made(make: Callable[[CompletionRequest], AnyCall], request: CompletionRequest) -> Callable[[], AnyCall]:
    return lambda: make(request)


def _again(request: CompletionRequest, envelope: Envelope[Any], reason: str) -> CompletionRequest:
    """The same question with the answer and what is wrong with it."""
    assert envelope.response is not None
    said = envelope.response.to_message()
    if not said.content:
        said = Message.assistant("(no text)")
    return request.with_messages((*request.messages, said, Message.user(reason)))


def _question(request: CompletionRequest, envelope: Envelope[Any]) -> str:
    task = "\n\n".join(f"{message.role}: {message.text}" for message in request.messages if message.text)
    return (
        f"<task>\n{task}\n</task>\n\n<answer>\n{envelope.text()}\n</answer>\n\n"
        "Does the answer stand? Say what is wrong with it where it does not."
    )
