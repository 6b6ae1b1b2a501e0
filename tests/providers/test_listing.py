"""Lists of models: each provider's own, page after page, with prices."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

import inferail as ir
from inferail.providers.codec import Endpoint
from inferail.providers.listing import listing
from inferail.testing import ScriptedModel, ScriptedReply, ScriptedTransport
from inferail.types.model import ModelInfo

OPENAI = {"id": "gpt-5-mini", "object": "model", "created": 1754425928, "owned_by": "system"}
OPENROUTER = {
    "id": "z-ai/glm-4.6",
    "created": 1759235576,
    "context_length": 202752,
    "pricing": {"prompt": "0.0000004", "completion": "0.00000175"},
    "top_provider": {"max_completion_tokens": 65536},
}
MISTRAL = {"id": "mistral-small-latest", "created": 1750000000, "owned_by": "mistralai", "max_context_length": 131072}
VLLM = {"id": "Qwen/Qwen3-8B", "created": 1750000000, "owned_by": "vllm", "max_model_len": 40960}
ANTHROPIC = {
    "id": "claude-sonnet-4-5",
    "created_at": "2025-09-29T00:00:00Z",
    "max_input_tokens": 200000,
    "max_tokens": 64000,
}
GEMINI = {"name": "models/gemini-2.5-flash", "inputTokenLimit": 1048576, "outputTokenLimit": 65536}
COHERE = {"name": "command-a-03-2025", "context_length": 288000.0, "endpoints": ["chat"]}
OLLAMA = {"name": "qwen3:8b", "model": "qwen3:8b", "modified_at": "2026-02-03T04:05:06+01:00", "size": 5}
TGI = {"model_id": "HuggingFaceH4/zephyr-7b-beta", "max_input_tokens": 3072, "max_total_tokens": 4096}


def reply(body: Any, status: int = 200) -> ScriptedReply:
    return ScriptedReply([json.dumps(body).encode()], status)


def client(provider: str, *replies: ScriptedReply, **options: Any) -> tuple[ir.Client, ScriptedTransport]:
    transport = ScriptedTransport(replies, blocking=True)
    given = {"api_key": "k", "base_url": "http://127.0.0.1:9/base", **options}
    return ir.Client(f"{provider}:m", transport=transport, **given), transport


@pytest.mark.parametrize(
    ("provider", "body", "path", "model"),
    [
        pytest.param(
            "openai",
            {"data": [OPENAI]},
            "/models",
            ModelInfo("gpt-5-mini", "openai", "system", datetime(2025, 8, 5, 20, 32, 8, tzinfo=UTC)),
            id="openai",
        ),
        pytest.param(
            "openrouter",
            {"data": [OPENROUTER]},
            "/models",
            ModelInfo(
                "z-ai/glm-4.6",
                "openrouter",
                created=datetime(2025, 9, 30, 12, 32, 56, tzinfo=UTC),
                context_tokens=202752,
                output_tokens=65536,
                input_usd=0.4,
                output_usd=1.75,
            ),
            id="openrouter",
        ),
        pytest.param(
            "mistral",
            {"data": [MISTRAL]},
            "/models",
            ModelInfo(
                "mistral-small-latest", "mistral", "mistralai", datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC), 131072
            ),
            id="mistral",
        ),
        pytest.param(
            "vllm",
            {"data": [VLLM]},
            "/models",
            ModelInfo("Qwen/Qwen3-8B", "vllm", "vllm", datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC), 40960),
            id="vllm",
        ),
        pytest.param(
            "anthropic",
            {"data": [ANTHROPIC], "has_more": False, "last_id": "claude-sonnet-4-5"},
            "/v1/models?limit=1000",
            ModelInfo("claude-sonnet-4-5", "anthropic", "anthropic", datetime(2025, 9, 29, tzinfo=UTC), 200000, 64000),
            id="anthropic",
        ),
        pytest.param(
            "gemini",
            {"models": [GEMINI]},
            "/models?pageSize=1000",
            ModelInfo("gemini-2.5-flash", "gemini", "google", None, 1048576, 65536),
            id="gemini",
        ),
        pytest.param(
            "cohere",
            {"models": [COHERE]},
            "/v1/models?page_size=1000",
            ModelInfo("command-a-03-2025", "cohere", "cohere", None, 288000),
            id="cohere",
        ),
        pytest.param(
            "ollama",
            {"models": [OLLAMA]},
            "/api/tags",
            ModelInfo("qwen3:8b", "ollama", created=datetime.fromisoformat("2026-02-03T04:05:06+01:00")),
            id="ollama",
        ),
        pytest.param(
            "tgi", TGI, "/info", ModelInfo("HuggingFaceH4/zephyr-7b-beta", "tgi", context_tokens=4096), id="tgi"
        ),
    ],
)
def test_listing_reads_what_the_provider_says(provider, body, path, model):
    """Serves R43."""
    endpoint = Endpoint("m", "http://127.0.0.1:9/base", "k")
    pages = listing(provider)

    wire = pages.encode(provider, endpoint, None)
    models, following = pages.decode(provider, {}, json.dumps(body).encode())

    assert (wire.method, wire.url, wire.body) == ("GET", f"http://127.0.0.1:9/base{path}", b"")
    assert models == [model]
    assert following is None
    assert model.name == f"{provider}:{model.id}"


@pytest.mark.parametrize(
    ("provider", "first", "second", "query"),
    [
        pytest.param(
            "anthropic",
            {"data": [{"id": "a"}], "has_more": True, "last_id": "a"},
            {"data": [{"id": "b"}], "has_more": False, "last_id": "b"},
            "limit=1000&after_id=a",
            id="anthropic",
        ),
        pytest.param(
            "gemini",
            {"models": [{"name": "models/a"}], "nextPageToken": "t/1"},
            {"models": [{"name": "models/b"}]},
            "pageSize=1000&pageToken=t%2F1",
            id="gemini",
        ),
    ],
)
def test_client_reads_every_page(provider, first, second, query):
    """Serves R43."""
    asked, transport = client(provider, reply(first), reply(second))

    models = asked.models()

    assert [model.id for model in models] == ["a", "b"]
    assert transport.wires[1].url.partition("?")[2] == query
    assert transport.open_replies == 0
    assert asked.records == []


def test_listing_of_cohere_goes_on_at_its_token():
    """Serves R43."""
    pages, endpoint = listing("cohere"), Endpoint("m", "https://api.cohere.com/v2", "k")

    models, following = pages.decode("cohere", {}, b'{"models": [{"name": "a"}], "next_page_token": "t"}')
    _, end = pages.decode("cohere", {}, b'{"models": [], "next_page_token": ""}')

    assert ([model.id for model in models], following, end) == (["a"], "t", None)
    assert (
        pages.encode("cohere", endpoint, following).url
        == "https://api.cohere.com/v1/models?page_size=1000&page_token=t"
    )


def test_client_stops_at_the_limit():
    page = {"models": [{"name": "models/a"}, {"name": "models/b"}], "nextPageToken": "t"}
    asked, transport = client("gemini", reply(page), reply(page | {"nextPageToken": "u"}), reply(page))

    assert len(asked.models(limit=3)) == 3
    assert len(transport.wires) == 2


def test_client_leaves_a_list_that_leads_in_a_circle():
    page = {"models": [{"name": "models/a"}], "nextPageToken": "t"}
    asked, transport = client("gemini", reply(page), reply(page))

    assert len(asked.models()) == 2
    assert len(transport.wires) == 2


def test_client_adds_the_prices_it_knows():
    """Serves R43."""
    asked, _ = client("openai", reply({"data": [OPENAI, {"id": "unheard-of"}]}))

    known, unknown = asked.models()

    assert (known.input_usd, known.output_usd) == (0.25, 2.0)
    assert (unknown.input_usd, unknown.output_usd, unknown.created) == (None, None, None)


def test_client_uses_the_prices_it_is_given():
    prices = ir.PriceTable.bundled().override({"openai:gpt-5-mini": ir.Price(input_per_million=7.0)})
    asked, _ = client("openai", reply({"data": [OPENAI]}), prices=prices)

    assert asked.models()[0].input_usd == 7.0


def test_client_retries_a_list_and_raises_the_error_of_the_provider():
    asked, transport = client("openai", reply({}, 503), reply({"data": []}))
    assert asked.models() == []
    assert len(transport.wires) == 2

    asked, _ = client("openai", reply({"error": {"message": "bad key sk-canary"}}, 401))
    with pytest.raises(ir.AuthenticationError) as caught:
        asked.models()
    assert "canary" not in str(caught.value)


def test_client_asks_with_the_headers_of_the_api_version():
    asked, transport = client(
        "anthropic", reply({"data": []}), api_version="2023-06-01", base_url="http://127.0.0.1:9/v1"
    )

    asked.models()

    assert transport.wires[0].url == "http://127.0.0.1:9/v1/models?limit=1000"
    assert transport.wires[0].headers["x-api-key"] == "k"
    assert transport.wires[0].headers["anthropic-version"] == "2023-06-01"


def test_client_lists_models_when_its_budget_is_spent():
    asked, _ = client("openai", reply({"data": [OPENAI]}))
    budget = ir.Budget(tokens=0)

    with ir.scope(budget=budget):
        assert len(asked.models()) == 1
    assert budget.spent.total_tokens == 0


def test_fallback_lists_the_models_of_all_its_providers_once():
    transport = ScriptedTransport(
        [reply({"data": [OPENAI]}), reply({"models": [GEMINI]}), reply({"data": [OPENAI]})], blocking=True
    )
    targets = [ir.Target(f"{name}:m", api_key="k") for name in ("openai", "gemini", "openai")]

    with ir.Client(ir.Fallback(*targets, ScriptedModel([])), transport=transport) as asked:
        assert [model.name for model in asked.models()] == ["openai:gpt-5-mini", "gemini:gemini-2.5-flash"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"data": {}}, id="object-for-list"),
        pytest.param({"models": []}, id="another-key"),
        pytest.param([], id="list"),
        pytest.param("no", id="text"),
    ],
)
def test_list_that_is_none_is_a_typed_error(body):
    asked, _ = client("openai", reply(body), retries=0)

    with pytest.raises(ir.ServerError):
        asked.models()


def test_list_passes_over_entries_without_a_name():
    asked, _ = client("openai", reply({"data": [None, {}, {"id": 7}, {"id": ""}, OPENAI]}))

    assert [model.id for model in asked.models()] == ["gpt-5-mini"]


@pytest.mark.parametrize(
    "odd",
    [
        {"created": "yesterday"},
        {"created": 1e300},
        {"created": -5},
        {"context_length": "many"},
        {"pricing": {"prompt": "-1", "completion": "free"}},
        {"pricing": {"prompt": "nan", "completion": [1]}},
    ],
)
def test_list_reads_odd_facts_as_not_told(odd):
    asked, _ = client("openai", reply({"data": [{"id": "unheard-of", **odd}]}))

    assert asked.models() == [ModelInfo("unheard-of", "openai")]


def test_models_says_what_is_wrong_with_its_arguments():
    asked, _ = client("openai")

    with pytest.raises(ir.ConfigError, match="limit"):
        asked.models(limit=0)
    with pytest.raises(ir.ConfigError, match="no list of models"):
        ir.Client(ScriptedModel([])).models()
    with pytest.raises(ir.ConfigError, match="bedrock"):
        listing("bedrock")
