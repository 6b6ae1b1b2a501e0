//! How the numbers of a tensor are written.

/// How the numbers of a tensor are written, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dtype {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
    /// Signed integers of 64 bits.
    I64,
    /// Another one of the format, which can be listed and not be read.
    Other {
        /// What it is called.
        name: &'static str,
        /// Bytes of a number.
        bytes: u64,
    },
}

/// The others: names and bytes.
const OTHERS: [(&str, u64); 13] = [
    ("F64", 8),
    ("I32", 4),
    ("I16", 2),
    ("I8", 1),
    ("U64", 8),
    ("U32", 4),
    ("U16", 2),
    ("U8", 1),
    ("BOOL", 1),
    ("F8_E4M3", 1),
    ("F8_E5M2", 1),
    ("F8_E8M0", 1),
    ("C64", 8),
];

impl Dtype {
    /// The one that the format calls `name`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "F32" => Some(Self::F32),
            "F16" => Some(Self::F16),
            "BF16" => Some(Self::Bf16),
            "I64" => Some(Self::I64),
            _ => {
                let other = OTHERS.iter().find(|(other, _)| *other == name);
                other.map(|&(name, bytes)| Self::Other { name, bytes })
            }
        }
    }

    /// What the format calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::I64 => "I64",
            Self::Other { name, .. } => name,
        }
    }

    /// Bytes of a number.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::I64 => 8,
            Self::Other { bytes, .. } => bytes,
        }
    }
}
