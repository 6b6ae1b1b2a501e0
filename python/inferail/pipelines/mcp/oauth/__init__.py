"""OAuth 2.1 for MCP over HTTP: discovery, registration, PKCE, and the grants that need no user."""
