//! The sampler as Python sees it.

mod arguments;
pub(crate) mod prompt_lookup;
pub(crate) mod stop_check;
pub(crate) mod stop_scanner;
pub(crate) mod stop_strings;
pub(crate) mod verify;
