//! What must not be written down: addresses, numbers of people and accounts, keys and passwords.
//!
//! One pass over the bytes. A byte that is rare in prose (`@`, a digit, `_`, `=` …) calls the recognisers that it can belong
//! to, and they look at a bounded part of the text around it: time is linear in the text, whatever it is. Nothing keeps a
//! state from byte to byte, so a text in pieces ([`Stream`]) gives what the whole gives.
//!
//! ```
//! use inferail_text::redact::{Kinds, find};
//!
//! let found = find(b"Write to ada@example.com", Kinds::ALL);
//! assert_eq!((found[0].kind.name(), found[0].start, found[0].end), ("email", 9, 24));
//! ```

mod json;
mod kind;
mod recognise;
mod scan;
mod stream;
mod view;

#[cfg(test)]
mod tests;

pub use json::FoundInJson;
pub use kind::{Found, Kind, Kinds};
pub use stream::Stream;

/// What is found in `text`, in its order, none over another.
pub fn find(text: &[u8], kinds: Kinds) -> Vec<Found> {
    let mut found = Vec::new();
    scan::scan(&view::View::new(text, true), 0, kinds, &mut found);
    scan::resolve(&mut found, 0);
    found
}

/// What is found in the strings and numbers of a JSON text (or several, one behind the other), which stays one when they are
/// replaced. None if it is no such text.
pub fn find_in_json(body: &[u8], kinds: Kinds) -> Option<Vec<FoundInJson>> {
    json::find(body, kinds)
}
