//! The state machine: one character in, the end of a sentence out where it has become certain.

use super::abbreviations::Word;
use super::characters::{
    goes_on, is_blank, is_closing, is_emphasis, is_marker, is_newline, is_stop, is_strong, is_thai,
    is_unspaced,
};
use super::token::Token;

/// Letters of Thai before a blank can separate sentences and not only words.
const THAI_SENTENCE: usize = 20;

/// A place where a sentence may have ended: what follows decides.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// Byte offset behind the sentence.
    end: usize,
    kind: Kind,
    quoted: bool,
    spaced: bool,
    /// Whether « was opened and not closed: French closes it behind a blank.
    guillemet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Behind `.` or `…`.
    Dot,
    /// Behind a full stop of an abbreviation where a number follows.
    Numbered,
    /// Behind `!` or `?`.
    Mark,
    Strong,
    Line {
        heading: bool,
    },
    Thai,
}

/// What a character says about a pending end.
enum Verdict {
    End,
    Open,
    No,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Code {
    #[default]
    None,
    /// Between runs of so many backticks.
    Inline(usize),
    /// In the line that opens a block, unless a backtick makes it prose; whether a letter or digit has been in it.
    Opening(char, usize, bool),
    /// In the block.
    Block(char, usize),
}

/// What is known of a line.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Nothing but markers so far.
    begins: bool,
    /// Nothing but blanks so far.
    blank: bool,
    heading: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            begins: true,
            blank: true,
            heading: false,
        }
    }
}

/// The backticks or tildes that stand together right now.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    mark: char,
    count: usize,
    begins_line: bool,
}

/// Finds the ends of sentences in a text that comes character by character.
#[derive(Clone, Debug)]
pub struct Scanner {
    offset: usize,
    /// Behind the last character that is not blank.
    visible: usize,
    previous: char,
    /// Whether a letter or digit belongs to the sentence so far.
    content: bool,
    token: Token,
    led: bool,
    line: Line,
    thai: usize,
    guillemet: bool,
    code: Code,
    run: Run,
    pending: Option<Pending>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            offset: 0,
            visible: 0,
            previous: '\n',
            content: false,
            token: Token::default(),
            led: false,
            line: Line::default(),
            thai: 0,
            guillemet: false,
            code: Code::None,
            run: Run::default(),
            pending: None,
        }
    }
}

impl Scanner {
    /// Takes the next character; gives the byte offset behind a sentence that is now known to have ended before it.
    pub fn push(&mut self, c: char) -> Option<usize> {
        let mut ended = None;
        if let Some(mut pending) = self.pending.take() {
            match judge(&mut pending, c, self.offset) {
                Verdict::End => {
                    ended = Some(pending.end);
                    self.content = false;
                    self.led = false;
                    self.thai = 0;
                    self.guillemet = false;
                }
                Verdict::Open => self.pending = Some(pending),
                Verdict::No => {}
            }
        }
        if self.run.count > 0 && c != self.run.mark {
            self.end_run();
        }
        let in_code = self.take(c);
        self.offset += c.len_utf8();
        if !c.is_whitespace() {
            self.visible = self.offset;
        }
        self.previous = c;
        ended.or(in_code)
    }

    /// A run of backticks is over: it opens code, closes it, or is part of it.
    fn end_run(&mut self) {
        let Run {
            mark,
            count,
            begins_line,
        } = std::mem::take(&mut self.run);
        self.code = match self.code {
            Code::None if begins_line && count >= 3 => Code::Opening(mark, count, false),
            Code::None if mark == '`' => Code::Inline(count),
            Code::Inline(opened) if opened == count && mark == '`' => Code::None,
            // The line that opens a block has no other backticks: this one is code in prose.
            Code::Opening('`', opened, content) if mark == '`' => {
                self.content |= content;
                if opened == count {
                    Code::None
                } else {
                    Code::Inline(opened)
                }
            }
            Code::Block(opened, least) if begins_line && mark == opened && count >= least => {
                Code::None
            }
            other => other,
        };
    }

    /// Takes a character into the state; gives an end that needs nothing behind it.
    fn take(&mut self, c: char) -> Option<usize> {
        if is_newline(c) {
            return self.end_line();
        }
        let begins_line = self.line.blank;
        self.line.blank &= is_blank(c);
        let continues = self.run.count > 0 && c == self.run.mark;
        if c == '`' || (c == '~' && (begins_line || continues)) {
            if !continues {
                self.run = Run {
                    mark: c,
                    count: 0,
                    begins_line,
                };
            }
            self.run.count += 1;
            self.led = false;
            self.token.clear();
            self.line.begins = false;
            return None;
        }
        match self.code {
            Code::None => self.take_prose(c),
            Code::Inline(_) => self.content |= c.is_alphanumeric(),
            Code::Block(..) => self.content |= !c.is_whitespace(),
            Code::Opening(_, _, ref mut content) => *content |= c.is_alphanumeric(),
        }
        None
    }

