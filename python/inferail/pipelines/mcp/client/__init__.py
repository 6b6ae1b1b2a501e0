"""The client of MCP servers: links that carry messages, the session over them, and what a user calls."""
