"""What a batch reads and writes: its input, its checkpoint, and the file of what came out."""
