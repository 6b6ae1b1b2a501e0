//! The slow, obvious twin of the parser: sections 9.2.5 and 9.2.6 of the HTML standard, step by step,
//! on the whole stream as one string.

/// An event, owned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Owned {
    /// Type.
    pub(crate) event: String,
    /// Data.
    pub(crate) data: String,
    /// Last event id.
    pub(crate) id: String,
    /// Reconnection time sent with it.
    pub(crate) retry: Option<u64>,
}

/// The buffers the standard names, and the retry value, which it has no buffer for.
#[derive(Debug, Default)]
struct Buffers {
    data: String,
    event_type: String,
    last_event_id: String,
    retry: Option<u64>,
}

/// Every event of a stream.
pub(crate) fn parse(bytes: &[u8]) -> Vec<Owned> {
    // "Streams must be decoded using the UTF-8 decode algorithm", which strips one leading mark.
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut buffers = Buffers::default();
    let mut events = Vec::new();
    for line in lines(text) {
        if line.is_empty() {
            events.extend(dispatch(&mut buffers));
        } else if !line.starts_with(':') {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            process(&mut buffers, field, value);
        }
    }
    // "Once the end of the file is reached, any pending data must be discarded."
    events
}

/// Lines end in CR LF, LF or CR; what follows the last ending is no line.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\r']) {
        lines.push(&rest[..at]);
        let length = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + length..];
    }
    lines
}

fn process(buffers: &mut Buffers, field: &str, value: &str) {
    match field {
        "event" => value.clone_into(&mut buffers.event_type),
        "data" => {
            buffers.data.push_str(value);
            buffers.data.push('\n');
        }
        "id" if !value.contains('\0') => value.clone_into(&mut buffers.last_event_id),
        "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
            buffers.retry = Some(value.parse().unwrap_or(u64::MAX));
        }
        _ => {}
    }
}

fn dispatch(buffers: &mut Buffers) -> Option<Owned> {
    let id = buffers.last_event_id.clone();
    let retry = buffers.retry.take();
    let event_type = std::mem::take(&mut buffers.event_type);
    let data = std::mem::take(&mut buffers.data);
    let data = data.strip_suffix('\n')?; // none only where the buffer is empty
    Some(Owned {
        event: if event_type.is_empty() {
            "message".to_owned()
        } else {
            event_type
        },
        data: data.to_owned(),
        id,
        retry,
    })
}
