"""The nouns: messages, requests, responses, usage, the Model protocol, the Scope. May use errors and core."""
