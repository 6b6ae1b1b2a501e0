//! Chat templates of a tokenizer: found, compiled when they are first asked for, and rendered.

pub(crate) mod config;
mod methods;
pub(crate) mod template;
mod values;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use inferail_tokenizer::chat_template::{ChatTemplate, TokenizerConfig, Value, clock};
use inferail_tokenizer::{Error, Tokenizer};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::specials::Rules;
use crate::error::{config_error, config_error_with, tokenizer_error};
use crate::gil::run_sized;
use values::Values;

/// What `transformers` would do with the ids, which is not done here.
const NOT_HERE: [&str; 8] = [
    "max_length",
    "padding",
    "return_assistant_tokens_mask",
    "return_dict",
    "return_tensors",
    "tokenizer_kwargs",
    "tools_in_user_message_kwargs",
    "truncation",
];

/// What a tokenizer knows of conversations.
#[derive(Debug, Default)]
pub(crate) struct Chat {
    config: TokenizerConfig,
    /// The templates of `config`, once they have been asked for.
    compiled: Vec<OnceLock<Result<Arc<ChatTemplate>, Error>>>,
    /// The last template that was given as text: it will be given again.
    given: Mutex<Option<(String, Arc<ChatTemplate>)>>,
}

/// What a conversation is rendered from, as Python has it.
pub(crate) struct Request<'a, 'py> {
    pub(crate) messages: &'a Bound<'py, PyAny>,
    pub(crate) tools: Option<&'a Bound<'py, PyAny>>,
    pub(crate) documents: Option<&'a Bound<'py, PyAny>>,
    pub(crate) add_generation_prompt: bool,
    pub(crate) continue_final_message: bool,
    pub(crate) chat_template: Option<&'a str>,
    pub(crate) now: Option<&'a Bound<'py, PyAny>>,
    pub(crate) variables: Option<&'a Bound<'py, PyDict>>,
}

impl Chat {
    pub(crate) fn new(config: TokenizerConfig) -> Self {
        let compiled = config.chat_templates.iter().map(|_| OnceLock::new());
        Self {
            compiled: compiled.collect(),
            config,
            given: Mutex::default(),
        }
    }

    pub(crate) fn config(&self) -> &TokenizerConfig {
        &self.config
    }

    /// What `work` makes of the rendered conversation.
    ///
    /// # Errors
    ///
    /// `ConfigError`: there is no template, it refuses the conversation, or an argument cannot be used. `FormatError`: the
    /// template is broken. What `work` gives.
    pub(crate) fn render<T: Send>(
        &self,
        py: Python<'_>,
        tokenizer: &Tokenizer,
        rules: &Rules,
        request: &Request<'_, '_>,
        work: impl FnOnce(String) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        if request.add_generation_prompt && request.continue_final_message {
            let problem = "either the last message is continued or a new one is begun: \
                           continue_final_message and add_generation_prompt exclude each other";
            return Err(config_error(py, problem.to_owned()));
        }
        let has_tools = request.tools.is_some_and(|tools| !tools.is_none());
        let (template, source) = self.template(py, request.chat_template, has_tools)?;
        let mut values = Values::new(tokenizer, rules);
        let messages = values.messages(request.messages)?;
        let variables = self.variables(py, &mut values, request)?;
        let continued = request.continue_final_message;
        // The thread that it runs on may ask Python for the time.
        let size = if template.runs_apart() {
            usize::MAX
        } else {
            values.num_bytes
        };
        let done = run_sized(py, size, || {
            work(template.apply(&messages, &variables, continued)?)
        });
        done.map_err(|error| match error {
            Error::Refused { message } => refusal(py, message, &source),
            error => tokenizer_error(py, &error),
        })
    }

    /// Everything but the messages.
    fn variables(
        &self,
        py: Python<'_>,
        values: &mut Values<'_>,
        request: &Request<'_, '_>,
    ) -> PyResult<Vec<(String, Value)>> {
        let mut variables = self.config.variables();
        for (name, given) in [("tools", request.tools), ("documents", request.documents)] {
            let value = match given {
                Some(given) => values.argument(name, given)?,
                None => Value::from(()),
            };
            variables.push((name.to_owned(), value));
        }
        let prompt = Value::from(request.add_generation_prompt);
        variables.push(("add_generation_prompt".to_owned(), prompt));
        for (name, given) in request.variables.into_iter().flatten() {
            let name: String = name.extract()?;
            if NOT_HERE.contains(&name.as_str()) {
                let problem =
                    format!("{name} is not an argument here, and would only reach the template");
                return Err(config_error(py, problem));
            }
            let value = values.argument(&name, &given)?;
            variables.push((name, value));
        }
        if let Some(now) = request.now {
            let now = now.clone().unbind();
            let now = clock(move |format| with_python(|py| strftime(now.bind(py), format)));
            variables.push(("strftime_now".to_owned(), now));
        }
        Ok(variables)
    }

