"""The house, as DESIGN draws it: imports point down, rooms keep their size, I/O is written once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "lazybridge"
FILES = sorted(ROOT.rglob("*.py"))

# A module may import what stands on its own line or below it.
LEVELS = (
    ("cli", "testing"),
    ("manager", "warming"),
    ("agent", "chat", "batch_jobs", "compose", "mcp", "embeddings", "media", "music", "pictures", "shapes", "video"),
    ("models", "factories", "handles", "fallback", "cached"),
    ("model_stream", "flight", "cache_stores", "shared_stream"),
    ("options",),
    ("token_count",),
    ("endpoint_call",),
    ("endpoint_run",),
    ("chat_turn",),
    ("memory",),
    ("agent_stream",),
    ("engines",),
    ("engine",),
    ("guards", "verify", "tool_sources", "mcp_results", "mcp_session"),
    ("composed",),
    ("call", "partials"),
    ("drivers", "transcript"),
    ("hedging",),
    ("racing",),
    ("run",),
    ("gate", "onward", "failing"),
    ("policy", "least"),
    ("breaker", "succession", "patience"),
    ("settings", "progress"),
    ("broken",),
    ("limits",),
    ("waiting",),
    ("cover", "nesting"),
    ("budget", "budget_books", "budget_file", "ledger", "session", "telemetry"),
    ("estimate", "needs", "weighing", "default_choice", "routing"),
    ("loop", "tools", "envelope", "arrived"),
    ("listening",),
    ("telling",),
    ("heard",),
    ("audience",),
    ("conventions", "event_facts"),
    ("events",),
    ("awaiting", "destination"),
    ("core.providers",),
    ("core.tiers",),
    ("core.registry", "core.retry", "core.clock"),
    ("core.wire",),
    ("core.structured", "core.pricing"),
    ("core.endpoints", "core.messages_json"),
    ("core.types",),
    ("core.chunks",),
    ("core.native_tools",),
    ("core.download",),
    ("core.addresses",),
    ("core.content",),
    (
        "core.catalogue",
        "core.errors",
        "core.closing",
        "core.counting",
        "core.hints",
        "core.loops",
        "core.bodies",
        "core.tokens",
        "core.growing",
        "core.makers",
        "core.media_types",
        "core.raw",
    ),
    ("core.receipt", "core.usage", "core.showing", "notebook"),
)
# The base class registers itself, and a lookup returns the class: the two know each other by name only.
KNOWN_UPWARD = {("core.registry", "core.providers.base")}

CEILINGS = {
    "__init__.py": 80, "media.py": 200, "music.py": 100, "pictures.py": 150, "progress.py": 150, "shapes.py": 100, "video.py": 150, "agent.py": 300, "warming.py": 100, "engine.py": 300, "budget.py": 150, "ledger.py": 200, "estimate.py": 200, "notebook.py": 300, "loop.py": 150, "composed.py": 300, "drivers.py": 200, "envelope.py": 200,
    "core/download.py": 250, "core/native_tools.py": 200, "core/hints.py": 120, "core/types.py": 400, "core/content.py": 250, "core/registry.py": 200, "core/retry.py": 200, "partials.py": 100,
    "core/pricing.py": 250, "core/providers/base.py": 300, "core/providers/_sdk.py": 300, "core/providers/openai.py": 150,
    "core/providers/anthropic.py": 150, "core/providers/groq.py": 150, "core/providers/fal.py": 150,
    "core/providers/compatible.py": 300, "core/providers/azure.py": 100,
    "core/providers/google.py": 150,
}  # fmt: skip
USUAL_CEILINGS = {
    "core/wire/": 400,
    "core/errors/": 250,
    "core/catalogue/": 200,
    "core/providers/": 200,
    "cli/": 250,
    "batch_jobs/": 200,
    "tools/": 250,
    "": 250,
}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    """The lazybridge modules that a file imports when it is loaded or run; imports for type checkers do not count."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lazybridge"):
            base = node.module.removeprefix("lazybridge").removeprefix(".")
            found |= {f"{base}.{alias.name}".strip(".") if (ROOT / base.replace(".", "/") / f"{alias.name}.py").exists() or (ROOT / base.replace(".", "/") / alias.name).is_dir() else base for alias in node.names}  # fmt: skip
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.removeprefix("lazybridge.") for alias in node.names if alias.name.startswith("lazybridge.")
            }
    return found - {""}


