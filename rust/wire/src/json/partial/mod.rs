//! JSON read while it is written: every piece of text costs time in proportion to itself, however long the
//! document has become.
//!
//! A [`PartialParser`] keeps the stack of open containers and the string, number or word that the text so far
//! ends in. What is complete goes to a [`Builder`] as it is read; what is not can be looked at through
//! [`PartialParser::unfinished`].
//!
//! ```
//! use inferail_wire::json::{Builder, PartialParser, Scalar, Unfinished};
//!
//! /// Counts the strings.
//! #[derive(Default)]
//! struct Strings(usize);
//!
//! impl Builder for Strings {
//!     fn scalar(&mut self, scalar: Scalar<'_>) {
//!         self.0 += usize::from(matches!(scalar, Scalar::String(_)));
//!     }
//! }
//!
//! let (mut parser, mut strings) = (PartialParser::new(), Strings::default());
//! parser.feed(r#"{"city": "Os"#, &mut strings)?;
//! assert_eq!(parser.unfinished(), Some(Unfinished::String("Os")));
//! parser.feed(r#"lo"}"#, &mut strings)?;
//! assert_eq!(strings.0, 1);
//! assert!(parser.is_complete());
//! # Ok::<(), inferail_wire::json::PartialError>(())
//! ```

use self::number::NumberState;
use self::string::StringState;
use crate::json::walker::{MAX_DEPTH, plain_until};

mod number;
mod string;

/// Most bytes of text a parser takes, unless it is told otherwise.
pub const DEFAULT_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Longest number, in characters. Python reads no longer ones: the time would grow with the square of the length.
pub const MAX_NUMBER_BYTES: usize = 4300;

/// Why a text cannot become JSON whatever follows, and where: in bytes from the start. The text is never quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartialError {
    /// No JSON text begins like this.
    #[error("invalid JSON at byte {offset}")]
    Malformed {
        /// The first byte that cannot stand where it does.
        offset: usize,
    },
    /// Arrays and objects are nested too deeply.
    #[error("JSON nested more than {limit} levels deep at byte {offset}")]
    TooDeep {
        /// The deepest nesting allowed.
        limit: usize,
        /// Where the next level begins.
        offset: usize,
    },
    /// A number has too many digits.
    #[error("number of more than {limit} characters at byte {offset}")]
    NumberTooLong {
        /// The most characters allowed.
        limit: usize,
        /// Where the limit was passed.
        offset: usize,
    },
    /// There is more text than was agreed to.
    #[error("JSON is larger than {limit} bytes")]
    TooLarge {
        /// The most bytes allowed.
        limit: usize,
    },
}

impl PartialError {
    /// Where in the text, in bytes from its start.
    pub const fn offset(self) -> usize {
        match self {
            Self::Malformed { offset }
            | Self::TooDeep { offset, .. }
            | Self::NumberTooLong { offset, .. } => offset,
            Self::TooLarge { limit } => limit,
        }
    }
}

/// A value that is neither array nor object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// `null`
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number as it was written.
    Number(&'a str),
    /// A string's value.
    String(&'a str),
}

/// A container of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// `[`
    Array,
    /// `{`
    Object,
}

/// What the text so far ends in the middle of, though it is a value as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished<'a> {
    /// The start of a string, without an escape that is cut off.
    String(&'a str),
    /// A number, which more digits may follow.
    Number(&'a str),
}

/// Takes what is complete, in the order of the text.
pub trait Builder {
    /// A container begins; it lasts until the matching `end`.
    fn begin(&mut self, container: Container) {
        let _ = container;
    }

    /// The innermost container ends.
    fn end(&mut self) {}

    /// The next value of the innermost object has this name.
    fn key(&mut self, key: &str) {
        let _ = key;
    }

    /// A value.
    fn scalar(&mut self, scalar: Scalar<'_>);
}

/// Reads one JSON text that arrives in pieces; a piece may end anywhere between two characters.
#[derive(Debug)]
pub struct PartialParser {
    state: State,
    stack: Vec<Container>,
    /// The value of the string, or the characters of the number, that is being read.
    token: String,
    /// Bytes before the piece being read.
    consumed: usize,
    max_bytes: usize,
    failure: Option<PartialError>,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value.
    Value,
    /// The first item of an array, or its end.
    FirstItem,
    /// The first key of an object, or its end.
    FirstKey,
    /// A key.
    Key,
    /// The colon behind a key.
    Colon,
    /// A comma, or the end of the container.
    Next,
    /// The rest of a string.
    String(StringState, Role),
    /// The rest of a number.
    Number(NumberState),
    /// The rest of a word.
    Word(Word, u8),
    /// Nothing but white space.
    End,
}

/// What a string is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Key,
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Null,
    True,
    False,
}

impl Word {
    const fn letters(self) -> &'static [u8] {
        match self {
            Self::Null => b"null",
            Self::True => b"true",
            Self::False => b"false",
        }
    }

    const fn scalar(self) -> Scalar<'static> {
        match self {
            Self::Null => Scalar::Null,
            Self::True => Scalar::Boolean(true),
            Self::False => Scalar::Boolean(false),
        }
    }
}

