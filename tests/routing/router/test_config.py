"""Configuration as TOML: checked, versioned, and changed while requests are in flight."""

import asyncio
import logging
import os
import textwrap
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.routing.router.parts import ask, on, request, says

import inferail as ir
from inferail.routing.router import Reloading, Router, RouterConfig, Rule, config
from inferail.testing import ScriptedModel, ScriptedTransport, VirtualClock

EXAMPLE = """
profile = "interactive"          # for requests without a label `profile`

[targets.large]
model = "large"
cost = [3.0, 15.0]
vision = true
labels = { data = ["eu-only", "no-training"] }

[targets.small]
model = "small"
cost = [0.2, 0.8]
schema = true

[targets.own]
model = "own"
local = true

[strengths.small]
"*" = 0.6

[profiles.night]
latency = 0.0
strength = 0.0

[[rules]]
task = ["classification", "intent_detection", "entity_extraction"]
to = "small"

[[rules]]
when = { profile = "batch" }
to = "own"

[[rules]]
complexity = [0.8, 1.0]
to = ["large", "small"]
prompt = "Think first."
"""


def test_the_example_routes_simple_tasks_batches_and_hard_ones():
    """Serves R46, R64, R76."""
    models = says("large", "small", "own")
    router = Router.from_toml(EXAMPLE, models=models)

    def route(**labels: str) -> str:
        ask(router, request("Hi", **labels), on(VirtualClock()))
        return router.decisions[-1].chosen

    simple = [route(task=task) for task in ("classification", "intent_detection", "entity_extraction")]
    assert simple == ["small"] * 3
    assert route(profile="batch") == "own"
    assert route(complexity="0.9") == "large"
    assert models["large"].requests[-1].system_text == "Think first."
    assert route(profile="night") == "own"
    assert router.decisions[-1].profile == "night"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'to = "own"',
            'to = "owm"',
            "line 32, rules.1.to: there is no target 'owm': the targets are large, small, own",
        ),
        ("vision = true", "visoin = true", "line 7, targets.large.visoin: Extra inputs are not permitted"),
        ("cost = [0.2, 0.8]", 'cost = "cheap"', "line 12, targets.small.cost: Input should be a valid tuple"),
        ("[0.8, 1.0]", "[0.8, 1.5]", "line 35, rules.2.complexity.1: Input should be less than or equal to 1"),
        ('profile = "interactive"', 'profile = "fast"', "line 2, profile: there is no profile 'fast'"),
        ('model = "own"', "", "line 15, targets.own: Value error, say either model or deployments"),
        ('to = "small"', 'to = "small', "is not TOML: Illegal character"),
        ('"*" = 0.6', '"*" = 6', "line 20, strengths.small.*: Input should be less than"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(old, new, told):
    """Serves R76."""
    with pytest.raises(ir.ConfigError) as caught:
        Router.from_toml(EXAMPLE.replace(old, new), models=says("large", "small", "own"))

    assert told in str(caught.value)


def test_the_example_of_the_module_is_valid():
    text = textwrap.dedent((config.__doc__ or "").partition("\n\n")[2].partition("Keys are never")[0])

    assert list(RouterConfig.load(text).targets) == ["small", "large"]


def test_the_version_is_that_of_the_content_not_of_its_layout():
    """Serves R76."""
    versions = [RouterConfig.load(text).version for text in (EXAMPLE, EXAMPLE.replace("\n\n", "\n# more\n\n"))]

    assert versions[0] == versions[1]
    assert versions[0] != RouterConfig.load(EXAMPLE.replace("0.6", "0.7")).version
    assert len(versions[0]) == 12


def test_keys_come_from_the_environment_and_nowhere_else(monkeypatch):
    """Serves R40, R76."""
    text = '[targets.a]\nmodel = "openai:gpt-5"\nkeys_env = ["KEY_ONE", "KEY_TWO"]\n'
    monkeypatch.setenv("KEY_ONE", "sk-one")
    with pytest.raises(ir.ConfigError, match="KEY_TWO, which the configuration names for a key, is not set"):
        Router.from_toml(text)
    monkeypatch.setenv("KEY_TWO", "sk-two")

    router = Router.from_toml(text)

    assert "one of 2 keys" in router.explain(request())
    assert "sk-" not in repr(router.lanes[0].endpoints[0].model)
    with pytest.raises(ir.ConfigError, match=r"targets\.a\.api_key: Extra inputs"):
        Router.from_toml('[targets.a]\nmodel = "openai:gpt-5"\napi_key = "sk-three"\n')


def test_deployments_may_be_described_one_by_one(monkeypatch):
    """Serves R54."""
    monkeypatch.setenv("EU_KEY", "sk-eu")
    router = Router.from_toml(
        "[targets.a]\nbalance = 'least_busy'\ncontext_tokens = 1000\ndeployments = [\n"
        "  { model = 'vllm:m', base_url = 'https://us.example/v1', region = 'us', weight = 2 },\n"
        "  { model = 'vllm:m', base_url = 'https://eu.example/v1', region = 'eu', api_key_env = 'EU_KEY' },\n]\n"
    )

    endpoints = router.lanes[0].endpoints

    assert [endpoint.region for endpoint in endpoints] == ["us", "eu"]
    assert [endpoint.spec.weight for endpoint in endpoints] == [2.0, 1.0]
    assert router.lanes[0].context_tokens == 1000


class Gated(ScriptedModel):
    """Answers when it is let go, and knows whether it was closed meanwhile."""

    def __init__(self, name: str, gate: asyncio.Event) -> None:
        super().__init__([name], name=name, cycles=True)
        self.closed = False
        self.gate = gate

    async def generate(self, request: ir.Request):
        await self.gate.wait()
        assert not self.closed
        return await super().generate(request)

    async def aclose(self) -> None:
        self.closed = True


def test_reload_under_load_drops_no_request_and_closes_models_only_when_they_are_free():
    """Serves R76."""

    async def main() -> None:
        gate = asyncio.Event()
        models = {name: Gated(name, gate) for name in ("old", "both", "new")}
        text = "[targets.{0}]\nmodel = '{0}'\n[targets.both]\nmodel = 'both'\n[[rules]]\nto = '{0}'\n"
        router = Router.from_toml(text.format("old"), models=models)
        async with ir.AsyncClient(router) as client:
            before = [asyncio.create_task(client.complete("Hi")) for _ in range(50)]
            await asyncio.sleep(0)
            kept = router.lanes[1].endpoints[0]
            first = router.version

            second = router.reload(text.format("new"), models=models)
            after = [asyncio.create_task(client.complete("Hi")) for _ in range(50)]
            await asyncio.sleep(0)
            assert not models["old"].closed
            gate.set()
            answers = Counter(answer.text for answer in await asyncio.gather(*before, *after))

            assert answers == {"old": 50, "new": 50}
            assert Counter(decision.config_version for decision in router.decisions) == {first: 50, second: 50}
            assert models["old"].closed
            assert not models["both"].closed
            assert router.lanes[1].endpoints[0] is kept

    asyncio.run(main())


def test_reload_under_load_of_threads_drops_no_request():
    """Serves R76."""
    models = {name: ScriptedModel([name], name=name, cycles=True) for name in ("old", "new")}
    text = "[targets.{0}]\nmodel = '{0}'\n"
    router = Router.from_toml(text.format("old"), models=models, kept=10_000)
    with ir.Client(router, transport=ScriptedTransport([], blocking=True)) as client:

        def work(number: int) -> list[str]:
            if number == 0:
                for name in ["new", "old"] * 20:
                    router.reload(text.format(name), models=models)
            return [client.complete("Hi").text for _ in range(100)]

        with ThreadPoolExecutor(8) as pool:
            answers = [text for texts in pool.map(work, range(8)) for text in texts]

    assert len(answers) == 800
    assert set(answers) <= {"old", "new"}
    assert router.decisions.maxlen == 10_000
    assert len(router.decisions) == 800


def test_reload_keeps_streams_on_the_configuration_they_began_with():
    """Serves R76."""

    async def main() -> None:
        models = {name: Gated(f"{name} says this", asyncio.Event()) for name in ("old", "new")}
        router = Router.from_toml("[targets.old]\nmodel = 'old'\n", models=models)
        async with ir.AsyncClient(router) as client:
            async with client.stream("Hi") as stream:
                router.reload("[targets.new]\nmodel = 'new'\n", models=models)
                assert (await stream.final()).text == "old says this"
                assert not models["old"].closed
            assert models["old"].closed

    asyncio.run(main())


def test_reload_from_python_and_refusal_of_what_is_wrong():
    """Serves R76."""
    models = says("a", "b")
    router = Router(models, rules=[Rule(to="a")])

    with pytest.raises(ir.ConfigError, match="rule 1 names the route 'c'"):
        router.reload({"targets": models, "rules": [Rule(to="c")]})
    assert ask(router, request(), on(VirtualClock())).text == "a"
    assert router.reload({"targets": models, "rules": [Rule(to="b")]}) == "1+"
    assert ask(router, request(), on(VirtualClock())).text == "b"


def write(path: Path, text: str, moment: int) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(moment, moment))  # two writes within the file system's resolution would look the same


