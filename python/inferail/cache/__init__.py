"""Caches of whole answers: exact and semantic."""
