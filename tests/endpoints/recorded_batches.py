"""Batches that others recorded: https://github.com/crmne/ruby_llm (MIT), spec/fixtures/vcr_cassettes, the files
`batch_with_openai_gpt-5-nano_…`, `batch_with_mistral_mistral-small-latest_…` and `batch_with_gemini_gemini-2_5-flash_…`
of September 2026 and `activerecord_actsas_batch_staging_and_collection_…` of June 2026. What the vendors sent is
unchanged but for the names of the requests, the times, which are of November 2026, since when prices for batches are
known, and fields that say nothing here, which were left out."""

from __future__ import annotations

import json
from typing import Any

OPENAI_MODEL = "gpt-5-nano-2025-08-07"


def openai_batch(status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "batch_6aa151873e98819080407a06f426d139",
        "object": "batch",
        "endpoint": "/v1/responses",
        "model": None if status == "validating" else OPENAI_MODEL,
        "errors": None,
        "input_file_id": "file-8WD6PA3kXmy5Hru9A7FTCU",
        "completion_window": "24h",
        "status": status,
        "output_file_id": "file-314FMnvRAMWTHco9KDCAUv" if status == "completed" else None,
        "error_file_id": None,
        "created_at": 1794141063,
        "in_progress_at": None if status == "validating" else 1794141065,
        "expires_at": 1794227463,
        "finalizing_at": 1794141135 if status == "completed" else None,
        "completed_at": 1794141136 if status == "completed" else None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {
            "total": 0 if status == "validating" else 2,
            "completed": 2 if status == "completed" else 0,
            "failed": 0,
        },
        "metadata": None,
        **more,
    }


def openai_line(custom_id: str, text: str, output_tokens: int, reasoning: int) -> dict[str, Any]:
    return {
        "id": "batch_req_6aa151d09b9881908338f0de5bd5dd64",
        "custom_id": custom_id,
        "response": {
            "status_code": 200,
            "request_id": "f499c5ee-11e6-4fae-afa5-5e8c7d9f52c7",
            "body": {
                "id": "resp_05c72a97b1f5e1d0016aa151b459e087d1ac1ddb5d29986fa7",
                "object": "response",
                "created_at": 1794141108,
                "status": "completed",
                "background": False,
                "billing": {"payer": "developer"},
                "completed_at": 1794141110,
                "error": None,
                "incomplete_details": None,
                "instructions": None,
                "max_output_tokens": None,
                "model": OPENAI_MODEL,
                "output": [
                    {
                        "id": "rs_05c72a97b1f5e1d0016aa151b57c6087d1b5549f6bb72ab76a",
                        "type": "reasoning",
                        "content": [],
                        "summary": [],
                    },
                    {
                        "id": "msg_05c72a97b1f5e1d0016aa151b5fcd887d1b1b4c9c80c499d75",
                        "type": "message",
                        "status": "completed",
                        "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": text}],
                        "role": "assistant",
                    },
                ],
                "parallel_tool_calls": True,
                "service_tier": "default",
                "store": False,
                "tools": [],
                "usage": {
                    "input_tokens": 18,
                    "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
                    "output_tokens": output_tokens,
                    "output_tokens_details": {"reasoning_tokens": reasoning},
                    "total_tokens": 18 + output_tokens,
                },
                "metadata": {},
            },
        },
        "error": None,
    }


OPENAI_LINES = (openai_line("request-0", "4", 64, 0), openai_line("request-1", "Jupiter", 148, 128))

ANTHROPIC_ID = "msgbatch_01XJUE38wWGvPQMata1Tz1bS"


def anthropic_batch(status: str, **counts: int) -> dict[str, Any]:
    ended = status == "ended"
    return {
        "id": ANTHROPIC_ID,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {
            "processing": 0 if ended else 2,
            "succeeded": 2 if ended and not counts else 0,
            "errored": 0,
            "canceled": 0,
            "expired": 0,
            **counts,
        },
        "ended_at": "2026-11-12T13:28:24.472720+00:00" if ended else None,
        "created_at": "2026-11-12T13:27:48.182656+00:00",
        "expires_at": "2026-11-13T13:27:48.182656+00:00",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"https://api.anthropic.com/v1/messages/batches/{ANTHROPIC_ID}/results" if ended else None,
    }


def anthropic_line(custom_id: str, text: str, input_tokens: int, output_tokens: int) -> dict[str, Any]:
    return {
        "custom_id": custom_id,
        "result": {
            "type": "succeeded",
            "message": {
                "model": "claude-haiku-4-5-20251001",
                "id": "msg_01Qr8d56DWpHWoT4w7xj3LK6",
                "type": "message",
                "role": "assistant",
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "stop_details": None,
                "usage": {
                    "input_tokens": input_tokens,
                    "cache_creation_input_tokens": 0,
                    "cache_read_input_tokens": 0,
                    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                    "output_tokens": output_tokens,
                    "service_tier": "batch",
                    "inference_geo": "not_available",
                },
            },
        },
    }


