"""Wire requests that no façade of the server reads, back into our types."""
