//! Any bytes as the weights of a classifier: they are read or refused, and what is read answers any text.
//!
//! The checksum is put right, or nearly every input would end there.
#![no_main]

use inferail_text::classifier::TaskModel;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    drop(TaskModel::read(data));
    let mut file = data.to_vec();
    file.extend(crc32fast::hash(data).to_le_bytes());
    let Ok(model) = TaskModel::read(&file) else {
        return;
    };
    let text = String::from_utf8_lossy(data);
    let found = model.classify(&text);
    assert!(model.tasks().iter().any(|task| task == found.name));
    assert_eq!(model.scores(&text).len(), model.tasks().len() + 1);
});
