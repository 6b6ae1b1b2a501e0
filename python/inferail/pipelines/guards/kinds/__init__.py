"""The guards themselves, by what they look for."""