def level_of(module: str) -> int:
    for index, line in enumerate(LEVELS):
        if any(module == entry or module.startswith(f"{entry}.") for entry in line):
            return index
    raise AssertionError(f"{module} has no place in the house")


@pytest.mark.parametrize("path", [path for path in FILES if name_of(path) not in ("__init__", "core")], ids=name_of)
def test_imports_point_down(path: Path) -> None:
    module = name_of(path)
    for imported in imports_of(path):
        if imported == "core" or (module, imported) in KNOWN_UPWARD:
            continue
        assert level_of(imported) >= level_of(module), f"{module} imports {imported}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_room_is_larger_than_its_ceiling(path: Path) -> None:
    relative = str(path.relative_to(ROOT))
    ceiling = CEILINGS.get(relative) or next(
        size for prefix, size in USUAL_CEILINGS.items() if relative.startswith(prefix)
    )
    assert len(path.read_text().splitlines()) <= ceiling


def test_the_four_methods_are_written_once() -> None:
    """Only the base class, the SDK base and a provider with no SDK of the usual shape define them."""
    allowed = {"base.py", "_sdk.py", "provider.py", "_fal_once.py"}  # the last one's `stream` is httpx's
    for path in (ROOT / "core/providers").rglob("*.py"):
        defined = {
            node.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        assert path.name in allowed or not defined & {"complete", "stream", "acomplete", "astream"}, path.name


def test_a_compatible_vendor_is_data_alone() -> None:
    """A class of attributes, small enough to be read at a glance; no function and no branch."""
    tree = ast.parse((ROOT / "core/providers/compatible.py").read_text())
    kinds = {type(node) for node in ast.walk(tree)}
    assert not kinds & {ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.If, ast.IfExp}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            attributes = [item for item in node.body if isinstance(item, ast.Assign)]
            assert 3 <= len(attributes) <= 9, node.name
            assert len(node.body) == len(attributes) + 1, node.name  # and a docstring


def test_wires_are_frozen_dataclasses_and_nobody_subclasses_one() -> None:
    from lazybridge.core.wire.chat import ChatWire
    from lazybridge.core.wire.gemini import GeminiWire
    from lazybridge.core.wire.messages import MessagesWire
    from lazybridge.core.wire.responses import ResponsesWire

    for wire in (ChatWire, GeminiWire, MessagesWire, ResponsesWire):
        assert wire.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert wire.__subclasses__() == []


@pytest.mark.parametrize("path", sorted((ROOT / "core/wire").glob("*.py")), ids=name_of)
def test_wires_do_no_io(path: Path) -> None:
    roots = {
        (alias.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert not roots & {
        "openai",
        "anthropic",
        "groq",
        "google",
        "asyncio",
        "os",
        "socket",
        "httpx",
        "httpx2",
        "pathlib",
    }


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_blind_excepts_stand_at_the_boundary_only(path: Path) -> None:
    blind = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    ]  # fmt: skip
    assert (
        not blind
        or name_of(path)
        in (
            "drivers",
            "racing",
            "run",
            "endpoint_run",
            "cached",
            "shared_stream",
            "telling",
            "warming",
            "audience",
            "mcp",
            "mcp_session",
            "composed",
            "guards",
            "verify",
            "core.providers.costing",
            "cli.choice",
        )
        or name_of(path).startswith(("core.providers.local", "tools."))
    ), blind
