"""The names and numbers of the Model Context Protocol, revisions 2024-11-05 to 2026-07-28."""

from __future__ import annotations

from typing import Final

__all__ = [
    "CLIENT_CAPABILITIES",
    "CLIENT_INFO",
    "HANDSHAKE",
    "HEADER_MISMATCH",
    "IDEMPOTENCY_KEY",
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "LATEST_HANDSHAKE",
    "LOG_LEVEL",
    "LOG_LEVELS",
    "METHOD_NOT_FOUND",
    "MISSING_CAPABILITY",
    "NAMED",
    "PARSE_ERROR",
    "PROTOCOL_VERSION",
    "RESOURCE_NOT_FOUND",
    "SERVER_INFO",
    "STATELESS",
    "SUBSCRIPTION_ID",
    "UNSUPPORTED_VERSION",
]

# Revisions that begin with `initialize`, oldest first, and the one whose every request stands alone.
HANDSHAKE: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
LATEST_HANDSHAKE: Final = HANDSHAKE[-1]
STATELESS: Final = "2026-07-28"

# Members of `_meta` in 2026-07-28.
PROTOCOL_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
CLIENT_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"
LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"
SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"
# Our own: the same for every try of one call of a tool, also after a restart.
IDEMPOTENCY_KEY: Final = "inferail/idempotencyKey"

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
RESOURCE_NOT_FOUND: Final = -32002
HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022

# Methods whose parameter of this name is repeated in the header Mcp-Name.
NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}

# RFC 5424, least severe first.
LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
