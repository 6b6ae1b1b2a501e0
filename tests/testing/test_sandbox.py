"""The sandbox as a whole: addresses, the log of requests, its default model."""

from typing import Any

import httpx
import pytest

from inferail.errors import ConfigError
from inferail.testing import Sandbox, ScriptedModel

BODY = {"model": "any-name", "messages": [{"role": "user", "content": "What is the sandbox?"}]}


def post(sandbox: Sandbox, **options: Any) -> httpx.Response:
    return httpx.post(f"{sandbox.base_url('openai')}/chat/completions", trust_env=False, **options)


def test_base_urls_follow_each_providers_convention():
    with Sandbox(ScriptedModel([])) as sandbox:
        urls = {name: sandbox.base_url(name) for name in ("openai", "anthropic", "gemini")}

    root = urls["anthropic"]
    assert root.startswith("http://127.0.0.1:")
    assert (urls["openai"], urls["gemini"]) == (f"{root}/v1", f"{root}/v1beta")


def test_base_url_is_refused_when_it_makes_no_sense():
    sandbox = Sandbox(ScriptedModel([]))

    with pytest.raises(ConfigError, match="does not run"):
        sandbox.base_url("openai")
    with sandbox, pytest.raises(ConfigError, match="'mistral'"):
        sandbox.base_url("mistral")
    with pytest.raises(ConfigError, match="does not run"):
        sandbox.base_url("openai")


def test_requests_are_logged_without_their_keys():
    keys = {"authorization": "Bearer secret", "x-api-key": "secret", "x-goog-api-key": "secret", "x-other": "kept"}

    with Sandbox(ScriptedModel(["Hi."])) as sandbox:
        answer = post(sandbox, json=BODY, headers=keys, params={"a": "b"})
        requests = sandbox.requests

    assert answer.status_code == 200
    assert [(request.method, request.path) for request in requests] == [("POST", "/v1/chat/completions?a=b")]
    assert requests[0].body == answer.request.content
    assert requests[0].headers["x-other"] == "kept"
    assert not {"authorization", "x-api-key", "x-goog-api-key"} & set(requests[0].headers)
    assert "secret" not in repr(requests)


def test_default_model_answers_from_the_documentation_under_any_name():
    with Sandbox() as sandbox:
        first, second = post(sandbox, json=BODY), post(sandbox, json=BODY)

    assert first.json()["model"] == "inferail-docs"
    assert "Sources: " in first.json()["choices"][0]["message"]["content"]
    assert first.json()["choices"] == second.json()["choices"]


def test_two_sandboxes_run_at_once():
    with Sandbox(ScriptedModel(["One."])) as first, Sandbox(ScriptedModel(["Two."])) as second:
        answers = [post(sandbox, json=BODY).json()["choices"][0]["message"]["content"] for sandbox in (first, second)]

    assert answers == ["One.", "Two."]
