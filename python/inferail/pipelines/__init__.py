"""The patterns that teams rebuild, as small typed pieces over a client: no graph, no hidden prompt, no hidden call."""
