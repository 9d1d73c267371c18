"""The default command against a server: what goes to stdout, what to stderr, and with which exit code."""

import json
import re
from pathlib import Path

import pytest

from tests.fake_vendor import TEXT, Fault

from .conftest import KEY

CHAT = ("-m", "gpt-6-luna", "-o", "api=chat")
RECORD_KEYS = {
    "schema_version", "ok", "text", "payload", "model", "provider", "stop_reason", "usage", "cost_usd", "receipt", "latency_ms",
    "attempts", "adjustments", "request_id", "error",
}  # fmt: skip
WRONG_KEY = Fault(401, {"error": {"message": f"the key {KEY} is wrong", "code": "invalid_api_key"}})
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def cut_off(text: str) -> Fault:
    """A whole answer that met the token limit."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "length"}
    return Fault(200, {"id": "chatcmpl_1", "model": "gpt-6-luna", "choices": [choice]})


def test_the_answer_is_on_stdout_and_the_footer_on_stderr(asking, vendor):
    done = asking("hi", *CHAT)
    assert (done.returncode, done.stdout) == (0, f"{TEXT}\n")
    # gpt-6-luna: 12 * 0.1 + 8 * 0.01 + 5 * 0.5 USD per million, by genai-prices 0.2.3.
    pattern = r"gpt-6-luna · 20 in \(8 cached\) / 5 out · \$0\.0000038 · \d+\.\d s · 1 attempt\n"
    assert re.fullmatch(pattern, done.stderr)
    assert vendor.bodies()[0]["stream"] is True


def test_no_stream_asks_for_a_whole_answer(asking, vendor):
    done = asking("hi", *CHAT, "--no-stream", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{TEXT}\n", "")
    assert not vendor.bodies()[0].get("stream")


def test_quiet_prints_neither_the_footer_nor_which_model_was_taken(asking):
    loud, quiet = asking("hi", "-o", "api=chat"), asking("hi", "-o", "api=chat", "-q")
    assert loud.stdout == quiet.stdout == f"{TEXT}\n"
    assert "lazybridge: using openai, because OPENAI_API_KEY is set\n" in loud.stderr
    assert quiet.stderr == ""


@pytest.mark.parametrize("arguments", [("-m", "gpt-6-luna"), ("-m", "claude-haiku-5-5", "-o", f"api_key={KEY}")])
def test_other_wires_stream_too(asking, arguments):
    done = asking("hi", *arguments)
    assert (done.returncode, done.stdout) == (0, f"{TEXT}\n")
    assert " · 20 in (8 cached) / 5 out · $" in done.stderr


def test_an_answer_that_ends_its_last_line_gets_no_second_one(asking, vendor):
    vendor.pieces = (
        "one\n",
        "two\n",
    )
    assert asking("hi", *CHAT).stdout == "one\ntwo\n"


def test_piped_text_is_added_below_the_prompt(asking, vendor):
    asking("sum up:", *CHAT, stdin="line 1\nline 2\n")
    assert vendor.bodies()[0]["messages"] == [{"role": "user", "content": "sum up:\n\nline 1\nline 2\n"}]


def test_piped_text_alone_is_the_prompt(asking, vendor):
    assert asking(*CHAT, stdin="hi").returncode == 0
    assert vendor.bodies()[0]["messages"][-1]["content"] == "hi"


def test_no_arguments_at_all_ask_with_what_is_piped_in(asking, vendor):
    assert asking(stdin="hi").stdout == f"{TEXT}\n"
    assert vendor.bodies()[0]["input"][-1]["content"] == "hi"


def test_options_and_system_text_reach_the_request(asking, vendor):
    asking("hi", *CHAT, "-s", "be brief", "-o", "max_tokens=7", "-o", 'stop=["END"]', "-o", "seed=0")
    body = vendor.bodies()[0]
    assert body["messages"][0]["content"] == "be brief"
    assert (body["max_completion_tokens"], body["stop"], body["seed"]) == (7, ["END"], 0)


def test_an_attachment_is_sent(asking, vendor, tmp_path):
    image = tmp_path / "dot.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(8))
    assert asking("what is it", *CHAT, "-a", str(image)).returncode == 0
    assert vendor.bodies()[0]["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")


def test_base_url_and_provider_take_any_model(lazybridge, vendor):
    done = lazybridge("hi", "-m", "qwen", "--provider", "openai", "-o", "api=chat", "-o", f"base_url={vendor.url}/v1")
    assert (done.returncode, done.stdout) == (0, f"{TEXT}\n")
    assert "qwen · 20 in (8 cached) / 5 out · cost unknown · " in done.stderr


def test_a_tier_is_a_model(asking, vendor):
    asking("hi", "--provider", "openai", "--tier", "super_cheap", "-o", "api=chat")
    assert vendor.bodies()[0]["model"] == "gpt-6-luna"


def test_a_command_name_can_be_a_prompt(asking, vendor):
    asking("prompt", "which", *CHAT)
    assert vendor.bodies()[0]["messages"][0]["content"] == "which"


def test_what_the_model_cannot_take_is_one_plain_line(asking):
    done = asking("hi", *CHAT, "-q", "-o", "temperature=0", "-o", "effort=high")
    lines = done.stderr.splitlines()
    assert done.returncode == 0
    assert len(lines) == 1
    assert lines[0].startswith("lazybridge: warning: openai/gpt-6-luna: temperature: ")


def test_strict_refuses_what_the_model_cannot_take(asking, vendor):
    done = asking("hi", *CHAT, "-o", "temperature=0", "-o", "effort=high", "-o", "strict=true")
    assert (done.returncode, done.stdout, vendor.requests) == (2, "", [])
    assert done.stderr.startswith("Error: openai/gpt-6-luna: temperature: ")


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_json_is_one_object_with_the_documented_keys(asking):
    done = asking("hi", *CHAT, "--json", "-q")
    answer = json.loads(done.stdout)
    assert (done.returncode, done.stderr, set(answer)) == (0, "", RECORD_KEYS)
    assert (answer["schema_version"], answer["ok"], answer["text"], answer["payload"]) == (1, True, TEXT, None)
    assert (answer["model"], answer["provider"], answer["stop_reason"]) == ("gpt-6-luna", "openai", "end_turn")
    assert answer["usage"] == {
        "input_tokens": 20, "cached_input_tokens": 8, "output_tokens": 5, "thinking_tokens": None,
    }  # fmt: skip
    assert answer["cost_usd"] > 0
    receipt = answer["receipt"]
    assert (receipt["status"], float(receipt["total_usd"])) == ("exact", answer["cost_usd"])
    assert answer["latency_ms"] > 0
    assert [attempt["error"] for attempt in answer["attempts"]] == [None]
    assert (answer["request_id"], answer["adjustments"], answer["error"]) == ("req_1", [], None)


def test_json_of_a_failed_call_has_the_same_keys(asking, vendor):
    vendor.fail(WRONG_KEY)
    done = asking("hi", *CHAT, "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, set(answer), answer["ok"], answer["text"]) == (1, RECORD_KEYS, False, "")
    assert answer["error"]["kind"] == "authentication"
    assert answer["request_id"] == "req_1"
    assert [attempt["status_code"] for attempt in answer["attempts"]] == [401]


def test_json_of_a_configuration_error_has_the_same_keys(lazybridge):
    done = lazybridge("hi", "-m", "gpt-6-luna", "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, set(answer), answer["error"]["kind"]) == (2, RECORD_KEYS, "ConfigurationError")
    assert answer["cost_usd"] is None


def test_adjustments_are_in_the_json(asking):
    answer = json.loads(asking("hi", *CHAT, "--json", "-o", "temperature=0", "-o", "effort=high").stdout)
    assert [adjustment["parameter"] for adjustment in answer["adjustments"]] == ["temperature"]


# --- schema -----------------------------------------------------------------------------------------------------------


def test_schema_as_text_prints_the_answer_as_json(asking, vendor):
    vendor.pieces = (
        '{"age":',
        " 7}\n",
    )
    done = asking("how old", *CHAT, "--schema", json.dumps(SCHEMA))
    assert (done.returncode, done.stdout) == (0, '{"age": 7}\n')
    assert vendor.bodies()[0]["response_format"]["type"] == "json_schema"


def test_schema_from_a_file_with_json_holds_the_payload(asking, vendor, tmp_path):
    vendor.pieces = ('{"age": 7}',)
    (tmp_path / "age.json").write_text(json.dumps(SCHEMA))
    answer = json.loads(asking("how old", *CHAT, "--schema", str(tmp_path / "age.json"), "--json").stdout)
    assert answer["payload"] == {"age": 7}


def test_an_answer_that_does_not_fit_the_schema_fails(asking, vendor):
    vendor.pieces = ('{"age": "old"}',)
    done = asking("how old", *CHAT, "--schema", json.dumps(SCHEMA))
    assert (done.returncode, done.stdout) == (1, "")
    assert "Error: the answer does not fit the JSON schema: $.age: 'old' is not of type 'integer'\n" in done.stderr


def test_a_schema_cut_off_is_incomplete(asking, vendor):
    vendor.fail(cut_off('{"age'))
    assert asking("how old", *CHAT, "--schema", json.dumps(SCHEMA)).returncode == 3


def test_a_broken_schema_is_refused_before_anything_is_sent(asking, vendor, tmp_path):
    for given in ("{", '{"type": "no-such-type"}', str(tmp_path / "absent.json")):
        done = asking("hi", *CHAT, "--schema", given)
        assert done.returncode == 2
        assert "Invalid value for '--schema'" in done.stderr
    assert vendor.requests == []


# --- exit codes -------------------------------------------------------------------------------------------------------


def test_a_refused_key_is_a_failed_call_and_stays_secret(asking, vendor):
    vendor.fail(WRONG_KEY)
    done = asking("hi", *CHAT)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: openai/gpt-6-luna: the key [redacted] is wrong (authentication, HTTP 401")
    assert "gpt-6-luna · failed · tokens unknown · not charged" in done.stderr


def test_a_missing_key_says_what_to_write_last(lazybridge):
    done = lazybridge("hi", "-m", "gpt-6-luna")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == 'set OPENAI_API_KEY in the environment, or pass api_key="..."'


def test_wrong_usage(asking, vendor, tmp_path: Path):
    wrong: list[tuple[str, ...]] = [
        ("hi", "-m", "no-such-model"),
        ("hi", *CHAT, "-a", str(tmp_path / "absent.png")),
        ("hi", *CHAT, "-a", str(tmp_path)),
        ("hi", *CHAT, "-o", "temperature"),
        ("hi", *CHAT, "-o", "temperatur=0"),
        ("hi", *CHAT, "-o", "no_such_option=0"),
        ("hi", *CHAT, "-o", "max_tokens=0"),
        ("hi", *CHAT, "-o", "tools=[]"),
        ("hi", *CHAT, "-o", "model=gpt-6"),
        ("hi", *CHAT, "--timeout", "0"),
        ("hi", "--tier", "cheapest"),
        ("hi", "--no-such-option"),
        ("hi", "there"),
        ("",),
        (),
    ]
    for arguments in wrong:
        done = asking(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert "Error: " in done.stderr, arguments
    assert vendor.requests == []


def test_piped_bytes_are_not_a_prompt(asking, vendor):
    with asking.start("hi", *CHAT) as process:
        process.stdin.buffer.write(b"\xff\xfe")
        out, error = process.communicate(timeout=60)
    assert (process.returncode, out, vendor.requests) == (2, "", [])
    assert error.endswith("Error: the prompt is not text; attach a file with -a FILE\n")


def test_an_option_that_may_hold_a_key_is_not_repeated(lazybridge):
    done = lazybridge("hi", "-o", "sk-secret-secret-secret")
    assert done.returncode == 2
    assert "sk-secret" not in done.stderr


def test_an_answer_cut_off_by_the_token_limit(asking, vendor):
    vendor.fail(cut_off("half an"))
    done = asking("hi", *CHAT, "--no-stream")
    assert (done.returncode, done.stdout) == (3, "half an\n")
    assert "lazybridge: the answer is not whole: max_tokens\n" in done.stderr


def test_a_truncated_stream_keeps_what_arrived(asking, vendor):
    vendor.fail(Fault(end_after=4))
    done = asking("hi", *CHAT)
    assert (done.returncode, done.stdout) == (3, f"{TEXT}\n")
    assert "Error: " in done.stderr
    assert "truncated" in done.stderr


def test_time_that_runs_out_in_mid_stream_keeps_what_arrived(asking, vendor):
    vendor.fail(Fault(hang_after=4))
    done = asking("hi", *CHAT, "--timeout", "3")
    assert (done.returncode, done.stdout) == (3, f"{TEXT}\n")
    assert "Error: " in done.stderr
    assert "timeout" in done.stderr


def test_a_connection_that_breaks_in_mid_stream_keeps_what_arrived(asking, vendor):
    vendor.fail(Fault(cut_after=2))
    done = asking("hi", *CHAT)
    assert (done.returncode, done.stdout) == (3, "Hello from \n")
    assert "the stream broke off" in done.stderr
