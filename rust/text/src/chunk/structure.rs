//! Where the lines of a text begin, and how strongly each of them parts it.

use memchr::memchr_iter;

use super::level::{self, Level};

/// The start of a line that a text may be cut before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) at: usize,
    pub(crate) level: Level,
}

/// A heading of Markdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heading {
    pub(crate) at: usize,
    /// 1 to 6.
    pub(crate) depth: u8,
    pub(crate) title: (usize, usize),
}

/// What the lines of a text say, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Structure {
    pub(crate) edges: Vec<Edge>,
    pub(crate) headings: Vec<Heading>,
}

impl Structure {
    /// That of a text of paragraphs.
    pub(crate) fn plain(text: &str) -> Self {
        let mut edges = Vec::new();
        let mut is_parted = false;
        for (begin, line) in lines(text) {
            if is_blank(line) {
                is_parted = true;
                continue;
            }
            if begin > 0 {
                let level = if is_parted { level::BLOCK } else { level::LINE };
                edges.push(Edge { at: begin, level });
            }
            is_parted = false;
        }
        Self {
            edges,
            headings: Vec::new(),
        }
    }

    /// That of Markdown.
    pub(crate) fn markdown(text: &str) -> Self {
        let mut reader = Reader {
            text,
            made: Self::default(),
            before: Kind::Start,
            is_parted: false,
            in_list: false,
            fence: None,
            matter: false,
            paragraph: None,
        };
        for (begin, line) in lines(text) {
            reader.take(begin, line);
        }
        reader.made
    }
}

/// The lines with their beginnings, without the `\n`.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let ends = memchr_iter(b'\n', text.as_bytes()).chain(std::iter::once(text.len()));
    let mut begin = 0;
    ends.filter_map(move |end| {
        let line = (begin, &text[begin..end]);
        begin = end + 1;
        (line.0 < text.len()).then_some(line)
    })
}

fn is_blank(line: &str) -> bool {
    line.trim_start().is_empty()
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// There is none before the first.
    Start,
    Heading(u8),
    Fence,
    Item,
    Quote,
    /// A row of a table; whether the rows below it hang on it: its head, and the dashes below that.
    Row {
        is_head: bool,
    },
    Rule,
    Text,
}

/// An open block of code: its mark, and how many of them close it.
#[derive(Clone, Copy, Debug)]
struct Fence {
    mark: u8,
    count: usize,
    /// Whether a line of code was in it.
    begun: bool,
}

struct Reader<'a> {
    text: &'a str,
    made: Structure,
    /// The last line that was not blank.
    before: Kind,
    /// Whether blank lines are between that and this one.
    is_parted: bool,
    in_list: bool,
    fence: Option<Fence>,
    /// Whether this is between the dashes that a file may begin with.
    matter: bool,
    /// The first line of the paragraph that goes on, as long as that is its only one.
    paragraph: Option<(usize, usize)>,
}

