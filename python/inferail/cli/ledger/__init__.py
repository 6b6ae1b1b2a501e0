"""Commands over the ledger: what calls cost, and what became of those that failed."""
