//! Where in a string the text is.

/// What was read last of a string; `high` is a high surrogate that waits for its partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StringState {
    /// A character, or the opening quote.
    Plain,
    /// The escape of a high surrogate.
    High { high: u16 },
    /// A backslash.
    Backslash { high: Option<u16> },
    /// `\u` and `digits` hexadecimal digits.
    Unicode {
        unit: u16,
        digits: u8,
        high: Option<u16>,
    },
}

impl StringState {
    /// Whether a high surrogate was read last to which `byte` brings no partner.
    pub(super) fn is_alone_before(self, byte: u8) -> bool {
        matches!(self, Self::High { .. }) && byte != b'\\'
    }

    /// Reads `byte` of an escape and appends what that completes to `value`; `None` where no escape is like that.
    ///
    /// A surrogate without its partner becomes U+FFFD, as in the rest of this crate.
    pub(super) fn step(self, byte: u8, value: &mut String) -> Option<Self> {
        match self {
            Self::High { high } => Some(Self::Backslash { high: Some(high) }),
            Self::Backslash { high } if byte == b'u' => Some(Self::Unicode {
                unit: 0,
                digits: 0,
                high,
            }),
            Self::Backslash { high } => {
                let escaped = simple_escape(byte)?;
                replace_lone(high, value);
                value.push(escaped);
                Some(Self::Plain)
            }
            Self::Unicode { unit, digits, high } => {
                let digit = char::from(byte).to_digit(16)?;
                let unit = unit << 4 | digit as u16;
                Some(if digits == 3 {
                    end_unit(unit, high, value)
                } else {
                    Self::Unicode {
                        unit,
                        digits: digits + 1,
                        high,
                    }
                })
            }
            Self::Plain => None,
        }
    }
}

/// Appends the UTF-16 unit, or keeps it where its partner may follow.
fn end_unit(unit: u16, high: Option<u16>, value: &mut String) -> StringState {
    match (high, unit) {
        (Some(high), 0xdc00..=0xdfff) => value.extend(char::decode_utf16([high, unit]).flatten()),
        (_, 0xd800..=0xdbff) => {
            replace_lone(high, value);
            return StringState::High { high: unit };
        }
        _ => {
            replace_lone(high, value);
            value.push(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
    }
    StringState::Plain
}

fn replace_lone(high: Option<u16>, value: &mut String) {
    if high.is_some() {
        value.push(char::REPLACEMENT_CHARACTER);
    }
}

fn simple_escape(byte: u8) -> Option<char> {
    Some(match byte {
        b'"' | b'\\' | b'/' => char::from(byte),
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        _ => return None,
    })
}