impl Reader<'_> {
    fn take(&mut self, begin: usize, line: &str) {
        if self.fence.is_some() {
            return self.take_code(begin, line);
        }
        let content = line.trim_start_matches([' ', '\t']);
        let content = content.trim_end();
        if content.is_empty() {
            self.is_parted = true;
            self.paragraph = None;
            return;
        }
        if self.matter || (begin == 0 && content == "---" && line.starts_with("---")) {
            self.matter = begin == 0 || content != "---";
            self.edge(begin, level::ROW);
            self.before = Kind::Rule;
            return;
        }
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(depth) = self.underlines(content) {
            return self.make_heading(depth);
        }
        let kind = self.kind(content, indent);
        let level = self.level(kind, content, indent);
        self.edge(begin, level);
        self.paragraph = None;
        let end = begin + indent + content.len();
        match kind {
            Kind::Heading(depth) => {
                let title = title(self.text, begin + indent, end);
                self.made.headings.push(Heading {
                    at: begin,
                    depth,
                    title,
                });
            }
            Kind::Text if self.is_parted || self.before != Kind::Text => {
                self.paragraph = Some((begin, end));
            }
            Kind::Fence => {
                let mark = content.as_bytes()[0];
                self.fence = Some(Fence {
                    mark,
                    count: run(content, mark),
                    begun: false,
                });
            }
            _ => {}
        }
        self.in_list = match kind {
            Kind::Item => true,
            Kind::Text | Kind::Fence | Kind::Row { .. } => {
                self.in_list && (indent >= 2 || !self.is_parted)
            }
            _ => false,
        };
        self.before = kind;
        self.is_parted = false;
    }

    /// A line of a block of code, or the one that closes it.
    fn take_code(&mut self, begin: usize, line: &str) {
        let Some(fence) = &mut self.fence else { return };
        let content = line.trim();
        if content.is_empty() {
            self.is_parted = true;
            return;
        }
        let marks = run(content, fence.mark);
        let closes = marks >= fence.count && marks == content.len();
        let level = match (closes || !fence.begun, self.is_parted) {
            (true, _) => level::LINE,
            (false, true) => level::CODE,
            (false, false) => level::ROW,
        };
        fence.begun = true;
        if closes {
            self.fence = None;
        }
        self.is_parted = false;
        self.edge(begin, level);
    }

    fn edge(&mut self, at: usize, level: Level) {
        if at > 0 {
            self.made.edges.push(Edge { at, level });
        }
    }

    /// What the heading above is, if the line underlines one.
    fn underlines(&self, content: &str) -> Option<u8> {
        self.paragraph?;
        let mark = content.as_bytes()[0];
        let is_line = content.len() >= 2 && run(content, mark) == content.len();
        match mark {
            b'=' if is_line => Some(1),
            b'-' if is_line => Some(2),
            _ => None,
        }
    }

    /// The paragraph above is a heading.
    fn make_heading(&mut self, depth: u8) {
        if let Some((begin, end)) = self.paragraph.take() {
            let indent = self.text[begin..end].len() - self.text[begin..end].trim_start().len();
            self.made.headings.push(Heading {
                at: begin,
                depth,
                title: (begin + indent, end),
            });
            if let Some(edge) = self.made.edges.last_mut().filter(|edge| edge.at == begin) {
                // Below a heading it stays with that, as any paragraph does.
                if edge.level == level::BLOCK {
                    edge.level = level::heading(depth);
                }
            }
        }
        self.before = Kind::Heading(depth);
        self.is_parted = false;
        self.in_list = false;
    }

    fn kind(&self, content: &str, indent: usize) -> Kind {
        let first = content.as_bytes()[0];
        let is_in_table = matches!(self.before, Kind::Row { .. }) && !self.is_parted;
        match first {
            b'#' if indent < 4 => {
                let depth = run(content, b'#');
                let rest = content.as_bytes().get(depth);
                if depth <= 6 && rest.is_none_or(|byte| matches!(byte, b' ' | b'\t')) {
                    return Kind::Heading(depth as u8);
                }
            }
            b'`' | b'~' if run(content, first) >= 3 => {
                let marks = run(content, first);
                if first == b'~' || !content[marks..].contains('`') {
                    return Kind::Fence;
                }
            }
            b'>' => return Kind::Quote,
            b'|' => {
                let is_head = !is_in_table || is_delimiter(content);
                return Kind::Row { is_head };
            }
            b'-' | b'*' | b'_' if is_rule(content, first) => return Kind::Rule,
            b'-' | b'*' | b'+' => {
                if matches!(content.as_bytes().get(1), Some(b' ' | b'\t')) {
                    return Kind::Item;
                }
            }
            b'0'..=b'9' if is_numbered(content) => return Kind::Item,
            _ => {}
        }
        if content.contains('|') && (is_in_table || is_delimiter(content)) {
            let is_head = is_delimiter(content);
            return Kind::Row { is_head };
        }
        Kind::Text
    }

    /// How strongly the text parts before a line of `kind`.
    fn level(&self, kind: Kind, content: &str, indent: usize) -> Level {
        let unparted = if self.is_parted {
            level::BLOCK
        } else {
            level::LINE
        };
        match (self.before, kind) {
            (Kind::Start, _) => level::BLOCK,
            // A heading goes with what is below it.
            (Kind::Heading(above), Kind::Heading(depth)) if above < depth => level::LINE,
            (_, Kind::Heading(depth)) => level::heading(depth),
            (Kind::Heading(_), _) => level::LINE,
            (Kind::Rule, _) | (_, Kind::Rule | Kind::Fence) => level::BLOCK,
            (_, Kind::Item) if self.in_list && indent < 2 => level::ITEM,
            (_, Kind::Item) if self.in_list => level::ROW,
            (_, Kind::Item) | (Kind::Quote, Kind::Quote) => unparted,
            (Kind::Row { is_head }, Kind::Row { .. }) if !self.is_parted => {
                if is_head || is_delimiter(content) {
                    level::LINE
                } else {
                    level::ROW
                }
            }
            // The dashes below the head of a table that has no bars at its sides.
            (Kind::Text, Kind::Row { .. }) if is_delimiter(content) => unparted,
            (_, Kind::Row { .. } | Kind::Quote) | (Kind::Row { .. } | Kind::Fence, _) => {
                level::BLOCK
            }
            (_, _) if self.in_list && self.is_parted && indent >= 2 => level::ROW,
            _ => unparted,
        }
    }
}

/// How many of `mark` a text begins with.
fn run(content: &str, mark: u8) -> usize {
    content.bytes().take_while(|byte| *byte == mark).count()
}

fn is_rule(content: &str, mark: u8) -> bool {
    let marks = content.bytes().filter(|byte| *byte == mark).count();
    let others = content
        .bytes()
        .any(|byte| byte != mark && byte != b' ' && byte != b'\t');
    marks >= 3 && !others
}

fn is_numbered(content: &str) -> bool {
    let digits = content.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &content.as_bytes()[digits..];
    digits <= 9 && matches!(rest, [b'.' | b')', b' ' | b'\t', ..])
}

/// Whether it is the line of dashes below the head of a table.
fn is_delimiter(content: &str) -> bool {
    let mut has = (false, false);
    for byte in content.bytes() {
        match byte {
            b'-' => has.0 = true,
            b'|' => has.1 = true,
            b':' | b' ' | b'\t' => {}
            _ => return false,
        }
    }
    has == (true, true)
}

/// The words of a heading, without its marks.
fn title(text: &str, begin: usize, end: usize) -> (usize, usize) {
    let line = &text[begin..end];
    let words = line.trim_start_matches('#');
    let at = begin + line.len() - words.trim_start().len();
    let words = words.trim();
    // Marks at the end count only behind a blank: "C#" keeps its own.
    let bare = words.trim_end_matches('#');
    let words = if bare.is_empty() || bare.ends_with([' ', '\t']) {
        bare.trim_end()
    } else {
        words
    };
    (at.min(end), (at + words.len()).min(end))
}
