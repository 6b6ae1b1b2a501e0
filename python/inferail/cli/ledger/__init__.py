"""Commands about what calls cost and how they went."""
