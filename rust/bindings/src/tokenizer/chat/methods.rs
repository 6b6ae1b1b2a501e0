//! The methods of `Tokenizer` that are about conversations.

use inferail_tokenizer::Specials;
use inferail_tokenizer::chat_template::{MessageTokens, Value};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::Request;
use super::values::Values;
use crate::error::tokenizer_error;
use crate::gil::run_sized;
use crate::tokenizer::ids;
use crate::tokenizer::specials::{Chosen, Rules};
use crate::tokenizer::tokenizer::PyTokenizer;

#[pymethods]
impl PyTokenizer {
    /// A conversation as the model reads it.
    #[pyo3(
        signature = (messages, *, tools=None, documents=None, add_generation_prompt=false, continue_final_message=false, chat_template=None, tokenize=true, as_list=false, disallowed_special=Chosen::None, now=None, **variables),
        text_signature = "($self, messages, *, tools=None, documents=None, add_generation_prompt=False, continue_final_message=False, chat_template=None, tokenize=True, as_list=False, disallowed_special=(), now=None, **variables)"
    )]
    #[expect(
        clippy::too_many_arguments,
        clippy::fn_params_excessive_bools,
        reason = "keyword arguments of Python"
    )]
    fn apply_chat_template<'py>(
        &self,
        messages: &Bound<'py, PyAny>,
        tools: Option<&Bound<'py, PyAny>>,
        documents: Option<&Bound<'py, PyAny>>,
        add_generation_prompt: bool,
        continue_final_message: bool,
        chat_template: Option<&str>,
        tokenize: bool,
        as_list: bool,
        disallowed_special: Chosen,
        now: Option<&Bound<'py, PyAny>>,
        variables: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = messages.py();
        let rules = Rules::new(Chosen::None, disallowed_special);
        let request = Request {
            messages,
            tools,
            documents,
            add_generation_prompt,
            continue_final_message,
            chat_template,
            now,
            variables,
        };
        if !tokenize {
            let text = self.chat.render(py, &self.inner, &rules, &request, Ok)?;
            return Ok(PyString::new(py, &text).into_any());
        }
        let ids = self
            .chat
            .render(py, &self.inner, &rules, &request, |text| {
                self.inner.encode(&text, Specials::All)
            })?;
        ids::sequence(py, ids, as_list)
    }

    /// How many tokens a conversation has.
    #[pyo3(signature = (messages, *, model=None, tools=None))]
    fn count_messages<'py>(
        &self,
        messages: &Bound<'py, PyAny>,
        model: Option<&str>,
        tools: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = messages.py();
        let mut reasons: Vec<&str> = self.estimate.as_deref().into_iter().collect();
        let tokens = if model.is_none() && !self.chat.config().chat_templates.is_empty() {
            let request = Request {
                messages,
                tools,
                documents: None,
                add_generation_prompt: true,
                continue_final_message: false,
                chat_template: None,
                now: None,
                variables: None,
            };
            self.chat
                .render(py, &self.inner, &Rules::ORDINARY, &request, |text| {
                    self.inner.count(&text, Specials::All)
                })?
        } else {
            // What a stand-in is called says nothing about the model.
            let own = self.name.as_deref().filter(|_| self.estimate.is_none());
            let numbers = MessageTokens::for_model(model.or(own).unwrap_or_default());
            let mut values = Values::new(&self.inner, &Rules::ORDINARY);
            let messages = values.messages(messages)?;
            let tools = match tools {
                Some(tools) => values.argument("tools", tools)?,
                None => Value::UNDEFINED,
            };
            let counted = run_sized(py, values.num_bytes, || {
                numbers.count(&self.inner, &messages, &tools)
            });
            let counted = counted.map_err(|error| tokenizer_error(py, &error))?;
            reasons.extend(counted.estimates);
            counted.tokens
        };
        let estimate = (!reasons.is_empty()).then(|| reasons.join("; "));
        let module = py.import("inferail.tokenizer.counting")?;
        module.getattr("TokenCount")?.call1((tokens, estimate))
    }

    /// The chat template, several by name, or None.
    #[getter]
    fn chat_template<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let templates = &self.chat.config().chat_templates;
        Ok(match templates.as_slice() {
            [] => None,
            [(name, source)] if name == "default" => Some(PyString::new(py, source).into_any()),
            several => {
                let named = PyDict::new(py);
                for (name, source) in several {
                    named.set_item(name, source)?;
                }
                Some(named.into_any())
            }
        })
    }

    /// How the special tokens that have a name are spelled.
    #[getter]
    fn special_tokens_map<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let config = self.chat.config();
        let named = PyDict::new(py);
        for (name, token) in &config.special_tokens {
            named.set_item(name, token)?;
        }
        if !config.additional_special_tokens.is_empty() {
            let additional = &config.additional_special_tokens;
            named.set_item("additional_special_tokens", additional)?;
        }
        Ok(named)
    }

    /// How the token before a text is spelled.
    #[getter]
    fn bos_token(&self) -> Option<&str> {
        self.chat.config().special_token("bos_token")
    }

    /// How the token that ends an answer is spelled.
    #[getter]
    fn eos_token(&self) -> Option<&str> {
        self.chat.config().special_token("eos_token")
    }
}
