//! Any bytes, split anywhere, through the decoder of this provider.
#![no_main]

use inferail_fuzz::{COUNTING, Counting, check_decoder};
use inferail_wire::Provider;
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Counting = COUNTING;

fuzz_target!(|data: &[u8]| check_decoder(Provider::Ollama, data));
