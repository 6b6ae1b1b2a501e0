//! What is looked for.

/// What a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// An address of electronic mail.
    Email,
    /// A telephone number, also with an extension.
    Phone,
    /// The number of a payment card.
    Card,
    /// An international bank account number.
    Iban,
    /// A social security number of the United States.
    Ssn,
    /// An address of the internet protocol, version 4 or 6.
    Ip,
    /// A key in a form that its issuer can be told from.
    Key,
    /// A signed token (JWT).
    Jwt,
    /// A private key as a PEM block.
    PrivateKey,
    /// What stands behind `Bearer`, or behind `Basic` of an `Authorization`.
    Bearer,
    /// What is assigned to a name like `password`, and the password in a URL.
    Password,
    /// What looks random and is assigned to a name like `api_key`.
    Secret,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Email,
        Self::Phone,
        Self::Card,
        Self::Iban,
        Self::Ssn,
        Self::Ip,
        Self::Key,
        Self::Jwt,
        Self::PrivateKey,
        Self::Bearer,
        Self::Password,
        Self::Secret,
    ];

    /// Its name in small letters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Ssn => "ssn",
            Self::Ip => "ip",
            Self::Key => "key",
            Self::Jwt => "jwt",
            Self::PrivateKey => "private_key",
            Self::Bearer => "bearer",
            Self::Password => "password",
            Self::Secret => "secret",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(u16);

impl Kinds {
    /// Every kind.
    pub const ALL: Self = Self((1 << Kind::ALL.len()) - 1);

    /// Whether `kind` is in it.
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u8))
    }
}

/// A part of a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Where it begins.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
}

impl Found {
    pub(super) const fn new(kind: Kind, start: usize, end: usize) -> Self {
        Self { kind, start, end }
    }
}
