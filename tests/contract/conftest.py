"""The contract suite asks every kind of vendor, the compatible ones included."""

from __future__ import annotations

import pytest

from tests.conftest import COMPATIBLE, KINDS, Kind


@pytest.fixture(params=[*KINDS, *COMPATIBLE])
def kind(request: pytest.FixtureRequest) -> Kind:
    return {**KINDS, **COMPATIBLE}[request.param]
