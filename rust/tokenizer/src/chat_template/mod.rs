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

/// A compiled chat template. Read-only and shared freely between threads.
pub struct ChatTemplate {
    environment: Environment<'static>,
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
    /// [`Error::Template`]: it is not Jinja, with the line.
    pub fn new(
        source: &str,
        now: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let mut environment = environment::new(now).map_err(|error| problem(&error))?;
        environment.set_fuel(Some(STEPS));
        environment
            .add_template_owned(
                "chat",
                generation::as_scopes(&with_line_feeds(source)).into_owned(),
            )
            .map_err(|error| problem(&error))?;
        Ok(Self { environment })
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
