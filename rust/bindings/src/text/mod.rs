//! Text analysis as Python sees it.
