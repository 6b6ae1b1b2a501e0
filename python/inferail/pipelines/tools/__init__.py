"""Tools that run: typed functions, checked arguments, permissions, time limits."""
