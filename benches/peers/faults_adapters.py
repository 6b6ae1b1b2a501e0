"""One adapter per peer: its own fallback, configured as its documentation shows it; one retry, 1.5 s for everything.

Libraries are imported when they are opened. Every case has a fresh client or router, so that no case suffers from the
cooldown that another one caused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faults_cases import PROMPT, TIMEOUT, Case, Outcome

MESSAGES = [{"role": "user", "content": PROMPT}]


class Peer:
    """What all of them share: the addresses."""

    async def open(self, primary: str, fallback: str, closed: str) -> None:
        """Notes the addresses."""
        self._primary, self._fallback, self._closed = (f"{url}/v1" for url in (primary, fallback, closed))

    def _first(self, case: Case) -> str:
        return self._closed if case.fault == "closed-port" else self._primary

    async def close(self) -> None:
        """Nothing is kept."""


async def _openai_chunks(chunks: Any, outcome: Outcome) -> None:
    async for chunk in chunks:
        for choice in chunk.choices:
            if choice.delta.content:
                outcome.pieces.append(choice.delta.content)
            outcome.finish = str(choice.finish_reason) if choice.finish_reason else outcome.finish


class OpenAI(Peer):
    """The OpenAI SDK; it has no fallback."""

    async def call(self, case: Case, outcome: Outcome) -> None:
        """One call."""
        import openai

        async with openai.AsyncOpenAI(
            api_key="x", base_url=self._first(case), timeout=TIMEOUT, max_retries=1
        ) as client:
            if case.stream:
                chunks = await client.chat.completions.create(model=case.primary, messages=MESSAGES, stream=True)  # type: ignore[arg-type]
                await _openai_chunks(chunks, outcome)
            else:
                answer: Any = await client.chat.completions.create(model=case.primary, messages=MESSAGES)  # type: ignore[arg-type]
                outcome.pieces.append(answer.choices[0].message.content)
                outcome.finish = answer.choices[0].finish_reason


class LiteLLM(Peer):
    """litellm's Router with `fallbacks`."""

    async def call(self, case: Case, outcome: Outcome) -> None:
        """One call."""
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its prices while it is imported
        import litellm

        litellm.suppress_debug_info = True
        router = litellm.Router(
            model_list=[
                {
                    "model_name": name,
                    "litellm_params": {
                        "model": f"openai/{model}",
                        "api_base": url,
                        "api_key": "x",
                        "timeout": TIMEOUT,
                        "stream_timeout": TIMEOUT,
                    },
                }
                for name, model, url in (
                    ("primary", case.primary, self._first(case)),
                    ("fallback", case.name, self._fallback),
                )
            ],
            fallbacks=[{"primary": ["fallback"]}],
            num_retries=1,
            timeout=TIMEOUT,
            stream_timeout=TIMEOUT,
        )
        if case.stream:
            await _openai_chunks(await router.acompletion("primary", MESSAGES, stream=True), outcome)  # type: ignore[arg-type]
        else:
            answer: Any = await router.acompletion("primary", MESSAGES)  # type: ignore[arg-type]
            outcome.pieces.append(answer.choices[0].message.content or "")
            outcome.finish = answer.choices[0].finish_reason


class PydanticAI(Peer):
    """pydantic-ai's FallbackModel under an Agent."""

    async def call(self, case: Case, outcome: Outcome) -> None:
        """One call."""
        import openai
        from pydantic_ai import Agent
        from pydantic_ai.models.fallback import FallbackModel
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        def model(name: str, url: str) -> Any:
            client = openai.AsyncOpenAI(api_key="x", base_url=url, timeout=TIMEOUT, max_retries=1)
            return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=client))

        both = FallbackModel(model(case.primary, self._first(case)), model(case.name, self._fallback))
        agent = Agent(both, retries=0)
        if case.stream:
            async with agent.run_stream(PROMPT) as result:
                async for piece in result.stream_text(delta=True, debounce_by=None):
                    outcome.pieces.append(piece)
                outcome.finish = result.response.finish_reason
        else:
            answer = await agent.run(PROMPT)
            outcome.pieces.append(answer.output)
            outcome.finish = answer.response.finish_reason


class LangChain(Peer):
    """langchain-openai's chat model `.with_fallbacks`."""

    async def call(self, case: Case, outcome: Outcome) -> None:
        """One call."""
        os.environ["LANGSMITH_TRACING"] = "false"
        from langchain_openai import ChatOpenAI

        def model(name: str, url: str) -> Any:
            return ChatOpenAI(model=name, base_url=url, api_key="x", timeout=TIMEOUT, max_retries=1)  # type: ignore[arg-type]

        both = model(case.primary, self._first(case)).with_fallbacks([model(case.name, self._fallback)])
        if case.stream:
            async for chunk in both.astream(PROMPT):
                outcome.pieces.append(str(chunk.content))
                outcome.finish = chunk.response_metadata.get("finish_reason") or outcome.finish
        else:
            answer = await both.ainvoke(PROMPT)
            outcome.pieces.append(str(answer.content))
            outcome.finish = answer.response_metadata.get("finish_reason")


class LiterLLM(Peer):
    """liter-llm's client; its Python surface has no fallback, and its timeout is whole seconds: 2."""

    async def call(self, case: Case, outcome: Outcome) -> None:
        """One call."""
        import importlib

        import liter_llm

        native = importlib.import_module("liter_llm._internal_bindings")
        client = liter_llm.create_client(
            api_key="x", base_url=self._first(case), timeout_secs=2, max_retries=1, model_hint="openai"
        )
        message = native.Message({"role": "user", "content": PROMPT})
        if case.stream:
            request = native.ChatCompletionRequest(model=case.primary, messages=[message], stream=True)
            await _openai_chunks(client.chat_stream(request), outcome)
        else:
            answer = await client.chat(native.ChatCompletionRequest(model=case.primary, messages=[message]))
            content = answer.choices[0].message.content
            outcome.pieces.append("" if content is None else content.text)
            outcome.finish = str(answer.choices[0].finish_reason)


@dataclass(frozen=True, slots=True)
class Listed:
    """One peer.

    Attributes:
        make: The adapter.
        distribution: Whose version is reported.
        title: For the tables.
        environment: Of `.venv-faults-…`, and of `faults/….txt`.
    """

    make: Callable[[], Any]
    distribution: str
    title: str
    environment: str


PEERS = {
    "openai": Listed(OpenAI, "openai", "openai SDK", "openai"),
    "litellm": Listed(LiteLLM, "litellm", "litellm Router", "litellm"),
    "pydantic-ai": Listed(PydanticAI, "pydantic-ai-slim", "pydantic-ai FallbackModel", "pydantic-ai"),
    "langchain": Listed(LangChain, "langchain-openai", "langchain with_fallbacks", "langchain"),
    "liter-llm": Listed(LiterLLM, "liter-llm", "liter-llm", "liter-llm"),
}
