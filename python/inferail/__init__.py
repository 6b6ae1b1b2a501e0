"""inferail: the layer between an application and the tokens.

    import inferail as ir

    print(ir.complete("openai:gpt-5-mini", "Explain KV caching in one sentence.").text)

Everything here is loaded when it is first used: importing the package costs a few milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from inferail.errors import (
    AuthenticationError,
    BudgetError,
    CancelledError,
    CapacityError,
    ConfigError,
    ConflictError,
    ConnectError,
    ContentFilteredError,
    ContextLengthError,
    DeadlineError,
    DeviceError,
    EngineError,
    FormatError,
    GrammarError,
    GuardrailError,
    InferailError,
    InvalidRequestError,
    NotFoundError,
    OutOfBlocksError,
    OutputError,
    OutputValidationError,
    OverloadedError,
    PermissionDeniedError,
    PolicyError,
    ProviderError,
    RateLimitError,
    RequestError,
    RouteError,
    SamplingError,
    ServerError,
    StreamError,
    ToolError,
    TransportError,
)

if TYPE_CHECKING:
    from inferail._sync import Client, Embedder
    from inferail._sync import Stream as Stream
    from inferail.batch.windowed import Windowed as Windowed
    from inferail.cache.cached import Cached
    from inferail.cache.exact import ExactCache
    from inferail.cache.semantic.cache import SemanticCache
    from inferail.client import AsyncClient
    from inferail.client import ResponseStream as ResponseStream
    from inferail.core import Delta as Delta
    from inferail.embedding import AsyncEmbedder
    from inferail.limits.limited import Limited
    from inferail.limits.limits import Limits
    from inferail.one_line import acomplete, complete
    from inferail.pipelines import guards as guards
    from inferail.pipelines.agent.agent import Agent
    from inferail.pipelines.agent.agent import AsyncAgent as AsyncAgent
    from inferail.pipelines.conversation.conversation import AsyncConversation as AsyncConversation
    from inferail.pipelines.conversation.conversation import Conversation
    from inferail.pipelines.conversation.memory import Summary as Summary
    from inferail.pipelines.conversation.window import Window as Window
    from inferail.pipelines.flows.chains import achain as achain
    from inferail.pipelines.flows.chains import chain as chain
    from inferail.pipelines.flows.failing import StepError as StepError
    from inferail.pipelines.flows.fan_out import agather as agather
    from inferail.pipelines.flows.fan_out import gather as gather
    from inferail.pipelines.flows.loops import aloop as aloop
    from inferail.pipelines.flows.loops import loop as loop
    from inferail.pipelines.flows.rules import arule as arule
    from inferail.pipelines.flows.rules import rule as rule
    from inferail.pipelines.flows.steps import step as step
    from inferail.pipelines.flows.switches import aswitch as aswitch
    from inferail.pipelines.flows.switches import switch as switch
    from inferail.pipelines.guards.guarded import Guarded
    from inferail.pipelines.mcp.client.blocking import MCPClient as MCPClient
    from inferail.pipelines.mcp.client.client import AsyncMCPClient as AsyncMCPClient
    from inferail.pipelines.mcp.server.server import MCPServer as MCPServer
    from inferail.pipelines.prompts.caching.prefixed import Prefixed as Prefixed
    from inferail.pipelines.prompts.caching.watch import CacheWatch as CacheWatch
    from inferail.pipelines.prompts.library import PromptLibrary as PromptLibrary
    from inferail.pipelines.prompts.template import PromptTemplate as PromptTemplate
    from inferail.pipelines.rag.ask import RAG
    from inferail.pipelines.rag.ask import AsyncRAG as AsyncRAG
    from inferail.pipelines.rag.corpus import AsyncCorpus as AsyncCorpus
    from inferail.pipelines.rag.corpus import Corpus
    from inferail.pipelines.tools.function import tool
    from inferail.pipelines.tools.protocol import ToolOutcome as ToolOutcome
    from inferail.pipelines.tools.protocol import ToolRun as ToolRun
    from inferail.pipelines.tools.rules import ToolRequest as ToolRequest
    from inferail.pipelines.tools.toolbox import AsyncToolbox as AsyncToolbox
    from inferail.pipelines.tools.toolbox import Toolbox as Toolbox
    from inferail.providers.target import Target
    from inferail.routing.fallback import Fallback
    from inferail.routing.hedged import Hedged
    from inferail.routing.router import Router
    from inferail.routing.sentences import Gated
    from inferail.routing.tiered import Tiered
    from inferail.structured.output import Matching as Matching
    from inferail.structured.output import Output as Output
    from inferail.telemetry.prices import Price as Price
    from inferail.telemetry.prices import PriceTable
    from inferail.telemetry.records import Record
    from inferail.telemetry.sinks import JsonlSink as JsonlSink
    from inferail.telemetry.sinks import MemorySink as MemorySink
    from inferail.transport.deadlines import Timeouts
    from inferail.transport.retries import RetryPolicy
    from inferail.types.message import (
        Audio,
        File,
        Image,
        Message,
        Text,
        ToolCall,
        assistant,
        system,
        tool_result,
        user,
    )
    from inferail.types.message import (
        Reasoning as Reasoning,
    )
    from inferail.types.message import (
        Refusal as Refusal,
    )
    from inferail.types.message import (
        ToolResult as ToolResult,
    )
    from inferail.types.model import DeltaStream as DeltaStream
    from inferail.types.model import Model
    from inferail.types.registry import resolve
    from inferail.types.request import OutputSchema as OutputSchema
    from inferail.types.request import Request, Sampling
    from inferail.types.response import Attempt as Attempt
    from inferail.types.response import Partial as Partial
    from inferail.types.response import Response
    from inferail.types.response import Timing as Timing
    from inferail.types.scope import Budget, Cancellation, scope
    from inferail.types.scope import Scope as Scope
    from inferail.types.tools import Tool
    from inferail.types.usage import Usage
    from inferail.wrapping.wrap import wrap

_HOMES = {
    "inferail.one_line": ("acomplete", "complete"),
    "inferail._sync": ("Client", "Embedder", "Stream"),
    "inferail.batch.windowed": ("Windowed",),
    "inferail.cache.cached": ("Cached",),
    "inferail.cache.exact": ("ExactCache",),
    "inferail.cache.semantic.cache": ("SemanticCache",),
    "inferail.client": ("AsyncClient", "ResponseStream"),
    "inferail.core": ("Delta",),
    "inferail.embedding": ("AsyncEmbedder",),
    "inferail.limits.limited": ("Limited",),
    "inferail.limits.limits": ("Limits",),
    "inferail.pipelines.conversation.conversation": ("AsyncConversation", "Conversation"),
    "inferail.pipelines.conversation.memory": ("Summary",),
    "inferail.pipelines.conversation.window": ("Window",),
    "inferail.pipelines.prompts.caching.prefixed": ("Prefixed",),
    "inferail.pipelines.prompts.caching.watch": ("CacheWatch",),
    "inferail.pipelines.prompts.library": ("PromptLibrary",),
    "inferail.pipelines.prompts.template": ("PromptTemplate",),
    "inferail.pipelines.agent.agent": ("Agent", "AsyncAgent"),
    "inferail.pipelines.tools.function": ("tool",),
    "inferail.pipelines.tools.protocol": ("ToolOutcome", "ToolRun"),
    "inferail.pipelines.tools.rules": ("ToolRequest",),
    "inferail.pipelines.tools.toolbox": ("AsyncToolbox", "Toolbox"),
    "inferail.pipelines.mcp.client.blocking": ("MCPClient",),
    "inferail.pipelines.mcp.client.client": ("AsyncMCPClient",),
    "inferail.pipelines.mcp.server.server": ("MCPServer",),
    "inferail.pipelines.rag.ask": ("RAG", "AsyncRAG"),
    "inferail.pipelines.rag.corpus": ("AsyncCorpus", "Corpus"),
    "inferail.pipelines.flows.chains": ("achain", "chain"),
    "inferail.pipelines.flows.failing": ("StepError",),
    "inferail.pipelines.flows.fan_out": ("agather", "gather"),
    "inferail.pipelines.flows.loops": ("aloop", "loop"),
    "inferail.pipelines.flows.rules": ("arule", "rule"),
    "inferail.pipelines.flows.steps": ("step",),
    "inferail.pipelines.flows.switches": ("aswitch", "switch"),
    "inferail.pipelines.guards.guarded": ("Guarded",),
    "inferail.providers.target": ("Target",),
    "inferail.routing.fallback": ("Fallback",),
    "inferail.routing.hedged": ("Hedged",),
    "inferail.routing.router": ("Router",),
    "inferail.routing.sentences": ("Gated",),
    "inferail.routing.tiered": ("Tiered",),
    "inferail.structured.output": ("Matching", "Output"),
    "inferail.telemetry.prices": ("Price", "PriceTable"),
    "inferail.telemetry.records": ("Record",),
    "inferail.telemetry.sinks": ("JsonlSink", "MemorySink"),
    "inferail.transport.deadlines": ("Timeouts",),
    "inferail.transport.retries": ("RetryPolicy",),
    "inferail.types.message": (
        "Audio",
        "File",
        "Image",
        "Message",
        "Reasoning",
        "Refusal",
        "Text",
        "ToolCall",
        "ToolResult",
        "assistant",
        "system",
        "tool_result",
        "user",
    ),
    "inferail.types.model": ("DeltaStream", "Model"),
    "inferail.types.registry": ("resolve",),
    "inferail.types.request": ("OutputSchema", "Request", "Sampling"),
    "inferail.types.response": ("Attempt", "Partial", "Response", "Timing"),
    "inferail.types.scope": ("Budget", "Cancellation", "Scope", "scope"),
    "inferail.types.tools": ("Tool",),
    "inferail.types.usage": ("Usage",),
    "inferail.wrapping.wrap": ("wrap",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "RAG",
    "Agent",
    "AsyncClient",
    "AsyncEmbedder",
    "Audio",
    "AuthenticationError",
    "Budget",
    "BudgetError",
    "Cached",
    "Cancellation",
    "CancelledError",
    "CapacityError",
    "Client",
    "ConfigError",
    "ConflictError",
    "ConnectError",
    "ContentFilteredError",
    "ContextLengthError",
    "Conversation",
    "Corpus",
    "DeadlineError",
    "DeviceError",
    "Embedder",
    "EngineError",
    "ExactCache",
    "Fallback",
    "File",
    "FormatError",
    "Gated",
    "GrammarError",
    "Guarded",
    "GuardrailError",
    "Hedged",
    "Image",
    "InferailError",
    "InvalidRequestError",
    "Limited",
    "Limits",
    "Message",
    "Model",
    "NotFoundError",
    "OutOfBlocksError",
    "OutputError",
    "OutputValidationError",
    "OverloadedError",
    "PermissionDeniedError",
    "PolicyError",
    "PriceTable",
    "ProviderError",
    "RateLimitError",
    "Record",
    "Request",
    "RequestError",
    "Response",
    "RetryPolicy",
    "RouteError",
    "Router",
    "Sampling",
    "SamplingError",
    "SemanticCache",
    "ServerError",
    "StreamError",
    "Target",
    "Text",
    "Tiered",
    "Timeouts",
    "Tool",
    "ToolCall",
    "ToolError",
    "TransportError",
    "Usage",
    "acomplete",
    "assistant",
    "complete",
    "resolve",
    "scope",
    "system",
    "tool",
    "tool_result",
    "user",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from inferail.core import __version__ as version

        return version
    if name == "guards":
        return importlib.import_module("inferail.pipelines.guards")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'inferail' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
