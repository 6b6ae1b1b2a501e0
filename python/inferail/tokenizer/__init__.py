"""Tokenizers by name. The class itself is `inferail.core.Tokenizer`, which finds these modules by itself."""
