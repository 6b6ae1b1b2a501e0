//! The scanner beside a slow twin, and examples.

mod examples;
mod reference;
mod splits;
