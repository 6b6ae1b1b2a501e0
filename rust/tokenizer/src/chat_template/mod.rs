//! Chat templates: messages to the text a model was trained on, as Hugging Face renders it.
//!
//! A template is Jinja, rendered by `minijinja` with the environment of `transformers` (`utils/chat_template_utils.py`):
//! `trim_blocks` and `lstrip_blocks`, `break` and `continue`, `raise_exception`, `strftime_now`, `tojson` as Python's
//! `json.dumps` writes it, methods of Python's strings and dictionaries, values printed as Python prints them, and
//! `{% generation %}` blocks, which only mark text for training, as if they were not there. A template cannot reach
//! anything but its own context.

mod config;
mod conversation;
mod environment;
mod generation;
mod message_tokens;
mod methods;
mod python;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use minijinja::{Environment, ErrorKind};

pub use minijinja::Value;
pub use minijinja::value::Tuple;

pub use config::TokenizerConfig;
pub use environment::clock;
pub use message_tokens::{Counted, MessageTokens};

use crate::Error;

/// Most steps of one rendering. A conversation of 1,000 messages takes fewer than 100,000.
const STEPS: u64 = 5_000_000;

/// Most bytes of one rendered conversation.
pub const MAX_OUTPUT_BYTES: usize = 256 << 20;

/// Most bytes of a template. The longest in use have 40,000.
pub const MAX_TEMPLATE_BYTES: usize = 128 << 10;

/// Most bytes of one tag, strings left out: a chain of operators takes a time to compile that grows with its square.
pub const MAX_TAG_BYTES: usize = 4 << 10;

/// What compiling takes of the stack for one byte of a template: `x+x+x…` is compiled as deep as it is long. Chains of each
/// operator took at most 900 bytes of stack for each of theirs (x86-64, minijinja 3.1.0).
const STACK_PER_BYTE: usize = 2 << 10;

/// The stack of a rendering that may nest lists as deep as it takes steps: 300 bytes a step were seen in comparing them.
/// Memory is only taken of it where it is used.
const DEEP_STACK: usize = 1 << 30;

/// The longest template that is rendered where it was asked for, if nothing in it could go round in circles.
const SHORT: usize = 4 << 10;

/// What a template needs to build something deeper in each round than in the one before.
const CIRCLES: [&str; 3] = ["namespace", "macro", "recursive"];

/// A compiled chat template. Read-only and shared freely between threads.
pub struct ChatTemplate {
    environment: Environment<'static>,
    runs_apart: bool,
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ChatTemplate")
            .finish_non_exhaustive()
    }
}

impl ChatTemplate {
    /// Compiles a template. `now` formats the current local time for `strftime_now`, as Python's `strftime` would.
    ///
    /// # Errors
    ///
    /// [`Error::Template`]: it is not Jinja, with the line, or longer than [`MAX_TEMPLATE_BYTES`] or, in one tag,
    /// [`MAX_TAG_BYTES`].
    pub fn new(
        source: &str,
        now: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let long = |what: &str, bytes: usize, most: usize| {
            let problem = format!("{what} has {bytes} bytes, more than {most}");
            let error = Error::Template {
                line: None,
                problem,
            };
            if bytes > most { Err(error) } else { Ok(()) }
        };
        long("it", source.len(), MAX_TEMPLATE_BYTES)?;
        let tag = generation::longest_tag(source);
        long("one of its tags", tag, MAX_TAG_BYTES)?;
        let mut environment = environment::new(now).map_err(|error| problem(&error))?;
        environment.set_fuel(Some(STEPS));
        let owned = generation::as_scopes(&with_line_feeds(source)).into_owned();
        let stack = (1 << 20) + STACK_PER_BYTE * owned.len();
        apart(stack, || {
            environment
                .add_template_owned("chat", owned)
                .map_err(|error| problem(&error))
        })?;
        let circles = CIRCLES.iter().any(|word| source.contains(word));
        Ok(Self {
            environment,
            runs_apart: circles || source.len() > SHORT,
        })
    }

    /// Whether rendering takes a thread of its own, for its stack: who asks for it must hold no lock that the clock takes.
    pub fn runs_apart(&self) -> bool {
        self.runs_apart
    }

