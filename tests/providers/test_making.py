"""Importing an SDK and making its client leave Python's collection of garbage as they found it, and give it nothing to do."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable

import pytest

from lazybridge.core.providers._making import one_at_a_time
from tests.conftest import KINDS
from tests.fake_vendor import FakeVendor

FIRST_CALL = """
import gc, sys
{before}
before = gc.isenabled(), gc.get_freeze_count() > 0, gc.get_threshold()
from lazybridge import Agent
agent = Agent({model!r}, provider={sdk!r}, api_key="k", base_url={url!r})
assert {sdk!r} not in sys.modules
collections = []
gc.callbacks.append(lambda *seen: collections.append(seen))
agent.engine.provider._sync_client()
print(len(collections))
assert {sdk!r} in sys.modules
assert agent("hi").ok
assert before == (gc.isenabled(), gc.get_freeze_count() > 0, gc.get_threshold())
"""


@pytest.mark.parametrize("before", ["", "gc.disable()", "gc.freeze()", "gc.set_threshold(0)"])
@pytest.mark.parametrize("kind", ["chat", "messages"])
def test_a_first_call_looks_for_no_garbage_in_the_sdk(kind: str, before: str, vendor: FakeVendor) -> None:
    """By itself either import is gone through hundreds of times. What the program set stays set."""
    subject = KINDS[kind]
    code = FIRST_CALL.format(before=before, model=subject.model, url=subject.url(vendor.url), sdk=subject.sdk)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.stdout.strip()) == ("", "0")


def test_garbage_is_collected_as_usual_where_a_client_could_not_be_made() -> None:
    usual = gc.get_threshold()

    def fails() -> None:
        assert gc.get_threshold()[0] > usual[0]
        raise RuntimeError("no client")

    with pytest.raises(RuntimeError, match="no client"):
        one_at_a_time(fails)
    assert gc.get_threshold() == usual


@pytest.mark.parametrize("set_meanwhile", [lambda: gc.disable(), lambda: gc.set_threshold(77, 7, 7)])
def test_what_a_program_sets_meanwhile_stays(set_meanwhile: Callable[[], None]) -> None:
    usual = gc.get_threshold()
    try:
        one_at_a_time(set_meanwhile)
        assert not gc.isenabled() or gc.get_threshold()[:2] == (77, 7)
    finally:
        gc.enable()
        gc.set_threshold(*usual)


def test_where_nothing_is_imported_a_small_collection_finds_what_is_young() -> None:
    """Else a program with many event loops would collect no garbage but in its largest, rarest collections."""

    class Thing:
        itself: object = None

    gc.collect()
    thing = Thing()
    thing.itself = thing
    gone = weakref.ref(thing)
    del thing
    one_at_a_time(object)
    gc.collect(0)
    assert gone() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_that_is_forked_meanwhile_collects_its_garbage() -> None:
    usual = gc.get_threshold()

    def forked() -> int:
        child = os.fork()
        if child == 0:
            os._exit(0 if gc.get_threshold() == usual else 1)
        return child

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forking with threads
        child = one_at_a_time(forked)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
