//! Errors a provider reports within a stream it began with status 200.

use crate::json::{Span, Type, Walker};
use crate::output::Output;
use crate::{Delta, Error, Kind};

/// An error object as the providers write it; every field may be missing.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Fault {
    /// `type`, or Gemini's `status`.
    kind: Option<Span>,
    /// `code` where it is text.
    code: Option<Span>,
    /// `code` where it is a number.
    number: Option<i64>,
    message: Option<Span>,
}

impl Fault {
    /// Reads the next value: an error object, or just its message. What is empty or null is no error.
    pub(crate) fn read(walker: &mut Walker<'_>) -> Result<Option<Self>, Error> {
        let mut fault = Self::default();
        match walker.peek()? {
            Type::String => fault.message = walker.text()?,
            Type::Object => {
                walker.enter_object()?;
                while let Some(key) = walker.key()? {
                    fault.member(walker.name(key), walker)?;
                }
            }
            Type::Boolean => return Ok(walker.is_true()?.then_some(fault)),
            _ => {
                walker.skip()?;
                return Ok(None);
            }
        }
        let told = fault.kind.or(fault.code).or(fault.message).is_some() || fault.number.is_some();
        Ok(told.then_some(fault))
    }

    /// Looks for an error in a whole text: `{"error": …}`, an array of such, or, where `flat` allows it, an
    /// object that is the error itself.
    pub(crate) fn find(source: &str, flat: bool) -> Result<Option<Self>, Error> {
        let mut walker = Walker::new(source);
        let mut found = None;
        if walker.peek()? == Type::Array {
            walker.enter_array()?;
            while walker.item()? {
                found = found.or(Self::find_in_object(&mut walker, flat)?);
            }
        } else {
            found = Self::find_in_object(&mut walker, flat)?;
        }
        walker.finish()?;
        Ok(found)
    }

    fn find_in_object(walker: &mut Walker<'_>, flat: bool) -> Result<Option<Self>, Error> {
        let mut wrapped = None;
        let mut bare = Self::default();
        if walker.enter_object()? {
            while let Some(key) = walker.key()? {
                match walker.name(key) {
                    "error" => wrapped = Self::read(walker)?,
                    key => bare.member(key, walker)?,
                }
            }
        }
        Ok(wrapped.or_else(|| (flat && bare.message.is_some()).then_some(bare)))
    }

    /// The same error with the name that stands beside it, where it has none of its own.
    pub(crate) fn or_kind(self, kind: Option<Span>) -> Self {
        Self {
            kind: self.kind.or(kind),
            ..self
        }
    }

    /// Reads one member of an error object.
    fn member(&mut self, key: &str, walker: &mut Walker<'_>) -> Result<(), Error> {
        match key {
            "type" | "status" | "error_type" => self.kind = walker.text()?.or(self.kind),
            "message" => self.message = walker.text()?,
            "code" if walker.peek()? == Type::Number => self.number = walker.integer()?,
            "code" => self.code = walker.text()?,
            _ => walker.skip()?,
        }
        Ok(())
    }

    /// Sends the error. Its name is the textual code, which says more than the type, then the type, then
    /// the number.
    pub(crate) fn send(&self, output: &mut Output<'_, '_>) {
        let (kind, code) = (output.decode(self.kind), output.decode(self.code));
        let numeric = code.as_deref().and_then(|code| code.parse::<i64>().ok());
        let number = self.number.or(numeric);
        let digits = number.map(|number| number.to_string());
        let textual = code.as_deref().filter(|_| numeric.is_none());
        let name = textual.or(kind.as_deref()).or(digits.as_deref());
        let status = number
            .and_then(|number| u16::try_from(number).ok())
            .filter(|status| (400..600).contains(status))
            .or_else(|| textual.and_then(status_of))
            .or_else(|| kind.as_deref().and_then(status_of));
        let message = output.decode(self.message);
        output.memory.has_error = true;
        output.send(Delta {
            name: Some(name.unwrap_or("error")),
            text: message.as_deref(),
            status,
            ..Delta::new(Kind::Error)
        });
    }
}

/// The status the provider would have answered with, had the error come before the stream.
pub(crate) fn status_of(name: &str) -> Option<u16> {
    Some(match name {
        "invalid_request_error"
        | "INVALID_ARGUMENT"
        | "FAILED_PRECONDITION"
        | "context_length_exceeded"
        | "validationException"
        | "serviceQuotaExceededException" => 400,
        "authentication_error" | "invalid_api_key" | "UNAUTHENTICATED" => 401,
        "billing_error" => 402,
        "permission_error" | "PERMISSION_DENIED" | "accessDeniedException" => 403,
        "not_found_error" | "model_not_found" | "NOT_FOUND" => 404,
        "modelTimeoutException" => 408,
        "conflict_error" | "ABORTED" => 409,
        "request_too_large" => 413,
        "modelErrorException" | "modelStreamErrorException" => 424,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "insufficient_quota"
        | "RESOURCE_EXHAUSTED"
        | "throttlingException"
        | "modelNotReadyException" => 429,
        "api_error"
        | "server_error"
        | "internal_server_error"
        | "INTERNAL"
        | "internalServerException" => 500,
        "UNAVAILABLE" | "serviceUnavailableException" => 503,
        "timeout_error" | "DEADLINE_EXCEEDED" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}
