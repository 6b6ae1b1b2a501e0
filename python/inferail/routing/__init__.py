"""Which model answers: Models made of other Models. May use providers and what is below them."""
