//! Text analysis as Python sees it.

pub(crate) mod bm25;
pub(crate) mod chunker;
pub(crate) mod redactor;
pub(crate) mod sentence_gate;
pub(crate) mod stall_detector;
pub(crate) mod task_model;