impl Default for PartialParser {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialParser {
    /// A parser with the default limit.
    pub fn new() -> Self {
        Self::with_max_bytes(DEFAULT_MAX_BYTES)
    }

    /// A parser of texts of up to `max_bytes`.
    pub fn with_max_bytes(max_bytes: usize) -> Self {
        Self {
            state: State::Value,
            stack: Vec::new(),
            token: String::new(),
            consumed: 0,
            max_bytes,
            failure: None,
        }
    }

    /// Reads the next piece of the text.
    ///
    /// # Errors
    ///
    /// [`PartialError`], after everything before the place it names was given to `builder`; now and at every later
    /// call.
    pub fn feed<B: Builder>(&mut self, text: &str, builder: &mut B) -> Result<(), PartialError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let limit = self.max_bytes;
        let room = text.floor_char_boundary(limit - self.consumed);
        let mut reader = Reader {
            parser: self,
            text: &text[..room],
            position: 0,
        };
        let read = reader.read(builder);
        self.consumed += room;
        if read.is_ok() && room == text.len() {
            return Ok(());
        }
        let failure = read.err().unwrap_or(PartialError::TooLarge { limit });
        self.failure = Some(failure);
        Err(failure)
    }

    /// Whether the text so far is one whole JSON text. More digits may still follow a number.
    pub fn is_complete(&self) -> bool {
        match self.state {
            _ if self.failure.is_some() => false,
            State::End => true,
            State::Number(number) => self.stack.is_empty() && number.is_whole(),
            _ => false,
        }
    }

    /// The value the text so far ends in the middle of.
    pub fn unfinished(&self) -> Option<Unfinished<'_>> {
        match self.state {
            State::String(_, Role::Value) => Some(Unfinished::String(&self.token)),
            State::Number(number) if number.is_whole() => Some(Unfinished::Number(&self.token)),
            _ => None,
        }
    }
}

/// One piece of text on its way through the parser.
struct Reader<'p, 't> {
    parser: &'p mut PartialParser,
    text: &'t str,
    position: usize,
}

impl Reader<'_, '_> {
    fn read<B: Builder>(&mut self, builder: &mut B) -> Result<(), PartialError> {
        while self.position < self.text.len() {
            match self.parser.state {
                State::String(string, role) => self.string(string, role, builder)?,
                State::Number(number) => self.number(number, builder)?,
                State::Word(word, matched) => self.word(word, matched, builder)?,
                _ => self.structure(builder)?,
            }
        }
        Ok(())
    }

