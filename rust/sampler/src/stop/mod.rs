//! When a sequence ends, and what of it may be shown.

mod automaton;
mod rules;
mod scanner;

pub use automaton::StopStrings;
pub use rules::{Finish, StopCheck, StopRules};
pub use scanner::StopScanner;
