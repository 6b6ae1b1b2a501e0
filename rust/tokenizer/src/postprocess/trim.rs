//! Offsets without the white space that byte-level tokens begin or end with.

use super::Encoding;

/// How many characters of white space a token begins and ends with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spaces {
    leading: u32,
    trailing: u32,
}

impl Spaces {
    pub(crate) fn of(token: &str) -> Self {
        let is_space = |character: &char| *character == 'Ġ' || character.is_whitespace();
        Self {
            leading: token.chars().take_while(is_space).count() as u32,
            trailing: token.chars().rev().take_while(is_space).count() as u32,
        }
    }
}

/// Takes white space off the offsets. `spaces` is that of each token.
///
/// With `prefix_space` one space at the beginning of the text is one that the tokenizer put there, which has no offset of
/// its own.
pub(crate) fn trim(encoding: &mut Encoding, spaces: &[Spaces], prefix_space: bool) {
    let tokens = spaces.iter().zip(&mut encoding.offsets);
    for (index, (spaces, [begin, end])) in tokens.enumerate() {
        // Of more than one at the beginning none was put there.
        let is_put = spaces.leading == 1 && prefix_space && (index == 0 || *begin == 0);
        if !is_put {
            *begin = (*begin + spaces.leading).min(*end);
        }
        if spaces.trailing > 0 && *end >= spaces.trailing {
            *end = (*end - spaces.trailing).max(*begin);
        }
    }
}
