"""The server of MCP: what it offers, who calls it, and how requests reach it."""
