//! Holds the package of the benchmarks in `benches/`; there is no library here.
