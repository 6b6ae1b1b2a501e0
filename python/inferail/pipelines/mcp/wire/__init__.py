"""What goes over the wire between an MCP client and a server: messages, versions, headers, content."""