    /// Reads what stands between the values.
    fn structure<B: Builder>(&mut self, builder: &mut B) -> Result<(), PartialError> {
        let byte = self.text.as_bytes()[self.position];
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            self.position += 1;
            return Ok(());
        }
        match (self.parser.state, byte) {
            (State::FirstItem, b']') | (State::FirstKey, b'}') => self.end(builder),
            (State::FirstKey | State::Key, b'"') => self.begin_string(Role::Key),
            (State::Colon, b':') => self.go_on(State::Value),
            (State::Next, b',') => self.go_on(match self.parser.stack.last() {
                Some(Container::Object) => State::Key,
                _ => State::Value,
            }),
            (State::Next, b']') if self.parser.stack.last() == Some(&Container::Array) => {
                self.end(builder);
            }
            (State::Next, b'}') if self.parser.stack.last() == Some(&Container::Object) => {
                self.end(builder);
            }
            (State::Value | State::FirstItem, _) => return self.value(byte, builder),
            _ => return Err(self.malformed()),
        }
        Ok(())
    }

    fn value<B: Builder>(&mut self, byte: u8, builder: &mut B) -> Result<(), PartialError> {
        match byte {
            b'"' => self.begin_string(Role::Value),
            b'{' => return self.begin(Container::Object, builder),
            b'[' => return self.begin(Container::Array, builder),
            b't' => self.go_on(State::Word(Word::True, 1)),
            b'f' => self.go_on(State::Word(Word::False, 1)),
            b'n' => self.go_on(State::Word(Word::Null, 1)),
            _ => {
                let number = NumberState::begin(byte).ok_or_else(|| self.malformed())?;
                self.parser.token.clear();
                self.parser.token.push(char::from(byte));
                self.go_on(State::Number(number));
            }
        }
        Ok(())
    }

    fn begin_string(&mut self, role: Role) {
        self.parser.token.clear();
        self.go_on(State::String(StringState::Plain, role));
    }

    fn begin<B: Builder>(
        &mut self,
        container: Container,
        builder: &mut B,
    ) -> Result<(), PartialError> {
        if self.parser.stack.len() == MAX_DEPTH {
            return Err(PartialError::TooDeep {
                limit: MAX_DEPTH,
                offset: self.offset(),
            });
        }
        self.parser.stack.push(container);
        builder.begin(container);
        self.go_on(match container {
            Container::Array => State::FirstItem,
            Container::Object => State::FirstKey,
        });
        Ok(())
    }

    fn end<B: Builder>(&mut self, builder: &mut B) {
        self.parser.stack.pop();
        builder.end();
        self.position += 1;
        self.after_value();
    }

    fn string<B: Builder>(
        &mut self,
        string: StringState,
        role: Role,
        builder: &mut B,
    ) -> Result<(), PartialError> {
        let (bytes, token) = (self.text.as_bytes(), &mut self.parser.token);
        let next = if string == StringState::Plain {
            let start = self.position;
            self.position = plain_until(bytes, start);
            token.push_str(&self.text[start..self.position]);
            match bytes.get(self.position) {
                None => return Ok(()),
                Some(b'"') => {
                    self.end_string(role, builder);
                    return Ok(());
                }
                Some(b'\\') => StringState::Backslash { high: None },
                Some(_) => return Err(self.malformed()),
            }
        } else if string.is_alone_before(bytes[self.position]) {
            token.push(char::REPLACEMENT_CHARACTER);
            self.parser.state = State::String(StringState::Plain, role);
            return Ok(());
        } else {
            let byte = bytes[self.position];
            string.step(byte, token).ok_or_else(|| self.malformed())?
        };
        self.go_on(State::String(next, role));
        Ok(())
    }

    fn end_string<B: Builder>(&mut self, role: Role, builder: &mut B) {
        self.position += 1;
        match role {
            Role::Key => {
                builder.key(&self.parser.token);
                self.parser.state = State::Colon;
            }
            Role::Value => {
                builder.scalar(Scalar::String(&self.parser.token));
                self.after_value();
            }
        }
    }

    fn number<B: Builder>(
        &mut self,
        number: NumberState,
        builder: &mut B,
    ) -> Result<(), PartialError> {
        let mut number = number;
        while let Some(&byte) = self.text.as_bytes().get(self.position) {
            let Some(next) = number.step(byte) else {
                if number.is_whole() {
                    builder.scalar(Scalar::Number(&self.parser.token));
                    self.after_value();
                    return Ok(());
                }
                self.parser.state = State::Number(number);
                return Err(self.malformed());
            };
            if self.parser.token.len() == MAX_NUMBER_BYTES {
                self.parser.state = State::Number(number);
                return Err(PartialError::NumberTooLong {
                    limit: MAX_NUMBER_BYTES,
                    offset: self.offset(),
                });
            }
            self.parser.token.push(char::from(byte));
            number = next;
            self.position += 1;
        }
        self.parser.state = State::Number(number);
        Ok(())
    }

    fn word<B: Builder>(
        &mut self,
        word: Word,
        matched: u8,
        builder: &mut B,
    ) -> Result<(), PartialError> {
        let letters = word.letters();
        if self.text.as_bytes()[self.position] != letters[usize::from(matched)] {
            return Err(self.malformed());
        }
        self.go_on(State::Word(word, matched + 1));
        if usize::from(matched) + 1 == letters.len() {
            builder.scalar(word.scalar());
            self.after_value();
        }
        Ok(())
    }

    /// Takes the byte at the current position and expects `state`.
    fn go_on(&mut self, state: State) {
        self.position += 1;
        self.parser.state = state;
    }

    fn after_value(&mut self) {
        self.parser.state = if self.parser.stack.is_empty() {
            State::End
        } else {
            State::Next
        };
    }

    fn offset(&self) -> usize {
        self.parser.consumed + self.position
    }

    #[cold]
    fn malformed(&self) -> PartialError {
        PartialError::Malformed {
            offset: self.offset(),
        }
    }
}
