"""`batch`: many conversations handed in at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Unpack

from lazybridge.batch_jobs.answers import TIER
from lazybridge.batch_jobs.job import EXAMPLE, Batch, checked
from lazybridge.batch_jobs.state import batches_of
from lazybridge.batch_jobs.steps import Steps, adrive, drive, submitting
from lazybridge.budget import budgets_in_force
from lazybridge.core.content import CacheHint
from lazybridge.core.endpoints.batches import BatchCreation, BatchJob
from lazybridge.core.hints import Thinking
from lazybridge.core.native_tools import AnyNativeTool
from lazybridge.core.providers._sdk import SDKProvider
from lazybridge.core.receipt import MONEY
from lazybridge.core.types import Adjustment, CompletionRequest, Effort, ToolDefinition
from lazybridge.cover import Held, hold
from lazybridge.endpoint_call import CallOptions, conceal, endpoint_run
from lazybridge.endpoint_run import EndpointRun
from lazybridge.engine import LLMEngine
from lazybridge.envelope import total_receipt
from lazybridge.settings import SETTING_NAMES, Task
from lazybridge.tool_sources import listed
from lazybridge.tools import Tool
from lazybridge.weighing import Weighed


class BatchOptions(CallOptions, total=False):
    """What a batch may carry: the settings of its requests, which are an agent's, and what a call of an endpoint takes.

    `extra_body` is merged into each request; `extra_headers`, `timeout` (in seconds) and `max_retries` are those of the
    calls that hand it in and look after it; `api` is the choice between OpenAI's two APIs.
    """

    system: str | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop: str | Sequence[str]
    seed: int | None
    tools: Iterable[Tool | ToolDefinition | Callable[..., Any]]
    native_tools: Iterable[AnyNativeTool]
    allow_dangerous_native_tools: bool
    tool_choice: str | None
    parallel_tool_calls: bool | None
    thinking: Thinking
    effort: Effort | None
    cache: CacheHint
    service_tier: str | None
    api: Literal["responses", "chat"]


def batch(
    tasks: Sequence[Task],
    model: str | None = None,
    *,
    output: Any = None,
    completion_window: str | None = None,
    metadata: Mapping[str, str] | None = None,
    **options: Unpack[BatchOptions],
) -> Batch:
    """Hand in many tasks at once, to be answered within a day at the vendor's price for batches: half, mostly.

    A task is what an Agent takes: a prompt, a Message or a conversation. `output` is the type of the answers;
    `completion_window` is how long the vendor may take ("24h", where it offers a choice), `metadata` what it keeps with the
    batch. Tools are offered and their calls are given back; nobody runs them.
    Raises ConfigurationError for a missing key, an unknown model or a wrong setting, ValueError for no tasks,
    UnsupportedFeatureError where the vendor has no batches, BudgetExceeded where a budget cannot pay for the worst case
    of all tasks together, and ProviderError, with `.attempts`, where it could not be handed in. A call that broke off
    may have begun a batch all the same, so it is not tried again: the vendor's own list of batches tells.
    """
    made = _Submission.of(tasks, model, output, completion_window, metadata, options)
    with made.kept():
        return made.begun(drive(made.run, made.steps))


async def abatch(
    tasks: Sequence[Task],
    model: str | None = None,
    *,
    output: Any = None,
    completion_window: str | None = None,
    metadata: Mapping[str, str] | None = None,
    **options: Unpack[BatchOptions],
) -> Batch:
    """`batch`, on the running event loop."""
    made = _Submission.of(tasks, model, output, completion_window, metadata, options)
    with made.kept():
        return made.begun(await adrive(made.run, made.steps))


_OF_THE_REQUESTS = (SETTING_NAMES | {"tools", "native_tools", "allow_dangerous_native_tools"}) - {
    "timeout",
    "extra_headers",
    "metadata",
}


class _Submission(NamedTuple):
    """A batch before it is handed in."""

    run: EndpointRun
    steps: Steps[BatchJob]
    model: str | None
    output: Any
    size: int
    adjustments: tuple[Adjustment, ...]
    headers: Mapping[str, str] | None
    held: Held | None

    @classmethod
    def of(
        cls,
        tasks: Sequence[Task],
        model: str | None,
        output: Any,
        completion_window: str | None,
        metadata: Mapping[str, str] | None,
        options: Mapping[str, Any],
    ) -> _Submission:
        conceal(options)
        if isinstance(tasks, (str, bytes, Mapping, Set)) or not isinstance(tasks, Iterable):
            raise TypeError(f"tasks are a list, got {type(tasks).__name__}: {tasks!r}\nwrite {EXAMPLE}")
        settings = {name: value for name, value in options.items() if name in _OF_THE_REQUESTS}
        others = {name: value for name, value in options.items() if name not in _OF_THE_REQUESTS}
        run, common = endpoint_run(model, others, EXAMPLE)
        provider = checked(run)
        engine = LLMEngine(common["model"], provider=provider, output=output, **settings)
        requests = [listed(engine.request(task), engine.sorted) for task in tasks]
        calls = [provider._translate(request, stream=False) for request in requests]
        batches, headers = batches_of(provider), common.get("extra_headers")
        creation = BatchCreation(
            bodies=tuple(call.body for _, call in calls),
            url=batches.url_of(calls[0][0]) if calls else "",
            model=provider._resolve_model(requests[0]) if requests else None,
            metadata=metadata,
            completion_window=completion_window,
            extra_headers=headers,
            strict=bool(options.get("strict")),
        )
        lost = tuple(dict.fromkeys(found for _, call in calls for found in call.adjustments))
        held = _held(run, provider, requests, creation.model or "")
        return cls(run, submitting(batches, creation), creation.model, output, len(calls), lost, headers, held)

    def begun(self, job: BatchJob) -> Batch:
        """The batch that the vendor has taken."""
        return Batch(
            job,
            checked(self.run),
            self.run.policy,
            model=self.model,
            output=self.output,
            size=self.size,
            timeout=self.run.deadline.timeout,
            extra_headers=self.headers,
            adjustments=(*self.adjustments, *job.adjustments),
            attempts=tuple(self.run.attempts),
            held=self.held,
        )

    @contextmanager
    def kept(self) -> Iterator[None]:
        """What was reserved stays so where the vendor took the batch; else nothing was asked, unless nobody knows."""
        with ExitStack() as stack:
            if self.held is not None:
                held = self.held
                stack.callback(lambda: held.settle(total_receipt(self.run.attempts)))
            yield
            stack.pop_all()


def _held(run: EndpointRun, provider: SDKProvider, requests: Sequence[CompletionRequest], model: str) -> Held | None:
    """What all requests can cost together at the price for batches, set aside. Raises BudgetExceeded where it does not fit."""
    if not budgets_in_force(run.policy.budget):
        return None
    total: Decimal | None = Decimal(0)
    for request in requests:
        weighed = Weighed(provider, request, TIER)
        cost = None if weighed.most is None else weighed.worst(weighed.most)
        total = None if total is None or cost is None else MONEY.add(total, cost)
    return hold(run.policy.budget, total, model)
