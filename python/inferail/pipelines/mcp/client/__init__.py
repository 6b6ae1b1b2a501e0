"""The client of MCP servers: the session over a carrier, and what a user calls."""
