//! `.tiktoken` ranks: one line a token, its bytes in base64, a space, its rank.

use crate::{Error, Vocabulary};

const FORMAT: &str = ".tiktoken file";

/// The vocabulary of a `.tiktoken` file. Ranks are ids and need not be dense.
///
/// # Errors
///
/// [`Error::Format`]: a line is not base64, a space and a number; a rank appears twice.
pub fn ranks(file: &[u8]) -> Result<Vocabulary, Error> {
    let mut tokens = Vec::new();
    let mut offset = 0;
    for line in file.split(|byte| *byte == b'\n') {
        if !line.is_empty() {
            let token = entry(line).ok_or_else(|| Error::Format {
                format: FORMAT,
                offset: Some(offset),
                problem: "a line is base64, a space and a rank".to_owned(),
            })?;
            tokens.push(token);
        }
        offset += line.len() as u64 + 1;
    }
    Vocabulary::new(
        FORMAT,
        tokens.iter().map(|(id, token)| (*id, token.as_slice())),
    )
}

/// The `.tiktoken` file of a vocabulary.
pub fn write(vocabulary: &Vocabulary) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut file = Vec::new();
    for (rank, token) in vocabulary.iter() {
        for group in token.chunks(3) {
            let mut bytes = [0; 4];
            bytes[1..=group.len()].copy_from_slice(group);
            let bits = u32::from_be_bytes(bytes);
            for digit in 0..4 {
                let value = DIGITS[(bits >> (18 - 6 * digit) & 63) as usize];
                file.push(if digit <= group.len() { value } else { b'=' });
            }
        }
        file.extend_from_slice(format!(" {rank}\n").as_bytes());
    }
    file
}

fn entry(line: &[u8]) -> Option<(u32, Vec<u8>)> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let rank = std::str::from_utf8(&line[space + 1..])
        .ok()?
        .trim_end()
        .parse()
        .ok()?;
    Some((rank, base64(&line[..space])?))
}

/// The bytes that base64 stands for.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text
        .strip_suffix(b"==")
        .or_else(|| text.strip_suffix(b"="))
        .unwrap_or(text);
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(bytes)
}
