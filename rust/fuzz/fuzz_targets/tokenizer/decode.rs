//! Any ids: their bytes one after another, or an error for just those that do not exist.
#![no_main]

use std::sync::LazyLock;

use inferail_fuzz::tokenizer::{byte_tokenizer, byte_vocabulary};
use inferail_tokenizer::{Error, PreTokenizerDefinition, Tokenizer};
use libfuzzer_sys::fuzz_target;

const SPECIAL: u32 = 1_000;

static TOKENS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(byte_vocabulary);

static TOKENIZER: LazyLock<Tokenizer> =
    LazyLock::new(|| byte_tokenizer(PreTokenizerDefinition::None, SPECIAL));

fn token(id: u32) -> Option<&'static [u8]> {
    if id == SPECIAL {
        return Some(b"<|end|>");
    }
    TOKENS.get(id as usize).map(Vec::as_slice)
}

fuzz_target!(|data: &[u8]| {
    let numbers = data.chunks_exact(2);
    let ids: Vec<u32> = numbers
        .map(|two| u32::from(u16::from_le_bytes([two[0], two[1]])) & 1_023)
        .collect();

    match TOKENIZER.decode_bytes(&ids) {
        Ok(bytes) => {
            let expected: Option<Vec<&[u8]>> = ids.iter().map(|id| token(*id)).collect();
            assert_eq!(Some(bytes), expected.map(|tokens| tokens.concat()));
        }
        Err(Error::UnknownId { id, .. }) => {
            let first = ids.iter().find(|id| token(**id).is_none());
            assert_eq!(first, Some(&id));
        }
        Err(error) => unreachable!("{error}"),
    }
    for &id in &ids {
        assert_eq!(TOKENIZER.token_bytes(id), token(id));
    }
});
