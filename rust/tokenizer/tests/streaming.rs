//! Text while it arrives is the text of the whole, however the bytes are split.

use inferail_tokenizer::Utf8Stream;
use proptest::prelude::*;

fn streamed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut stream = Utf8Stream::default();
    let mut text = String::new();
    for piece in pieces {
        stream.feed(piece, &mut text);
    }
    stream.finish(&mut text);
    text
}

/// Bytes of which many are parts of characters.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        any::<char>().prop_map(|character| character.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 1..3),
        Just(vec![0xE2, 0x82]),
        Just(vec![0xF0, 0x9F, 0x91]),
        Just(vec![0xED, 0xA0, 0x80]),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn every_split_gives_the_text_of_the_whole(bytes in bytes(), size in 1..5_usize) {
        prop_assert_eq!(streamed(bytes.chunks(size)), String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn two_pieces_split_anywhere_give_the_text_of_the_whole(bytes in bytes()) {
        for at in 0..=bytes.len() {
            let (left, right) = bytes.split_at(at);
            prop_assert_eq!(streamed([left, right]), String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn whole_characters_are_never_held_back(text in any::<String>()) {
        let mut stream = Utf8Stream::default();
        let mut seen = String::new();
        for character in text.chars() {
            let begin = seen.len();
            stream.feed(character.to_string().as_bytes(), &mut seen);
            prop_assert_eq!(&seen[begin..], character.to_string());
        }
    }
}
