//! The vector index as Python sees it.

mod arguments;
pub(crate) mod graph_index;
pub(crate) mod vector_index;
