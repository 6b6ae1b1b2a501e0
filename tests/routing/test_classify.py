"""What a request is about: labels first, then a model in this process, or one that is asked and has its own deadline."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.routing.loops import on_asyncio, on_trio

import inferail as ir
from inferail._sync import drive
from inferail.errors import FormatError
from inferail.routing.classify import (
    DEFAULT,
    TASKS,
    Classified,
    LLMClassifier,
    TaskClassifier,
    classified,
    labelled,
)
from inferail.testing import ScriptedModel, ScriptedReply, ScriptedTransport
from inferail.types.request import Request
from inferail.types.scope import current_scope

everywhere = pytest.mark.parametrize("run", [on_asyncio, on_trio])


def asked(text: str, **options: Any) -> Request:
    return Request((ir.user(text),), **options)


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Write a Python function that reverses a string.", "code"),
        ("Translate into French: the cat sleeps.", "translation"),
        ("Hello! How are you today?", "chat"),
        ("Summarize this article in two sentences: The dam broke on Sunday.", "summarization"),
        ("Classify the sentiment as positive or negative: I hate it.", "classification"),
        ("Extract all names and dates from this text as JSON: Ann came on 3 May.", "extraction"),
        ("Prove that the sum of two odd numbers is even.", "reasoning"),
        ("Write a poem about the sea.", "creative"),
        ("Fix the grammar: he go home", "rewriting"),
        ("What is the capital of Peru?", "question"),
        ("Wie heißt die Hauptstadt von Österreich?", "question"),
        ("把这句话翻译成英文：我饿了", "translation"),
    ],
)
def test_classifier_knows_the_task_of_plain_prompts(text, task):
    """Serves R59."""
    found = TaskClassifier().classify(asked(text))

    assert (found.task, found.source) == (task, "classifier")
    assert 0.2 <= found.confidence <= 1.0


def test_classifier_finds_a_proof_harder_than_a_greeting():
    """Serves R59."""
    classifier = TaskClassifier()

    texts = [
        "Hi there",
        "What is the capital of Peru?",
        "Solve 3x + 4 = 19",
        "Prove that there are infinitely many primes.",
    ]
    greeting, fact, equation, proof = (classifier.classify(asked(text)).complexity for text in texts)

    assert max(greeting, fact) < 0.2 < equation < 0.6 < proof


def test_classifier_tells_the_tasks_apart_that_it_documents():
    assert TaskClassifier().tasks == TASKS


def test_classifier_reads_the_last_turn_of_the_user():
    turns = (
        ir.user("Write a Python function"),
        ir.assistant("def f(): ..."),
        ir.user("Translate into Dutch: thank you"),
    )

    assert TaskClassifier().classify(Request(turns)).task == "translation"


def test_classifier_reads_a_short_system_text_too():
    told = Request((ir.system("Translate everything the user writes into German."), ir.user("Where is the station")))

    assert TaskClassifier().classify(told).task == "translation"


def test_classifier_takes_a_schema_as_a_sign_of_extraction():
    schema = ir.OutputSchema({"type": "object"})

    assert TaskClassifier().classify(asked("Zzyzx qwrt", output=schema)).task == "extraction"


def test_classifier_gives_its_default_where_it_is_not_sure():
    """Serves R61."""
    default = Classified("other", 0.3, 0.0, "default")

    found = TaskClassifier(default=default, min_confidence=1.0).classify(asked("Zzyzx"))

    assert (found.task, found.source) == ("other", "default")


@pytest.mark.parametrize("wrong", [-0.1, 1.5, "much"])
def test_classifier_refuses_a_confidence_that_is_none(wrong):
    with pytest.raises(ir.ConfigError, match="min_confidence"):
        TaskClassifier(min_confidence=wrong)


def test_classifier_names_a_file_that_is_damaged(tmp_path):
    path = tmp_path / "own.model"
    path.write_bytes(b"no model at all")

    with pytest.raises(FormatError) as caught:
        TaskClassifier(path)

    assert caught.value.path == str(path)


@everywhere
@pytest.mark.parametrize("classifier", [None, TaskClassifier(), LLMClassifier(ScriptedModel(["never asked"]))])
def test_labels_win_over_any_classifier(run, classifier):
    """Serves R59."""

    async def work(_carries: Any, _pause: Any) -> Classified:
        return await classified(classifier, asked("Hi", labels={"task": "legal", "complexity": "0.7"}))

    assert run(work) == Classified("legal", 0.7, 1.0, "label")


def test_one_label_leaves_the_rest_to_the_classifier():
    """Serves R59."""
    request = asked("Prove that pi is irrational.", labels={"task": "legal"})
    of_task = drive(classified(TaskClassifier(), request))
    of_complexity = drive(
        classified(TaskClassifier(), asked("Write a poem about the sea.", labels={"complexity": "1"}))
    )

    assert (of_task.task, of_task.source, of_task.complexity > 0.5) == ("legal", "label", True)
    assert (of_complexity.task, of_complexity.source, of_complexity.complexity) == ("creative", "classifier", 1.0)


def test_labels_of_the_scope_count_where_the_request_has_none():
    """Serves R59."""
    with ir.scope(labels={"task": "code", "complexity": "0.2"}):
        assert labelled(asked("Hi")) == ("code", 0.2)
        assert labelled(asked("Hi", labels={"task": "chat"})) == ("chat", 0.2)


@pytest.mark.parametrize("wrong", ["hard", "-0.1", "1.1", "nan"])
def test_label_of_complexity_is_a_number_from_zero_to_one(wrong):
    with pytest.raises(ir.ConfigError, match="label complexity"):
        labelled(asked("Hi", labels={"complexity": wrong}))


def test_nobody_asked_is_the_default():
    assert drive(classified(None, asked("Hi"))) == DEFAULT


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("code 0.8", Classified("code", 0.8, 1.0, "model")),
        ("Task: Translation, complexity: 0.25.", Classified("translation", 0.25, 1.0, "model")),
        ("summarization", Classified("summarization", 0.5, 1.0, "model")),
        ("chat 7", Classified("chat", 0.5, 1.0, "model")),
        ("I would be happy to help!", DEFAULT),
        ("", DEFAULT),
    ],
)
def test_asked_model_is_understood_or_the_default_holds(answer, found):
    """Serves R60, R61."""
    model = ScriptedModel([answer])

    assert asyncio.run(LLMClassifier(model).classify_async(asked("Hello " * 2_000))) == found
    assert sum(len(message.text) for message in model.requests[0].messages) < 3_000


@pytest.mark.parametrize("error", [ir.ServerError("down"), ir.ConfigError("no such model"), ir.RateLimitError("slow")])
def test_asked_model_that_fails_gives_the_default(error):
    """Serves R61."""
    assert asyncio.run(LLMClassifier(ScriptedModel([error])).classify_async(asked("Hi"))) == DEFAULT


@pytest.mark.parametrize("error", [ir.CancelledError("cancelled"), ir.BudgetError("spent", limit=1, spent=1)])
def test_asked_model_passes_on_what_ends_the_whole_call(error):
    with pytest.raises(type(error)):
        asyncio.run(LLMClassifier(ScriptedModel([error])).classify_async(asked("Hi")))


@everywhere
def test_asked_model_that_is_late_gives_the_default_at_its_deadline(run):
    """Serves R60, R61."""

    async def work(carries: Any, pause: Any) -> Any:
        class Late(ScriptedModel):
            async def generate(self, request: Request) -> ir.Response[Any]:
                await pause(9.0)
                raise AssertionError("it was waited for")

        began = carries.clock.now()
        with current_scope().but(transport=carries).enter():
            found = await LLMClassifier(Late([]), timeout=0.05).classify_async(asked("Hi"))
        return found, carries.clock.now() - began

    found, passed = run(work)
    assert found == DEFAULT
    assert passed == pytest.approx(0.05)


def test_asked_target_is_bounded_without_a_loop_and_recorded():
    """Serves R61."""
    transport = ScriptedTransport([ScriptedReply([(1e6, b"")])], blocking=True)
    sink = ir.MemorySink()
    classifier = LLMClassifier(ir.Target("openai:small", api_key="k"), timeout=0.2)

    with current_scope().but(transport=transport, recorder=sink).enter():
        assert drive(classified(classifier, asked("Hi"))) == DEFAULT

    assert transport.clock.now() == pytest.approx(0.2)
    assert [(record.error, record.reason) for record in sink.records] == [("DeadlineError", "classify")]


@pytest.mark.parametrize("options", [{"tasks": ()}, {"tasks": "code"}, {"timeout": 0.0}, {"timeout": float("nan")}])
def test_asked_model_refuses_what_cannot_be(options):
    with pytest.raises(ir.ConfigError):
        LLMClassifier(ScriptedModel([]), **options)
