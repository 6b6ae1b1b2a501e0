//! The byte alphabet: a printable character for each byte, in which byte-level vocabularies are written.

/// The character of a byte: itself where it is printable Latin-1, else the next one from U+0100 on.
pub(crate) fn character(byte: u8) -> char {
    CHARACTERS[byte as usize]
}

/// The byte of a character, if it is one of the alphabet.
pub(crate) fn byte(character: char) -> Option<u8> {
    BYTES.get(character as usize).copied().flatten()
}

/// The bytes that a token stands for; nothing if a character is not of the alphabet.
pub(crate) fn bytes(token: &str) -> Option<Vec<u8>> {
    token.chars().map(byte).collect()
}

/// A token that stands for bytes.
pub(crate) fn token(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| character(*byte)).collect()
}

const fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF)
}

const CHARACTERS: [char; 256] = {
    let mut characters = ['\0'; 256];
    let mut next = 0x100;
    let mut byte = 0;
    while byte < 256 {
        characters[byte] = if is_printable(byte as u8) {
            byte as u8 as char
        } else {
            next += 1;
            match char::from_u32(next - 1) {
                Some(character) => character,
                None => '\0',
            }
        };
        byte += 1;
    }
    characters
};

const BYTES: [Option<u8>; 0x144] = {
    let mut bytes = [None; 0x144];
    let mut byte = 0;
    while byte < 256 {
        bytes[CHARACTERS[byte] as usize] = Some(byte as u8);
        byte += 1;
    }
    bytes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_character() {
        for value in 0..=u8::MAX {
            assert_eq!(byte(character(value)), Some(value));
        }
        assert_eq!(token(b" a\n"), "ĠaĊ");
        assert_eq!(bytes("Ġé"), Some(vec![b' ', 0xE9]));
        assert_eq!(bytes("▁"), None);
    }
}
