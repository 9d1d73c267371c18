"""fal-client's clients, one for synchronous calls and one for each event loop, and the questions that they are asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lazybridge.core.errors import ConfigurationError
from lazybridge.core.providers import _tape
from lazybridge.core.providers._clients import LoopClients, closed_with, installed
from lazybridge.core.providers._connection import Connection
from lazybridge.core.providers._fal_attempts import Asking, Place
from lazybridge.core.providers._making import one_at_a_time
from lazybridge.core.retry import Deadline, checked_timeout

if TYPE_CHECKING:
    from lazybridge.core.endpoints.fal import FalPrice
    from lazybridge.core.providers._fal import AsyncFalClient, FalClient

_ID = re.compile(r"(?!\.)[\w.-]+(/(?!\.)[\w.-]+)+")


class FalConnection(Connection):
    """fal-client beside another SDK. `run_url`, `queue_url` and `api_url` stand in for https://fal.run,
    https://queue.fal.run and https://api.fal.ai.

    `unit_prices` are what is known of prices, by application; what `FalProvider.price_of` reads is put there.
    """

    run_url: str | None = None
    queue_url: str | None = None
    api_url: str | None = None
    unit_prices: dict[str, FalPrice]
    _sync_fal: FalClient | None = None

    def _init_client(
        self, *, run_url: str | None = None, queue_url: str | None = None, api_url: str | None = None, **kwargs: Any
    ) -> None:
        for option, value in (("run_url", run_url), ("queue_url", queue_url), ("api_url", api_url)):
            if value is not None and not isinstance(value, str):
                raise ConfigurationError(f"{option} is a {type(value).__name__}\n{option} is a text")
        self.run_url, self.queue_url = run_url or self.run_url, queue_url or self.queue_url
        self.api_url, self.unit_prices = api_url or self.api_url, {}
        super()._init_client(**kwargs)

    @classmethod
    def _options(cls) -> tuple[str, ...]:
        return ("run_url", "queue_url", "api_url")

    def _key(self) -> str:
        return self.api_key or self._environment_key() or "no-key"  # a server of one's own may do without

    def _addresses(self) -> tuple[str | None, str | None, str | None]:
        """Where the applications, the queue and the prices are; None is where fal says."""
        return self.run_url, self.queue_url, self.api_url

    def _check_address(self, queue: bool) -> None:
        """Raises ConfigurationError where fal-client's addresses are not the ones that are meant."""

    def _check_fal_client(self) -> None:
        if not installed("fal_client"):
            raise ConfigurationError('the package fal-client is not installed\npip install "lazybridge[fal]"')

    def _fal_client(self) -> FalClient:
        _tape.refuse("what goes through fal-client")
        return self._sync_fal or one_at_a_time(self._made_fal_client)

    def _made_fal_client(self) -> FalClient:
        if self._sync_fal is None:
            self._check_fal_client()
            from lazybridge.core.providers._fal import FalClient

            self._sync_fal = FalClient(self._key(), *self._addresses())
            self._fal_finalizer = closed_with(self, self._sync_fal)
        return self._sync_fal

    async def _async_fal_client(self) -> AsyncFalClient:
        _tape.refuse("what goes through fal-client")
        found: AsyncFalClient = await self._fal_loop_clients.get()
        return found

    def _make_async_fal(self) -> AsyncFalClient:
        self._check_fal_client()
        from lazybridge.core.providers._fal import AsyncFalClient

        return AsyncFalClient(self._key(), *self._addresses())

    def close(self) -> None:
        """Close the synchronous clients; the next call makes new ones."""
        super().close()
        client, self._sync_fal = self._sync_fal, None
        if client is not None:
            self._fal_finalizer.detach()
            client.close()

    async def aclose(self) -> None:
        """Close the running loop's clients and the synchronous ones."""
        await self._fal_loop_clients.aclose()
        await super().aclose()

    def _forget_clients(self) -> None:
        super()._forget_clients()
        if self._sync_fal is not None:
            self._fal_finalizer.detach()
        self._sync_fal = None
        self._fal_loop_clients = LoopClients(self._make_async_fal)

    # --- questions --------------------------------------------------------------------------------------------------

    def _starting(
        self,
        application: str,
        arguments: Mapping[str, Any],
        timeout: float | None,
        max_retries: int,
        headers: Mapping[str, str] | None,
        *,
        queue: bool = False,
    ) -> Asking:
        check_application(application)
        self._check_address(queue)
        if not isinstance(arguments, Mapping):
            example = f'write {{"prompt": "..."}}, as the page of {application} says'
            raise ConfigurationError(f"arguments are a {type(arguments).__name__}, not an object\n{example}")
        deadline = Deadline(checked_timeout(timeout))
        return Asking(self, application, deadline, headers, max_retries=max_retries, repeatable=False)

    def _place(self, application: str, request_id: str) -> Place:
        check_application(application)
        if not (isinstance(request_id, str) and request_id):
            raise ConfigurationError(f"request_id={request_id!r} is no id\nit is FalJob.request_id, a text")
        self._check_address(queue=True)
        self._check_fal_client()
        from lazybridge.core.providers._fal import place_by_id

        return place_by_id(application, request_id)


def check_application(application: object) -> None:
    """Raises ConfigurationError for what names no application."""
    if not (isinstance(application, str) and _ID.fullmatch(application)):
        raise ConfigurationError(f'{application!r} is no application of fal\nname it with its owner: "fal-ai/flux/dev"')
