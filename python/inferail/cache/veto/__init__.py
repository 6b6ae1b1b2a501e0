"""Cheap reasons why two near texts must not share an answer. English; other languages mostly pass through."""
