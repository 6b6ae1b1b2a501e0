"""One call of the model for many who ask the same: who asks, who waits, and what nobody waits for."""
