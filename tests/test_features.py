"""The matrix of docs/providers.md: it is what the classes say, and every line of it is proven on somebody else's bytes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from tests import features

ROOT = Path(__file__).resolve().parents[1]
TRAFFIC = ROOT.parent / "shared" / "conformance" / "open"
# The recorder's name of a vendor, where it is not ours.
RECORDED_AS = {"azure": ("azure_openai",), "google": ("google", "vertex")}


@cache
def recorded() -> frozenset[tuple[str, str]]:
    """Vendor and API of every recorded exchange that is no error."""
    lines = (line for path in TRAFFIC.glob("*.jsonl") for line in path.read_text(encoding="utf-8").split("\n") if line)
    records = map(json.loads, lines)
    return frozenset((item["provider"], item["api"]) for item in records if item["expected"]["kind"] != "error")


def test_the_matrix_is_what_the_classes_say() -> None:
    assert features.PAGE.read_text() == features.page_with_table()


def test_every_provider_names_what_proves_it() -> None:
    assert {name for _, name, _ in features.providers()} == set(features.PROOFS)
    for name, proofs in features.PROOFS.items():
        for proof in proofs:
            if proof != features.RECORDED:
                assert name in (ROOT / features.TESTS[proof]).read_text(), (name, proof)


@pytest.mark.skipif(not TRAFFIC.exists(), reason="the recorded traffic is not in this checkout")
def test_recorded_traffic_is_there_where_it_is_named() -> None:
    vendors = {vendor for vendor, _ in recorded()}
    for name, proofs in features.PROOFS.items():
        if features.RECORDED in proofs:
            assert vendors & set(RECORDED_AS.get(name, (name,))), name


@pytest.mark.skipif(not TRAFFIC.exists(), reason="the recorded traffic is not in this checkout")
def test_every_endpoint_is_proven() -> None:
    for _, name, provider in features.providers():
        for endpoint in provider.endpoints:
            by_records = any(
                (vendor, api) in recorded()
                for vendor in RECORDED_AS.get(name, (name,))
                for api in features.ENDPOINT_APIS.get(endpoint, ())
            )
            test = features.ENDPOINT_TESTS.get((name, endpoint))
            assert by_records or (test and name in (ROOT / test).read_text()), (name, endpoint)
