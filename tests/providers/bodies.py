"""Bodies in the three formats, as small as they can be and whole."""

import json

from tests.core.event_streams import from_lines

# Every provider that speaks the Chat Completions format.
CHAT_COMPLETIONS = ("openai", "mistral", "deepseek", "qwen", "groq", "openrouter", "vllm", "compatible")
SCHEMES = (*CHAT_COMPLETIONS, "anthropic", "gemini", "ollama", "openai_responses", "tgi", "bedrock", "cohere")

STREAM_HEADERS = {"content-type": "text/event-stream", "x-request-id": "req_1"}
WORDS = ("Rails ", "and ", "routes.")
TEXT = "".join(WORDS)


def event(data: object, name: str = "") -> bytes:
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + b"data: " + text.encode() + b"\n\n"


def chunk(delta: dict[str, object], finish: str | None = None) -> bytes:
    return event({"id": "c1", "model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


OPENAI = [
    chunk({"role": "assistant", "content": ""}),
    *(chunk({"content": word}) for word in WORDS),
    chunk({}, "stop"),
    event({"id": "c1", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}),
    event("[DONE]"),
]
ANTHROPIC = [
    event(
        {
            "type": "message_start",
            "message": {"id": "m1", "model": "m-1", "usage": {"input_tokens": 9, "output_tokens": 1}},
        },
        "message_start",
    ),
    event(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        "content_block_start",
    ),
    *(
        event(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}},
            "content_block_delta",
        )
        for word in WORDS
    ),
    event({"type": "content_block_stop", "index": 0}, "content_block_stop"),
    event(
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}, "message_delta"
    ),
    event({"type": "message_stop"}, "message_stop"),
]
GEMINI = [
    *(
        event({"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": word}]}}]})
        for word in WORDS[:-1]
    ),
    event(
        {
            "candidates": [{"index": 0, "content": {"parts": [{"text": WORDS[-1]}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12},
            "modelVersion": "m-1",
        }
    ),
]
OLLAMA = [
    json.dumps(line).encode() + b"\n"
    for line in (
        *({"model": "m-1", "message": {"role": "assistant", "content": word}, "done": False} for word in WORDS),
        {"model": "m-1", "done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 3},
    )
]
RESPONSES = [
    event({"type": "response.created", "response": {"id": "r1", "model": "m-1", "status": "in_progress"}}),
    *(
        event(
            {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": word},
            "response.output_text.delta",
        )
        for word in WORDS
    ),
    event({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": TEXT}),
    event(
        {
            "type": "response.completed",
            "response": {
                "id": "r1",
                "status": "completed",
                "output": [{"type": "message", "content": [{"type": "output_text", "text": TEXT}]}],
                "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
            },
        },
        "response.completed",
    ),
]
BEDROCK = [
    from_lines(line)
    for line in (
        'event messageStart {"role":"assistant"}',
        *(f'event contentBlockDelta {{"contentBlockIndex":0,"delta":{{"text":"{word}"}},"p":"abc"}}' for word in WORDS),
        'event contentBlockStop {"contentBlockIndex":0}',
        'event messageStop {"stopReason":"end_turn"}',
        'event metadata {"usage":{"inputTokens":9,"outputTokens":3,"totalTokens":12},"metrics":{"latencyMs":1}}',
    )
]
COHERE = [
    event({"type": "message-start", "id": "m1", "delta": {"message": {"role": "assistant"}}}, "message-start"),
    *(
        event({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": word}}}}, "content-delta")
        for word in WORDS
    ),
    event({"type": "content-end", "index": 0}, "content-end"),
    event(
        {
            "type": "message-end",
            "delta": {"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 9, "output_tokens": 3}}},
        },
        "message-end",
    ),
]
STREAMS = {
    "openai": OPENAI,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "ollama": OLLAMA,
    "openai_responses": RESPONSES,
    "bedrock": BEDROCK,
    "cohere": COHERE,
}

UNARY = json.dumps(
    {
        "id": "c1",
        "model": "m-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    }
).encode()


def error_body(message: str = "no", kind: str = "error") -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "code": kind}}).encode()
