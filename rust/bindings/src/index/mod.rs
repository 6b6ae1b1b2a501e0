//! The vector index as Python sees it.

pub(crate) mod arguments;
pub(crate) mod graph_index;
pub(crate) mod vector_index;
