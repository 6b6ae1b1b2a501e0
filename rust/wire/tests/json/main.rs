//! JSON: whole texts, and texts that are still being written.

mod partial;
mod walker;