    /// The variables that may be looked up, sorted, without those that are set inside; of a mapping with the path that is
    /// asked for: `user.name`. Functions that are always there (`range`, `namespace`) are among them.
    pub fn variables(&self) -> Vec<String> {
        let template = self.environment.get_template("chat");
        let found = template.map(|template| template.undeclared_variables(true));
        let mut names: Vec<String> = found.unwrap_or_default().into_iter().collect();
        names.sort();
        names
    }

    /// The text of a conversation, its messages treated as `transformers` treats them.
    ///
    /// Keys of a message whose value is `None` are left out (unless the template cannot do without), and reasoning is found under `reasoning_content`, also where a
    /// message calls it `thinking` or `reasoning`. `variables` are everything but the messages. With `continued` the text ends
    /// where the last message does, so that the model goes on with it.
    ///
    /// # Errors
    ///
    /// Those of [`Self::render`]; [`Error::Messages`] where `messages` is no list of dictionaries, or its last message has
    /// no text to be continued.
    pub fn apply(
        &self,
        messages: &Value,
        variables: &[(String, Value)],
        continued: bool,
    ) -> Result<String, Error> {
        let normalized = conversation::normalized(messages)?;
        let rendered = self.render_messages(normalized, variables, continued);
        if matches!(rendered, Err(Error::Template { .. }))
            && let Some(whole) = conversation::with_none(messages)?
        {
            // What it says of the conversation without them is as good where this does not help either.
            return self
                .render_messages(whole, variables, continued)
                .or(rendered);
        }
        rendered
    }

    fn render_messages(
        &self,
        mut messages: Vec<Value>,
        variables: &[(String, Value)],
        continued: bool,
    ) -> Result<String, Error> {
        let last = if continued {
            Some(conversation::mark_last(&mut messages)?)
        } else {
            None
        };
        let messages = ("messages".to_owned(), Value::from(messages));
        let context = Value::from_pairs(variables.iter().cloned().chain([messages]));
        let rendered = self.render(context)?;
        match last {
            Some(text) => conversation::continued(rendered, &text),
            None => Ok(rendered),
        }
    }

    /// The text of a conversation.
    ///
    /// `context` is a map: `messages`, `tools`, `documents`, `add_generation_prompt`, the special tokens by name
    /// (`bos_token`, …) and whatever else the template asks for.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]: the template called `raise_exception`. [`Error::Template`]: it uses something that is not
    /// there, does not end, or writes more than [`MAX_OUTPUT_BYTES`].
    pub fn render(&self, context: Value) -> Result<String, Error> {
        if self.runs_apart {
            apart(DEEP_STACK, || self.render_here(context))
        } else {
            self.render_here(context)
        }
    }

    fn render_here(&self, context: Value) -> Result<String, Error> {
        let template = self
            .environment
            .get_template("chat")
            .map_err(|error| problem(&error))?;
        let mut output = Bounded::default();
        let rendered = template.render_captured_to(context, &mut output);
        if output.full {
            return Err(Error::Template {
                line: None,
                problem: format!("it writes more than {MAX_OUTPUT_BYTES} bytes"),
            });
        }
        rendered.map_err(|error| problem(&error))?;
        // What a template writes is pieces of strings, one after another.
        String::from_utf8(output.bytes).map_err(|_| Error::Template {
            line: None,
            problem: "it writes half a character".to_owned(),
        })
    }
}

/// Does `work` on a thread with a stack of so many bytes, as everything that calls itself for what it finds inside would
/// otherwise end the process.
fn apart<T: Send>(
    stack: usize,
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let failed = |problem: &str| Error::Template {
        line: None,
        problem: problem.to_owned(),
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("chat-template".to_owned())
            .stack_size(stack)
            .spawn_scoped(scope, work)
            .map_err(|_| failed("there is no memory for its stack"))?;
        let done = thread.join();
        done.unwrap_or_else(|_| Err(failed("it is a fault of the engine, please report it")))
    })
}

/// The same with every line ended by a line feed, as Jinja reads templates.
fn with_line_feeds(source: &str) -> Cow<'_, str> {
    if source.contains('\r') {
        Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(source)
    }
}

/// Text that a template wrote, up to a bound.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT_BYTES {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error of the innermost cause, which is the one that says what to do.
fn problem(error: &minijinja::Error) -> Error {
    if let Some(message) = environment::refusal(error) {
        return Error::Refused { message };
    }
    let problem = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => format!("it does not end within {STEPS} steps"),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    Error::Template {
        line: error.line(),
        problem,
    }
}
