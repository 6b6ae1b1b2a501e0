"""Limits: what may be asked and spent, before it is. May use providers, store, telemetry, types, core and errors."""
