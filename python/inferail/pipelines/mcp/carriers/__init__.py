"""What carries messages between a client and a server: the pipes of a child process, or HTTP."""
