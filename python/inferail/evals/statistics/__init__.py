"""The formulas behind the figures, each with its source: trials, bootstrap, power, agreement with people."""
