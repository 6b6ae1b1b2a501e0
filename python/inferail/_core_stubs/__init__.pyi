"""Parts of `_core.pyi`, by what they describe. There are no such modules: import from `inferail.core`."""
