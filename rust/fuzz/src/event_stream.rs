//! Events as lines of text, so that a fuzzer need not guess checksums.

/// The AWS event stream of lines `kind name payload`, where `kind` is `event`, `exception` or `error`, and what
/// follows the name of an error is its message. What a line lacks is empty.
pub fn event_stream(lines: &[u8]) -> Vec<u8> {
    lines
        .split(|&byte| byte == b'\n')
        .flat_map(message)
        .collect()
}

fn message(line: &[u8]) -> Vec<u8> {
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let mut word = || words.next().unwrap_or_default();
    let (kind, name, payload) = (word(), word(), word());
    let mut headers = Vec::new();
    push_header(&mut headers, b":message-type", kind);
    let payload = match kind {
        b"error" => {
            push_header(&mut headers, b":error-code", name);
            push_header(&mut headers, b":error-message", payload);
            &[]
        }
        b"exception" => {
            push_header(&mut headers, b":exception-type", name);
            payload
        }
        _ => {
            push_header(&mut headers, b":event-type", name);
            payload
        }
    };
    let lengths = [16 + headers.len() + payload.len(), headers.len()];
    let mut bytes = lengths.map(|length| (length as u32).to_be_bytes()).concat();
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend(headers);
    bytes.extend(payload);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

fn push_header(headers: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let value = &value[..value.len().min(1000)];
    headers.push(name.len() as u8);
    headers.extend(name);
    headers.push(7);
    headers.extend((value.len() as u16).to_be_bytes());
    headers.extend(value);
}
