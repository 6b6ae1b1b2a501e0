"""The client that the official conformance suite runs: `everything_client.py URL`, the scenario in the environment."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from inferail.errors import InferailError
from inferail.pipelines.mcp import AsyncMCPClient, ClientCredentials, IdentityAssertion, OAuth
from inferail.transport import async_transport
from inferail.transport.protocol import Wire

SCENARIO = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
CONTEXT: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
REDIRECT = "http://localhost:3000/callback"


async def user(address: str) -> str:
    """Plays the user: the suite's authorization server sends everybody back at once."""
    transport = async_transport("rust")
    try:
        reply = await transport.open(Wire("GET", address, {}, b""), connect_timeout=5.0, by=None)
        return reply.headers["location"]
    finally:
        await transport.aclose()


def authorization():
    """What the scenario wants a client to have been told."""
    if SCENARIO == "auth/client-credentials-jwt":
        return ClientCredentials(CONTEXT["client_id"], private_key=CONTEXT["private_key_pem"])
    if SCENARIO == "auth/client-credentials-basic":
        return ClientCredentials(CONTEXT["client_id"], secret=CONTEXT["client_secret"])
    if SCENARIO == "auth/cross-app-access-complete-flow":
        return IdentityAssertion(
            CONTEXT["client_id"],
            secret=CONTEXT["client_secret"],
            id_token=lambda: CONTEXT["idp_id_token"],
            provider_token_endpoint=CONTEXT["idp_token_endpoint"],
            provider_client_id=CONTEXT["idp_client_id"],
        )
    known = {name: CONTEXT[name] for name in ("client_id", "client_secret") if name in CONTEXT}
    document = "https://conformance-test.local/client-metadata.json" if SCENARIO == "auth/basic-cimd" else ""
    return OAuth(user, redirect_uri=REDIRECT, client_document=document, **known)


def accept(question):
    """Accepts what the server suggests."""
    return {}


async def main(url: str) -> None:
    """Lists the tools and calls each."""
    given = authorization() if SCENARIO.startswith("auth/") else None
    async with AsyncMCPClient(url, authorization=given, elicitation=accept) as client:
        for tool in await client.tools():
            arguments = dict.fromkeys(tool.definition.parameters.get("properties", {}), 1)
            await client.call(tool.server_name, arguments)


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1]))
    except InferailError as error:
        sys.exit(f"{type(error).__name__}: {error}")