    fn take_prose(&mut self, c: char) {
        if is_blank(c) {
            self.end_word();
            return;
        }
        if c.is_alphanumeric() {
            if self.token.is_empty() {
                self.token.begins_line = self.line.begins;
            }
            self.token.push(c);
            self.content = true;
            self.line.begins = false;
            self.thai += usize::from(is_thai(c));
            return;
        }
        if self.content && self.pending.is_none() {
            if is_strong(c) {
                self.wait(Kind::Strong, c);
            } else if is_stop(c, self.previous) {
                self.stop(c);
            }
        }
        if matches!(c, '«' | '»') {
            self.guillemet = c == '«';
        }
        if c == '.' {
            self.token.push(c);
        } else {
            self.token.clear();
            self.led = false;
        }
        self.line.heading |= c == '#' && self.line.begins;
        self.line.begins &= is_marker(c);
    }

    fn stop(&mut self, c: char) {
        let kind = match c {
            '.' => match self.token.kind(self.led) {
                Word::Plain => Kind::Dot,
                Word::Numbered => Kind::Numbered,
                Word::Abbreviation => return,
            },
            '…' | '．' => Kind::Dot,
            _ => Kind::Mark,
        };
        self.wait(kind, c);
    }

    fn wait(&mut self, kind: Kind, c: char) {
        self.pending = Some(Pending {
            end: self.offset + c.len_utf8(),
            kind,
            quoted: false,
            spaced: false,
            guillemet: self.guillemet,
        });
    }

    fn end_word(&mut self) {
        if !self.token.is_empty() {
            self.led = self.token.leads_ordinal();
            self.token.clear();
        }
        if self.thai >= THAI_SENTENCE && is_thai(self.previous) {
            self.wait(Kind::Thai, ' ');
            if let Some(pending) = &mut self.pending {
                pending.end = self.offset;
            }
        }
    }

    fn end_line(&mut self) -> Option<usize> {
        let mut ended = None;
        match self.code {
            Code::Opening(mark, count, _) => self.code = Code::Block(mark, count),
            Code::Block(..) if self.content => {
                self.content = false;
                ended = Some(self.visible);
            }
            Code::Block(..) => {}
            Code::None | Code::Inline(_) => {
                self.code = Code::None;
                if self.content && self.pending.is_none() {
                    self.pending = Some(Pending {
                        end: self.visible,
                        kind: Kind::Line {
                            heading: self.line.heading,
                        },
                        quoted: false,
                        spaced: false,
                        guillemet: false,
                    });
                }
            }
        }
        self.token.clear();
        self.led = false;
        self.line = Line::default();
        ended
    }
}

/// Whether the sentence of `pending` has ended, now that `c`, at `offset`, follows.
fn judge(pending: &mut Pending, c: char, offset: usize) -> Verdict {
    let belongs =
        !pending.spaced && (is_closing(c) || is_emphasis(c) || is_strong(c) || is_stop(c, ' '));
    match pending.kind {
        Kind::Line { heading } => {
            if is_newline(c) {
                Verdict::End
            } else if is_blank(c) {
                Verdict::Open
            } else if c.is_lowercase() && !heading {
                Verdict::No
            } else {
                Verdict::End
            }
        }
        Kind::Thai if is_thai(c) => Verdict::End,
        Kind::Thai if is_blank(c) => Verdict::Open,
        Kind::Thai => Verdict::No,
        _ if belongs => {
            pending.end = offset + c.len_utf8();
            pending.quoted |= is_closing(c);
            if is_strong(c) {
                pending.kind = Kind::Strong;
            }
            Verdict::Open
        }
        Kind::Strong if pending.quoted && c.is_alphanumeric() => Verdict::No,
        Kind::Strong => Verdict::End,
        _ if is_newline(c) => {
            pending.kind = Kind::Line { heading: false };
            Verdict::Open
        }
        _ if is_blank(c) => {
            pending.spaced = true;
            Verdict::Open
        }
        _ if c == '»' && pending.guillemet => {
            *pending = Pending {
                end: offset + c.len_utf8(),
                quoted: true,
                spaced: false,
                guillemet: false,
                ..*pending
            };
            Verdict::Open
        }
        Kind::Mark if !pending.spaced && !pending.quoted && is_unspaced(c) => Verdict::End,
        Kind::Numbered if c.is_numeric() => Verdict::No,
        _ if pending.spaced && !goes_on(c) => Verdict::End,
        _ => Verdict::No,
    }
}
