"""Where an answer says that it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lazybridge.core.content import Citation

# openai 3.54.0 `types/responses/response_output_text.py`, read 2026-11-22; `file_path` is a file that a tool wrote.
_OF_FILES = frozenset({"file_citation", "container_file_citation", "file_path"})
_SOURCES = ("web", "maps", "retrievedContext", "image")  # google-genai 3.4.0 `types.GroundingChunk`, read 2026-11-22


def of_search(answer: Mapping[str, Any]) -> tuple[Citation, ...]:
    """The results of the vendor's own search: `search_results` (Perplexity), else the addresses of `citations`."""
    results = answer.get("search_results") or answer.get("citations") or ()
    return tuple(
        Citation(item) if isinstance(item, str) else Citation(item.get("url"), item.get("title"), item.get("snippet"))
        for item in results
    )


def of_annotations(
    annotations: Iterable[Mapping[str, Any]], offset: int = 0, passages: Mapping[str, str] = {}
) -> Iterator[Citation]:
    """The annotations of a text that begins at `offset` of the answer: pages, nested (Chat Completions) or flat
    (Responses), and files, of which `passages` has what a search found in each."""
    for item in annotations:
        if item.get("type") == "url_citation":
            page = item.get("url_citation") or item
            place = _moved(page.get("start_index"), offset), _moved(page.get("end_index"), offset)
            yield Citation(page.get("url"), page.get("title"), page.get("content"), *place)
        elif item.get("type") in _OF_FILES:
            # The `index` of a `file_path` counts files; that of a `file_citation` is a place in the text.
            index = item.get("index") if item.get("type") == "file_citation" else None
            start, end = _moved(item.get("start_index", index), offset), _moved(item.get("end_index", index), offset)
            id = item.get("file_id")
            yield Citation(None, item.get("filename"), passages.get(id or ""), start, end, id)


def _moved(place: int | None, offset: int) -> int | None:
    return None if place is None else place + offset


def of_blocks(blocks: Iterable[Mapping[str, Any]]) -> Iterator[Citation]:
    """The citations of the Messages API's text blocks: each block is a passage of the answer."""
    start = 0
    for block in blocks:
        if block.get("type") == "text":
            end = start + len(block.get("text") or "")
            for item in block.get("citations") or ():
                yield Citation(
                    item.get("url") or item.get("source"),
                    item.get("title") or item.get("document_title"),
                    item.get("cited_text"),
                    start,
                    end,
                    item.get("file_id"),
                )
            start = end


def of_candidate(candidate: Mapping[str, Any], text: str) -> Iterator[Citation]:
    """What a Gemini candidate of this text is grounded in, and what it quotes (Vertex AI)."""
    grounding = candidate.get("groundingMetadata") or {}
    places: dict[int, tuple[int | None, int | None]] = {}
    encoded = text.encode()
    for support in grounding.get("groundingSupports") or ():
        place = _place(support.get("segment") or {}, text, encoded)
        for index in support.get("groundingChunkIndices") or ():
            places.setdefault(index, place)
    for index, chunk in enumerate(grounding.get("groundingChunks") or ()):
        source: Mapping[str, Any] = next((chunk[name] for name in _SOURCES if chunk.get(name)), {})
        start, end = places.get(index, (None, None))
        title = source.get("title") or source.get("fileSearchStore")  # all that a recorded file search names
        yield Citation(source.get("uri") or source.get("sourceUri"), title, source.get("text"), start, end)
    quoted = candidate.get("citationMetadata") or {}
    for item in quoted.get("citations") or quoted.get("citationSources") or ():
        yield Citation(item.get("uri"), item.get("title"), None, *_characters(item, encoded))


def _characters(segment: Mapping[str, Any], encoded: bytes) -> tuple[int | None, int | None]:
    """A passage that is given in bytes of the text, in characters; not known where it is not in the text."""
    first, last = segment.get("startIndex") or 0, segment.get("endIndex") or 0
    if not 0 <= first < last <= len(encoded):
        return None, None
    start = len(encoded[:first].decode(errors="ignore"))
    return start, start + len(encoded[first:last].decode(errors="ignore"))


def _place(segment: Mapping[str, Any], text: str, encoded: bytes) -> tuple[int | None, int | None]:
    """Where a segment stands. Its bytes are counted in one part of the answer: where they do not say what the segment
    says, its words are looked for."""
    said = segment.get("text") or ""
    start, end = _characters(segment, encoded)
    if start is not None and (not said or text[start:end] == said):
        return start, end
    found = text.find(said) if said else -1
    return (None, None) if found < 0 else (found, found + len(said))


def passages(output: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The best passage that a file search of the Responses API found in each file, where its results were asked for."""
    found: dict[str, str] = {}
    for item in output:
        for result in item.get("results") or () if item.get("type") == "file_search_call" else ():
            found.setdefault(result.get("file_id") or "", result.get("text") or "")
    return found


def queries_of_items(output: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What the searches of the Responses API were asked, each once."""
    asked: list[str | None] = []
    for item in output:
        if item.get("type") == "web_search_call":
            action = item.get("action") or {}
            asked += action.get("queries") or [action.get("query")]
        elif item.get("type") == "file_search_call":
            asked += item.get("queries") or ()
    return _each_once(asked)


def queries_of_calls(calls: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What the searches among the Messages API's calls of its own tools were asked, each once."""
    inputs = (call.get("input") for call in calls if call.get("name") == "web_search")
    return _each_once(given.get("query") for given in inputs if isinstance(given, Mapping))


def queries_of_candidate(candidate: Mapping[str, Any]) -> tuple[str, ...]:
    """What Google's searches of pages, images and files were asked, each once."""
    grounding = candidate.get("groundingMetadata") or {}
    names = ("webSearchQueries", "imageSearchQueries", "retrievalQueries")
    return _each_once(query for name in names for query in grounding.get(name) or ())


def _each_once(queries: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(query for query in queries if query))
