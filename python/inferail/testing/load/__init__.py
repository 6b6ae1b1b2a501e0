"""Load that does not wait for the server: open loop, bounded, measured from when each request should have begun."""
