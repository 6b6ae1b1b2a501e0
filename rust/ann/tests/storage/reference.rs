//! A slow and obvious reader of logs, shared with the fuzz target.

/// What is to be seen in the bytes of a log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Number and body of each record, and where an interrupted append begins.
    Records {
        records: Vec<(u64, Vec<u8>)>,
        torn_at: Option<usize>,
    },
    /// The file is refused.
    Refused,
}

/// CRC-32 bit by bit, that goes on from `sum`.
pub(crate) fn checksum(sum: u32, bytes: &[u8]) -> u32 {
    let mut sum = !sum;
    for &byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            let is_odd = sum & 1 == 1;
            sum >>= 1;
            if is_odd {
                sum ^= 0xedb8_8320;
            }
        }
    }
    !sum
}

/// The header's checksum.
pub(crate) fn header_sum(header: &[u8]) -> u32 {
    checksum(checksum(0, &header[..12]), &header[16..])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Where the header ends, if the bytes are long enough for it.
pub(crate) fn header_end(bytes: &[u8]) -> Option<usize> {
    let end = (32 + u32_at(bytes.get(..32)?, 28) as usize).next_multiple_of(4);
    (end <= bytes.len()).then_some(end)
}

/// Whether the 20 bytes at `at` are the head of a record, and where the record ends.
fn head(bytes: &[u8], salt: u32, at: usize) -> Option<usize> {
    let head = bytes.get(at..at + 20)?;
    let length = u32_at(head, 4) as usize;
    (checksum(salt, &head[4..]) == u32_at(head, 0)).then(|| at + 20 + length.next_multiple_of(4))
}

fn is_record(bytes: &[u8], salt: u32, at: usize) -> bool {
    head(bytes, salt, at).is_some_and(|end| {
        end <= bytes.len() && checksum(salt, &bytes[at + 20..end]) == u32_at(bytes, at + 16)
    })
}

/// What a log of these settings holds.
pub(crate) fn read(bytes: &[u8], settings: &[u8]) -> Seen {
    let Some(first) = header_end(bytes) else {
        return Seen::Refused;
    };
    let is_ours = &bytes[..8] == b"irannlog"
        && u32_at(bytes, 8) == 1
        && u32_at(bytes, 12) == header_sum(&bytes[..first])
        && u64_at(bytes, 16) <= u64::MAX / 2
        && &bytes[32..32 + u32_at(bytes, 28) as usize] == settings;
    if !is_ours {
        return Seen::Refused;
    }
    let (mut last, salt) = (u64_at(bytes, 16), u32_at(bytes, 24));
    let mut records = Vec::new();
    let mut at = first;
    while at < bytes.len() {
        if !is_record(bytes, salt, at) {
            // Behind a record whose length is known, or anywhere.
            let from = head(bytes, salt, at).unwrap_or(at + 4);
            let most = (bytes.len() / 20) as u64;
            let follows = (from..bytes.len()).step_by(4).any(|behind| {
                is_record(bytes, salt, behind)
                    && (last + 1..=last + most).contains(&u64_at(bytes, behind + 8))
            });
            return if follows {
                Seen::Refused
            } else {
                let torn_at = Some(at);
                Seen::Records { records, torn_at }
            };
        }
        if u64_at(bytes, at + 8) != last + 1 {
            return Seen::Refused;
        }
        last += 1;
        let length = u32_at(bytes, at + 4) as usize;
        records.push((last, bytes[at + 20..at + 20 + length].to_vec()));
        at += 20 + length.next_multiple_of(4);
    }
    let torn_at = None;
    Seen::Records { records, torn_at }
}

/// The same bytes with checksums that fit, so that what is behind them is reached: those of the header, and of every
/// record that begins with another number than four times 0xff, as far as they follow each other.
pub(crate) fn mended(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let Some(mut at) = header_end(&bytes) else {
        return bytes;
    };
    let sum = header_sum(&bytes[..at]);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    let salt = u32_at(&bytes, 24);
    while at + 20 <= bytes.len() {
        let length = u32_at(&bytes, at + 4) as usize;
        let end = at + 20 + length.next_multiple_of(4);
        if bytes[at..at + 4] != [0xff; 4] {
            if end <= bytes.len() {
                let body = checksum(salt, &bytes[at + 20..end]);
                bytes[at + 16..at + 20].copy_from_slice(&body.to_le_bytes());
            }
            let sum = checksum(salt, &bytes[at + 4..at + 20]);
            bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
        }
        if end > bytes.len() {
            break;
        }
        at = end;
    }
    bytes
}