# In the order in which they came.
ANTHROPIC_LINES = (anthropic_line("request-1", "Jupiter", 19, 4), anthropic_line("request-0", "4", 20, 5))

MISTRAL_ID = "070bd7e8-5f4c-4989-9e55-950350feb3e2"


def mistral_line(custom_id: str, text: str, output_tokens: int) -> dict[str, Any]:
    return {
        "id": "batch-070bd7e8-04cd9280-0",
        "custom_id": custom_id,
        "response": {
            "status_code": 200,
            "body": {
                "id": "023b33959bf94358a479f990f89cf424",
                "object": "chat.completion",
                "model": "mistral-small-latest",
                "usage": {
                    "prompt_tokens": 27,
                    "completion_tokens": output_tokens,
                    "total_tokens": 27 + output_tokens,
                    "prompt_audio_seconds": None,
                    "prompt_token_details": None,
                    "request_count": 0,
                    "prompt_tokens_details": {"messages": [], "cached_tokens": 0, "audio_tokens": 0},
                    "completion_tokens_details": None,
                    "service_tier": None,
                },
                "created": 1794139660,
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {
                            "role": "assistant",
                            "content": text,
                            "tool_calls": None,
                            "tool_call_id": None,
                            "index": None,
                            "metadata": None,
                        },
                    }
                ],
            },
        },
        "error": None,
    }


MISTRAL_LINES = (mistral_line("request-0", "4", 2), mistral_line("request-1", "Jupiter", 3))


def mistral_batch(status: str, **more: Any) -> dict[str, Any]:
    done = status == "SUCCESS"
    return {
        "id": MISTRAL_ID,
        "object": "batch",
        "input_files": ["04cd9280-17bf-4e38-9e8b-4f9c098137b5"],
        "metadata": None,
        "endpoint": "/v1/chat/completions",
        "model": "mistral-small-latest",
        "agent_id": None,
        "output_file": "c6089df8-b823-444b-af94-1438187cc7a9" if done else None,
        "error_file": None,
        "errors": [],
        "outputs": list(MISTRAL_LINES) if done else None,
        "status": status,
        "created_at": 1794139659,
        "total_requests": 0 if status == "QUEUED" else 2,
        "completed_requests": 2 if done else 0,
        "succeeded_requests": 2 if done else 0,
        "failed_requests": 0,
        "started_at": None if status == "QUEUED" else 1794139659,
        "completed_at": 1794139707 if done else None,
        **more,
    }


GOOGLE_ID = "batches/5ssnen1rig8nodwssnhj5ic2c7bmzjk4084j"


def google_line(custom_id: str, text: str, total: int, thoughts: int) -> dict[str, Any]:
    return {
        "response": {
            "candidates": [
                {"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP", "index": 0}
            ],
            "usageMetadata": {
                "promptTokenCount": 13,
                "candidatesTokenCount": 1,
                "totalTokenCount": total,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 13}],
                "thoughtsTokenCount": thoughts,
                "serviceTier": "standard",
            },
            "modelVersion": "gemini-2.5-flash",
            "responseId": "-UuharyCAouEz7IPxIevwQ4",
        },
        "metadata": {"key": custom_id},
    }


GOOGLE_LINES = (google_line("request-0", "4", 73, 59), google_line("request-1", "Jupiter", 70, 56))


def google_batch(state: str, lines: tuple[dict[str, Any], ...] = GOOGLE_LINES, **more: Any) -> dict[str, Any]:
    done = state == "SUCCEEDED"
    about: dict[str, Any] = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
        "model": "models/gemini-2.5-flash",
        "createTime": "2026-11-08T12:06:17.469338586Z",
        "updateTime": "2026-11-08T12:06:17.469338586Z",
        "batchStats": {
            "requestCount": "2",
            **({"successfulRequestCount": "2"} if done else {"pendingRequestCount": "2"}),
        },
        "state": f"BATCH_STATE_{state}",
        "name": GOOGLE_ID,
    }
    if not done:
        return {"name": GOOGLE_ID, "metadata": about, **more}
    output = {"inlinedResponses": {"inlinedResponses": list(lines)}}
    return {
        "name": GOOGLE_ID,
        "metadata": {**about, "output": output, "endTime": "2026-11-08T12:07:33.229950275Z"},
        "done": True,
        "response": {
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatchOutput",
            **output,
        },
        **more,
    }


def lines(*objects: dict[str, Any]) -> bytes:
    return "".join(f"{json.dumps(line)}\n" for line in objects).encode()
