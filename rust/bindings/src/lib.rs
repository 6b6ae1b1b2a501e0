//! `inferail._core`: the Rust crates as Python classes. Conversion and locking only, one file per class.
#![deny(unsafe_code)]

mod buffer;
mod build_info;
mod dlpack;
mod encoder;
mod error;
mod event_stream_parser;
mod gil;
mod grammar;
mod http_exchange;
mod http_pool;
mod index;
mod json;
mod kv;
mod ndjson_parser;
mod policy;
mod sampler;
mod sse_parser;
mod text;
mod tokenizer;
mod wire;

/// The compiled part of inferail; `inferail.core` is its public door.
#[pyo3::pymodule(gil_used = false, name = "_core")]
mod core_module {
    use pyo3::prelude::*;

    use super::build_info;

    #[pymodule_export]
    use super::encoder::encoder::PyEncoder;
    #[pymodule_export]
    use super::encoder::lexical::PyLexicalEncoder;
    #[pymodule_export]
    use super::event_stream_parser::{PyEventStreamMessage, PyEventStreamParser};
    #[pymodule_export]
    use super::grammar::grammar::PyGrammar;
    #[pymodule_export]
    use super::grammar::matcher::PyMatcher;
    #[pymodule_export]
    use super::grammar::vocabulary::PyVocabulary;
    #[pymodule_export]
    use super::http_exchange::PyHttpExchange;
    #[pymodule_export]
    use super::http_pool::{PyHttpPool, PyHttpSettings};
    #[pymodule_export]
    use super::index::graph_index::PyGraphIndex;
    #[pymodule_export]
    use super::index::vector_index::PyVectorIndex;
    #[pymodule_export]
    use super::json::{dump_json, load_json};
    #[pymodule_export]
    use super::kv::cache::PyKVCache;
    #[pymodule_export]
    use super::kv::plan::PyPlan;
    #[pymodule_export]
    use super::kv::sequence::PySequence;
    #[pymodule_export]
    use super::kv::view::PyPageView;
    #[pymodule_export]
    use super::ndjson_parser::PyNdjsonParser;
    #[pymodule_export]
    use super::policy::concurrency::PyAdaptiveConcurrency;
    #[pymodule_export]
    use super::policy::health::{PyEndpointHealth, pick};
    #[pymodule_export]
    use super::policy::limiter::{PyLimiter, PyRefusal, PyReservation};
    #[pymodule_export]
    use super::policy::queue::PyWaitQueue;
    #[pymodule_export]
    use super::policy::retry_budget::PyRetryBudget;
    #[pymodule_export]
    use super::policy::ring::PyRecordRing;
    #[pymodule_export]
    use super::sampler::draw::{PySampler, sample_each};
    #[pymodule_export]
    use super::sampler::history::PyHistory;
    #[pymodule_export]
    use super::sampler::prompt_lookup::PyPromptLookup;
    #[pymodule_export]
    use super::sampler::samples::PySamples;
    #[pymodule_export]
    use super::sampler::stop_check::PyStopCheck;
    #[pymodule_export]
    use super::sampler::stop_scanner::PyStopScanner;
    #[pymodule_export]
    use super::sampler::stop_strings::PyStopStrings;
    #[pymodule_export]
    use super::sampler::verify::verify_draft;
    #[pymodule_export]
    use super::sse_parser::{PySseEvent, PySseParser};
    #[pymodule_export]
    use super::text::bm25::PyBm25;
    #[pymodule_export]
    use super::text::chunker::{PyChunk, PyChunker};
    #[pymodule_export]
    use super::text::redactor::{PyRedactor, PyRedactorStream};
    #[pymodule_export]
    use super::text::sentence_gate::PySentenceGate;
    #[pymodule_export]
    use super::text::stall_detector::PyStallDetector;
    #[pymodule_export]
    use super::text::task_model::PyTaskModel;
    #[pymodule_export]
    use super::tokenizer::chat::template::PyTemplate;
    #[pymodule_export]
    use super::tokenizer::encoding::PyEncoding;
    #[pymodule_export]
    use super::tokenizer::streaming_decoder::PyStreamingDecoder;
    #[pymodule_export]
    use super::tokenizer::tokenizer::PyTokenizer;
    #[pymodule_export]
    use super::wire::accumulator::PyAccumulator;
    #[pymodule_export]
    use super::wire::delta::PyDelta;
    #[pymodule_export]
    use super::wire::partial_json::PyPartialJson;
    #[pymodule_export]
    use super::wire::stream_decoder::PyStreamDecoder;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("BUILD_INFO", build_info::build_info(module.py())?)
    }
}
