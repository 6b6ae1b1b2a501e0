"""Embedding endpoints, one pure codec for each shape; `vectors` makes an array of what they answer."""
