//! Any bytes as a compact vocabulary: as they are, and with the checksum that lets them in.
#![no_main]

use inferail_tokenizer::load::compact;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = compact::read(data);

    let mut file = [compact::MAGIC.as_slice(), data].concat();
    file.extend(crc32fast::hash(&file).to_le_bytes());
    if let Ok(vocabulary) = compact::read(&file) {
        let num_bytes: usize = vocabulary.iter().map(|(_, token)| token.len()).sum();
        assert!(vocabulary.len() <= data.len());
        assert!(num_bytes <= compact::MAX_BYTES as usize);
    }
});
