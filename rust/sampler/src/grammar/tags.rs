//! Calls of tools inside free text.

use super::compiled::SchemaOptions;
use super::error::Error;
use super::schema;
use super::vocabulary::Vocabulary;

/// One tool: what its call begins with, the JSON Schema of what it is called with, and what the call ends with.
///
/// Where `begin` and `end` spell special tokens of the vocabulary, these tokens are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// `<function=get_weather>`, for instance.
    pub begin: String,
    /// The schema as JSON text.
    pub schema: String,
    /// `</function>`, for instance; may be empty.
    pub end: String,
}

/// Text in which tools may be called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags {
    /// The tools.
    pub tags: Vec<Tag>,
    /// Texts after which a call has to follow; each `begin` starts with one. Empty: each `begin` is one.
    pub triggers: Vec<String>,
    /// Whether there has to be a call.
    pub required: bool,
    /// Whether there may be more than one.
    pub repeated: bool,
    /// Whether there may be text before, between and after calls.
    pub free_text: bool,
    /// How the schemas are read.
    pub options: SchemaOptions,
}

/// Part of a text: characters, or a special token.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Special(u32),
}

impl Tags {
    /// The same as a Lark grammar.
    pub(super) fn to_lark(&self, vocabulary: &Vocabulary) -> Result<String, Error> {
        if self.tags.is_empty() {
            return Err(invalid("there are no tags".to_owned()));
        }
        let triggers = self.triggers()?;
        let mut rules = vec![self.start()];
        if self.free_text {
            rules.extend(texts(&triggers, vocabulary));
        }
        for (at, tag) in self.tags.iter().enumerate() {
            rules.push(self.call(at, tag, &triggers, vocabulary)?);
        }
        Ok(rules.join("\n"))
    }

    fn triggers(&self) -> Result<Vec<&str>, Error> {
        let mut triggers: Vec<&str> = if self.triggers.is_empty() {
            self.tags.iter().map(|tag| tag.begin.as_str()).collect()
        } else {
            self.triggers.iter().map(String::as_str).collect()
        };
        // Of two that begin alike, the shorter is met first.
        triggers.sort_by_key(|trigger| (trigger.len(), *trigger));
        triggers.dedup();
        if triggers.iter().any(|trigger| trigger.is_empty()) {
            return Err(invalid(
                "a trigger or the begin of a tag is empty".to_owned(),
            ));
        }
        Ok(triggers)
    }

    fn start(&self) -> String {
        let count = match (self.required, self.repeated) {
            (true, true) => "+",
            (true, false) => "",
            (false, true) => "*",
            (false, false) => "?",
        };
        let text = if self.free_text { " TEXT?" } else { "" };
        let calls = (0..self.tags.len()).map(|at| format!("call_{at}"));
        let calls = calls.collect::<Vec<_>>().join(" | ");
        format!("start: call{count}{text}\ncall: {calls}")
    }

    fn call(
        &self,
        at: usize,
        tag: &Tag,
        triggers: &[&str],
        vocabulary: &Vocabulary,
    ) -> Result<String, Error> {
        let found = triggers
            .iter()
            .position(|trigger| tag.begin.starts_with(trigger));
        let trigger =
            found.ok_or_else(|| invalid(format!("{:?} starts with no trigger", tag.begin)))?;
        let (until, begin) = if self.free_text {
            (
                format!("until_{trigger}"),
                &tag.begin[triggers[trigger].len()..],
            )
        } else {
            (String::new(), tag.begin.as_str())
        };
        let value = schema::parse(&tag.schema)?;
        let value = schema::prepare(&value, &self.options, &format!("tags[{at}]"))?;
        let (begin, end) = (spelled(vocabulary, begin), spelled(vocabulary, &tag.end));
        Ok(format!("call_{at}: {until} {begin} %json {value} {end}"))
    }
}

/// The text before a call, which ends with its trigger, and the text behind the last, which has none.
fn texts(triggers: &[&str], vocabulary: &Vocabulary) -> Vec<String> {
    let mut rules = Vec::new();
    let mut avoided = Vec::new();
    for (at, trigger) in triggers.iter().enumerate() {
        if let [Piece::Text(text)] = pieces(vocabulary, trigger)[..] {
            avoided.push(regex_syntax::escape(text).replace('/', "\\/"));
            rules.push(format!("until_{at}[lazy]: /(?s:.*)/ {}", quoted(text)));
        } else {
            rules.push(format!(
                "until_{at}: TEXT? {}",
                spelled(vocabulary, trigger)
            ));
        }
    }
    let text = "TEXT: /(?s:.+)/";
    rules.push(if avoided.is_empty() {
        text.to_owned()
    } else {
        format!("{text} & ~/(?s:.*)({})(?s:.*)/", avoided.join("|"))
    });
    rules
}

/// What spells `text` in a rule.
fn spelled(vocabulary: &Vocabulary, text: &str) -> String {
    let pieces = pieces(vocabulary, text)
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => quoted(text),
            Piece::Special(id) => format!("<[{id}]>"),
        });
    pieces.collect::<Vec<_>>().join(" ")
}

/// A string literal of Lark.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `text` cut at the special tokens that are spelled in it; of two at the same place, the longer.
fn pieces<'a>(vocabulary: &Vocabulary, text: &'a str) -> Vec<Piece<'a>> {
    let specials = &vocabulary.shared.specials;
    let mut pieces = Vec::new();
    let (mut begin, mut at) = (0, 0);
    while at < text.len() {
        let here = &text[at..];
        let found = specials
            .iter()
            .filter(|(name, _)| here.starts_with(name.as_ref()));
        let Some((name, id)) = found.max_by_key(|(name, _)| name.len()) else {
            at += here.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        if begin < at {
            pieces.push(Piece::Text(&text[begin..at]));
        }
        pieces.push(Piece::Special(*id));
        at += name.len();
        begin = at;
    }
    if begin < text.len() {
        pieces.push(Piece::Text(&text[begin..]));
    }
    pieces
}

fn invalid(problem: String) -> Error {
    Error::Invalid {
        kind: "set of tags",
        path: String::new(),
        problem,
    }
}
