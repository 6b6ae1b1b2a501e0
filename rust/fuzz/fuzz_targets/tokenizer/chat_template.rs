//! Any text as a chat template: rendered or refused, within its bounds, and the same the second time.
#![no_main]

use inferail_tokenizer::Error;
use inferail_tokenizer::chat_template::{ChatTemplate, MAX_OUTPUT_BYTES, Value};
use libfuzzer_sys::fuzz_target;

fn message(role: &str, content: Value) -> Value {
    Value::from_pairs([("role", Value::from(role)), ("content", content)])
}

fn conversation() -> Value {
    let part = Value::from_pairs([("type", "text"), ("text", " a part\u{1c} ")]);
    let call = Value::from_pairs([("name", "rail"), ("arguments", "{\"to\": \"Zürich\"}")]);
    let call = Value::from_pairs([("type", Value::from("function")), ("function", call)]);
    let calling = [
        ("role", Value::from("assistant")),
        ("content", Value::from(())),
    ];
    let calling = calling
        .into_iter()
        .chain([("tool_calls", Value::from(vec![call]))]);
    Value::from(vec![
        message("system", Value::from(" Be brief.\r\n")),
        message("user", Value::from(vec![part])),
        Value::from_pairs(calling),
        message("tool", Value::from("21.5")),
        message("assistant", Value::from("日本 🌤 it's")),
    ])
}

fuzz_target!(|data: &[u8]| {
    let source = String::from_utf8_lossy(data);
    let Ok(template) = ChatTemplate::new(&source, |format| Ok(format!("now({format})"))) else {
        return;
    };
    let tool = Value::from_pairs([("name", Value::from("rail")), ("depth", Value::from(1.5))]);
    let variables = [
        ("tools".to_owned(), Value::from(vec![tool])),
        ("add_generation_prompt".to_owned(), Value::from(true)),
        ("bos_token".to_owned(), Value::from("<s>")),
    ];
    for continued in [false, true] {
        let rendered = template.apply(&conversation(), &variables, continued);
        assert_eq!(
            rendered,
            template.apply(&conversation(), &variables, continued)
        );
        match rendered {
            Ok(text) => assert!(text.len() <= MAX_OUTPUT_BYTES),
            Err(Error::Template { .. } | Error::Refused { .. } | Error::Messages { .. }) => {}
            Err(error) => unreachable!("{error}"),
        }
    }
});
