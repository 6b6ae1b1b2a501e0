//! The wire format of protocol buffers, as far as a model file needs it.

/// A field of a message: its number and what it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    /// Integers, booleans and enumerations.
    Varint(u64),
    /// A 32-bit number as its bits; `float` among them.
    Fixed(u32),
    /// Text, bytes and messages.
    Bytes(&'a [u8]),
    /// A 64-bit number, which none of our messages has.
    Other,
}

impl<'a> Value<'a> {
    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(super) fn number(self) -> Option<i32> {
        match self {
            // Negative numbers of 32 bits are written with 64.
            Self::Varint(number) => Some(number as i32),
            _ => None,
        }
    }

    pub(super) fn flag(self) -> Option<bool> {
        self.number().map(|number| number != 0)
    }

    pub(super) fn float(self) -> Option<f32> {
        match self {
            Self::Fixed(bits) => Some(f32::from_bits(bits)),
            _ => None,
        }
    }
}

/// The fields of a message, in order. After the first wrong byte comes `Err` with where it is, in bytes from the end.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed(u32::from_le_bytes(*self.take(4)?.first_chunk()?)),
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), usize>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let left = self.rest.len();
        let field = self.field().ok_or(left);
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_order_and_end_at_the_first_wrong_byte() {
        let message = [
            0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f, 0x22, 9, 1,
        ];

        let fields: Vec<_> = Fields::new(&message).collect();

        assert_eq!(fields[0], Ok((1, Value::Varint(150))));
        assert_eq!(fields[1], Ok((2, Value::Bytes(b"hi"))));
        assert_eq!(fields[2].unwrap().1.float(), Some(1.0));
        assert_eq!(fields[3], Err(3));
        assert_eq!(fields.len(), 4);
    }
}
