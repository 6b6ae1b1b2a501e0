//! Any bytes, split anywhere, through both decoders of DashScope's own stream.
#![no_main]

use inferail_fuzz::{COUNTING, Counting, check_decoder};
use inferail_wire::Provider;
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Counting = COUNTING;

fuzz_target!(|data: &[u8]| {
    check_decoder(Provider::DashScope, data);
    check_decoder(Provider::DashScopeCumulative, data);
});
