//! The sampler as Python sees it.

mod arguments;
pub(crate) mod draw;
pub(crate) mod history;
mod options;
pub(crate) mod prompt_lookup;
mod rows;
pub(crate) mod samples;
pub(crate) mod stop_check;
pub(crate) mod stop_scanner;
pub(crate) mod stop_strings;
pub(crate) mod verify;
