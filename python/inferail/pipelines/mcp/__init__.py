"""Model Context Protocol: a client of MCP servers and a server of our tools, over stdio and streamable HTTP.

Protocols 2024-11-05 to 2025-11-25, which begin with a handshake, and 2026-07-28, whose every request stands alone.
"""

from inferail.pipelines.mcp.client.answering import MCPElicitation
from inferail.pipelines.mcp.client.blocking import MCPClient
from inferail.pipelines.mcp.client.client import AsyncMCPClient
from inferail.pipelines.mcp.client.session import ServerFacts
from inferail.pipelines.mcp.client.tools import MCPTool
from inferail.pipelines.mcp.oauth.browser import Browser
from inferail.pipelines.mcp.oauth.challenge import Authorizer, Challenge
from inferail.pipelines.mcp.oauth.flow import ClientCredentials, IdentityAssertion, OAuth
from inferail.pipelines.mcp.server.context import MCPContext
from inferail.pipelines.mcp.server.functions import ServedFunction
from inferail.pipelines.mcp.server.server import MCPServer
from inferail.pipelines.mcp.wire.content import MCPContent, MCPPrompt, MCPPromptMessage, MCPResource, MCPResult
from inferail.pipelines.mcp.wire.messages import MCPLimits, RpcError

__all__ = [
    "AsyncMCPClient",
    "Authorizer",
    "Browser",
    "Challenge",
    "ClientCredentials",
    "IdentityAssertion",
    "MCPClient",
    "MCPContent",
    "MCPContext",
    "MCPElicitation",
    "MCPLimits",
    "MCPPrompt",
    "MCPPromptMessage",
    "MCPResource",
    "MCPResult",
    "MCPServer",
    "MCPTool",
    "OAuth",
    "RpcError",
    "ServedFunction",
    "ServerFacts",
]
