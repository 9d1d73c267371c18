"""Importing an SDK and making its client leave Python's collection of garbage as they found it, and give it nothing to do."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import warnings
import weakref

import pytest

from lazybridge.core.providers._making import one_at_a_time
from tests.conftest import KINDS
from tests.fake_vendor import FakeVendor

FIRST_CALL = """
import gc, sys
{before}
whole = []
gc.callbacks.append(lambda phase, info: phase == "stop" and info["generation"] == 2 and whole.append(info))
from lazybridge import Agent
before = gc.isenabled(), gc.get_freeze_count() > 0
assert Agent({model!r}, provider={provider!r}, api_key="k", base_url={url!r})("hi").ok
assert {sdk!r} in sys.modules
assert before == (gc.isenabled(), gc.get_freeze_count() > 0)
print(len(whole))
"""


@pytest.mark.parametrize("before", ["", "gc.disable()", "gc.freeze()"])
@pytest.mark.parametrize("kind", ["chat", "messages"])
def test_a_first_call_goes_through_no_sdk_for_garbage(kind: str, before: str, vendor: FakeVendor) -> None:
    """By itself either import is gone through as a whole, all generations of it. What the caller set stays set."""
    subject = KINDS[kind]
    provider, sdk = ("openai", "openai") if kind == "chat" else ("anthropic", "anthropic")
    code = FIRST_CALL.format(
        before=before, model=subject.model, provider=provider, url=subject.url(vendor.url), sdk=sdk
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert (done.stderr, done.stdout.strip()) == ("", "0")


def test_garbage_is_collected_again_where_a_client_could_not_be_made() -> None:
    def fails() -> None:
        assert not gc.isenabled()
        raise RuntimeError("no client")

    with pytest.raises(RuntimeError, match="no client"):
        one_at_a_time(fails)
    assert gc.isenabled()


def test_where_nothing_is_imported_a_small_collection_finds_what_is_young() -> None:
    """Else a program with many event loops would collect no garbage but in its largest, rarest collections."""

    class Thing:
        pass

    gc.collect()
    thing = Thing()
    thing.itself = thing  # type: ignore[attr-defined]
    gone = weakref.ref(thing)
    del thing
    one_at_a_time(object)
    gc.collect(0)
    assert gone() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_that_is_forked_meanwhile_collects_its_garbage() -> None:
    def forked() -> int:
        child = os.fork()
        if child == 0:
            os._exit(0 if gc.isenabled() else 1)
        return child

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forking with threads
        child = one_at_a_time(forked)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
