"""Where cases come from: files of JSON lines, and samples of what was asked in production."""