    /// The template that is wanted, and its text.
    fn template<'a>(
        &'a self,
        py: Python<'_>,
        wanted: Option<&'a str>,
        has_tools: bool,
    ) -> PyResult<(Arc<ChatTemplate>, Cow<'a, str>)> {
        let named = |name: &str| {
            let mut templates = self.config.chat_templates.iter();
            templates.position(|(known, _)| known == name)
        };
        let at = match wanted {
            Some(name) => match named(name) {
                Some(at) => at,
                None if name.contains('{') => return self.given(py, name),
                None => return Err(self.no_template(py, Some(name))),
            },
            None => has_tools
                .then(|| named("tool_use"))
                .flatten()
                .or_else(|| named("default"))
                .ok_or_else(|| self.no_template(py, None))?,
        };
        let source = &self.config.chat_templates[at].1;
        let template = self.compiled[at].get_or_init(|| compile(source));
        match template {
            Ok(template) => Ok((Arc::clone(template), Cow::Borrowed(source))),
            Err(error) => Err(tokenizer_error(py, error)),
        }
    }

    fn given<'a>(
        &self,
        py: Python<'_>,
        source: &'a str,
    ) -> PyResult<(Arc<ChatTemplate>, Cow<'a, str>)> {
        // Held for a moment and never while Python runs, so a fork finds it free.
        let mut last = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, template)) = last.as_ref().filter(|(known, _)| known == source) {
            return Ok((Arc::clone(template), Cow::Borrowed(source)));
        }
        let template = compile(source).map_err(|error| tokenizer_error(py, &error))?;
        *last = Some((source.to_owned(), Arc::clone(&template)));
        Ok((template, Cow::Borrowed(source)))
    }

    fn no_template(&self, py: Python<'_>, name: Option<&str>) -> PyErr {
        let mut names = self
            .config
            .chat_templates
            .iter()
            .map(|(name, _)| name.as_str());
        let names = names.by_ref().collect::<Vec<_>>().join(", ");
        let message = match (name, names.is_empty()) {
            (Some(name), _) => {
                let name: String = name.chars().take(80).collect();
                let names = if names.is_empty() { "none" } else { &names };
                format!("no chat template is called {name:?} (there are: {names}), and it is no template itself")
            }
            (None, false) => format!(
                "none of the chat templates is called default: say which one is meant with chat_template= ({names})"
            ),
            (None, true) => "the tokenizer has no chat template: pass its text as chat_template=, or make the tokenizer \
                             with config=, the path of its tokenizer_config.json or chat_template.jinja"
                .to_owned(),
        };
        config_error(py, message)
    }
}

/// What a template says when it refuses a conversation. Words that are not its own, but were put together from the
/// conversation, are for the program to read and never printed.
fn refusal(py: Python<'_>, message: String, source: &str) -> PyErr {
    let refuses = "the chat template refuses the conversation";
    if source.contains(&message) {
        config_error(py, format!("{refuses}: {message}"))
    } else {
        config_error_with(py, format!("{refuses}, and says why in `detail`"), message)
    }
}

fn compile(source: &str) -> Result<Arc<ChatTemplate>, Error> {
    let local = |format: &str| {
        with_python(|py| {
            let datetime = py.import("datetime")?.getattr("datetime")?;
            strftime(&datetime.call_method0("now")?, format)
        })
    };
    ChatTemplate::new(source, local).map(Arc::new)
}

fn strftime(now: &Bound<'_, PyAny>, format: &str) -> PyResult<String> {
    let written = now.call_method1("strftime", (format,))?;
    Ok(written.cast_into::<PyString>()?.to_str()?.to_owned())
}

fn with_python(work: impl FnOnce(Python<'_>) -> PyResult<String>) -> Result<String, String> {
    match Python::try_attach(work) {
        Some(written) => written.map_err(|error| error.to_string()),
        None => Err("Python is shutting down".to_owned()),
    }
}
