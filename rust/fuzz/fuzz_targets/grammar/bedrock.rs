//! Any events, split anywhere, through the decoder of this provider; and any bytes.
#![no_main]

use inferail_fuzz::{COUNTING, Counting, check_decoder, event_stream};
use inferail_wire::Provider;
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Counting = COUNTING;

// Bytes that no checksum fits go no further than the framing, which has a target of its own.
fuzz_target!(|data: &[u8]| {
    check_decoder(Provider::Bedrock, &event_stream(data));
    check_decoder(Provider::Bedrock, data);
});
