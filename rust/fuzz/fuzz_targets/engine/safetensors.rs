//! Any bytes as a safetensors file: as they are, and as a header that is put in front of a file of its length.
#![no_main]

use std::io::{Cursor, Read, Seek};
use std::path::Path;

use inferail_engine::weights::{Dtype, SafeTensors};
use libfuzzer_sys::fuzz_target;

/// What is accepted lies inside the file, without overlap, and can be read.
fn check<R: Read + Seek>(file: R, bytes: u64) {
    let Ok(mut file) = SafeTensors::new(file, bytes, Path::new("fuzz")) else {
        return;
    };
    let tensors = file.header().tensors.clone();
    let sizes: u64 = tensors.values().map(|tensor| tensor.bytes.end - tensor.bytes.start).sum();
    assert!(sizes <= bytes);
    for (name, tensor) in tensors {
        assert!(tensor.bytes.end <= bytes);
        let count: usize = tensor.shape.iter().product();
        match tensor.dtype {
            Dtype::I64 => assert_eq!(file.integers(&name, &tensor.shape).unwrap().len(), count),
            _ => {
                if let Ok(numbers) = file.floats(&name, &tensor.shape) {
                    assert_eq!(numbers.len(), count);
                    assert!(numbers.iter().all(|number| number.is_finite()));
                }
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    check(Cursor::new(data), data.len() as u64);

    // Most inputs end at the length: here it is right, and zeros follow the header.
    let mut file = (data.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(data);
    file.resize(file.len() + 256, 0);
    for data_bytes in [0, 4, 64, 256] {
        let bytes = 8 + data.len() + data_bytes;
        check(Cursor::new(&file[..bytes]), bytes as u64);
    }
});
