"""pytest's part: the option `--lazybridge-record` and the fixture `lazybridge_cassette`. It imports nothing until used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lazybridge.testing.cassette import Cassette

_FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--lazybridge-record`."""
    parser.getgroup("lazybridge").addoption(
        "--lazybridge-record",
        choices=("none", "new", "all"),
        default="none",
        help="for tests with lazybridge_cassette: replay alone (none), record what is missing (new), or everything (all)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker that sets options of a test's cassette."""
    config.addinivalue_line(
        "markers", "lazybridge_cassette(path=None, ignore=(), allow_unused=False): options of the test's cassette"
    )


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
    """Remember which tests failed: they need not hear of calls that they did not come to."""
    if call.when == "call" and call.excinfo is not None:
        item.stash[_FAILED] = True


@pytest.fixture
def lazybridge_cassette(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    """The recording of this test: `cassettes/<module>/<test>.json` beside its file, replayed unless `--lazybridge-record`
    says otherwise. `@pytest.mark.lazybridge_cassette(path=..., ignore=[...], allow_unused=True)` sets its options."""
    from lazybridge.testing.cassette import Cassette

    marker = request.node.get_closest_marker("lazybridge_cassette")
    given = () if marker is None else zip(("path", "ignore", "allow_unused"), marker.args, strict=False)
    options = {**dict(given), **({} if marker is None else marker.kwargs)}
    directory = Path(request.node.path).parent
    path = directory / (options.pop("path", None) or Path("cassettes", Path(request.node.path).stem, _named(request)))
    cassette = Cassette(path, request.config.getoption("--lazybridge-record"), **options)
    with cassette:
        yield cassette
        if request.node.stash.get(_FAILED, False):
            cassette.allow_unused = True


def _named(request: pytest.FixtureRequest) -> str:
    inside = f"{request.cls.__name__}." if request.cls is not None else ""
    return re.sub(r"[^\w.=+-]+", "-", inside + request.node.name).strip("-") + ".json"
