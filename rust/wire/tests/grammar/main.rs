//! The grammars, one module each.

mod anthropic;
mod bedrock;
mod cohere;
mod dashscope;
mod gemini;
mod ollama;
mod openai_chat;
mod openai_responses;
#[path = "../support/mod.rs"]
mod support;
mod tgi;
mod think;
mod tolerance;
