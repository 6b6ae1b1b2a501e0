"""Our parts inside the libraries of others. Each module needs its library; nothing of it is loaded before it is imported."""
