//! The slow, obvious twin of the parser: it sees the whole stream as one string.

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

/// Every event of a stream.
pub(crate) fn parse(bytes: &[u8]) -> Vec<Owned> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop(); // what follows the last line ending is no line
    let mut events = Vec::new();
    let (mut data, mut event, mut id) = (None::<String>, String::new(), String::new());
    let mut retry = None;
    for line in lines {
        if line.is_empty() {
            if let Some(data) = data.take() {
                let event = if event.is_empty() {
                    "message".to_owned()
                } else {
                    event.clone()
                };
                events.push(Owned {
                    event,
                    data,
                    id: id.clone(),
                    retry,
                });
            }
            event.clear();
            retry = None;
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                data = Some(data.map_or_else(|| value.to_owned(), |data| data + "\n" + value));
            }
            "event" => value.clone_into(&mut event),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                retry = Some(value.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }
    events
}