def test_reloading_follows_the_file_and_keeps_what_works_when_it_breaks(tmp_path, caplog):
    """Serves R76."""
    clock, models, path = VirtualClock(), says("a", "b"), tmp_path / "routes.toml"
    text = "[targets.a]\nmodel = 'a'\n[targets.b]\nmodel = 'b'\n[[rules]]\nto = '{}'\n"
    write(path, text.format("a"), 1)
    router = Reloading(path, models=models, interval=1.0)

    def answer() -> str:
        clock.advance(1.5)
        return ask(router, request(), on(clock)).text

    assert answer() == "a"
    write(path, text.format("b"), 2)
    assert answer() == "b"
    version = router.version
    write(path, text.format("c"), 3)
    with caplog.at_level(logging.WARNING, "inferail.routing"):
        assert answer() == "b"
    assert "line 6, rules.0.to: there is no target 'c'" in str(router.problem)
    assert "stays in force" in caplog.text
    path.unlink()
    assert answer() == "b"
    assert router.version == version
    write(path, text.format("a"), 4)
    assert (answer(), router.problem) == ("a", None)


def test_reloading_looks_at_the_file_once_in_an_interval(tmp_path):
    clock, models, path = VirtualClock(), says("a", "b"), tmp_path / "routes.toml"
    text = "[targets.a]\nmodel = 'a'\n[targets.b]\nmodel = 'b'\n[[rules]]\nto = '{}'\n"
    write(path, text.format("a"), 1)
    router = Reloading(path, models=models, interval=10.0)
    assert ask(router, request(), on(clock)).text == "a"
    write(path, text.format("b"), 2)

    clock.advance(9.0)
    assert ask(router, request(), on(clock)).text == "a"
    clock.advance(1.0)
    assert ask(router, request(), on(clock)).text == "b"


def test_what_is_described_in_the_same_words_is_kept_with_what_it_has_counted():
    """Serves R76."""
    text = (
        "[targets.a]\nmodel = 'a'\n[targets.b]\nmodel = 'b'\n[canary]\nto = 'b'\nshare = 1.0\nat_least = 1\n"
        "max_error_rate = 0.0\n"
    )
    models = {"a": ScriptedModel(["a"], name="a", cycles=True), "b": ScriptedModel([ir.ServerError("down")], name="b")}
    router = Router.from_toml(text, models=models)
    assert ask(router, request(), on(VirtualClock())).text == "a"

    router.reload(text + "[[rules]]\nto = 'a'\n", models=models)

    assert ask(router, request(), on(VirtualClock())).text == "a"
    assert len(models["b"].requests) == 1  # it was stopped, and stays so


def test_a_missing_file_is_a_mistake_at_the_start(tmp_path):
    with pytest.raises(ir.ConfigError, match="cannot be read: FileNotFoundError"):
        Reloading(tmp_path / "nowhere.toml")
