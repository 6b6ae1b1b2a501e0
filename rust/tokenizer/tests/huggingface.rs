//! What Hugging Face `tokenizers` made of the same files, see `scripts/generate_huggingface_goldens.py`.
//!
//! `INFERAIL_GOLDENS` may name a folder with more of them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests are tests"
)]

use std::path::{Path, PathBuf};

use inferail_tokenizer::{
    EncodeOptions, Encoding, Error, Input, Specials, StreamingDecoder, Tokenizer, load,
};
use serde_json::Value;

fn goldens() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/huggingface");
    let more = std::env::var_os("INFERAIL_GOLDENS").map(PathBuf::from);
    let folders = [own].into_iter().chain(more);
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

fn numbers(list: &Value) -> Vec<u32> {
    let list = list.as_array().unwrap().iter();
    list.map(|number| number.as_u64().unwrap() as u32).collect()
}

fn flags(list: &Value) -> Vec<bool> {
    numbers(list).into_iter().map(|flag| flag == 1).collect()
}

fn places(list: &Value) -> Vec<Option<u32>> {
    let list = list.as_array().unwrap().iter();
    list.map(|place| place.as_u64().map(|place| place as u32))
        .collect()
}

fn expected(case: &Value) -> Encoding {
    let offsets = case["offsets"].as_array().unwrap().iter();
    Encoding {
        ids: numbers(&case["ids"]),
        type_ids: numbers(&case["type_ids"]),
        offsets: offsets
            .map(|offset| numbers(offset).try_into().unwrap())
            .collect(),
        special_tokens_mask: flags(&case["special_tokens_mask"]),
        attention_mask: flags(&case["attention_mask"]),
        words: places(&case["words"]),
        sequences: places(&case["sequences"]),
        ..Encoding::default()
    }
}

fn check(name: &str, golden: &Value, failures: &mut Vec<String>) {
    let file = golden["tokenizer"].to_string();
    let definition = load::any(file.as_bytes(), load::Options::default()).unwrap();
    let tokenizer = Tokenizer::new(definition).unwrap_or_else(|error| panic!("{name}: {error}"));
    for case in golden["cases"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let special = case["special"].as_bool().unwrap();
        let options = EncodeOptions {
            add_special_tokens: special,
            truncation: tokenizer.truncation(),
            padding: tokenizer.padding(),
            ..EncodeOptions::default()
        };
        let pair = case["pair"].as_str();
        let mut encoding = tokenizer
            .encode_detailed(text, pair.map(Input::Text), &options)
            .unwrap();
        // The goldens have none; tests/identity/test_as_hf.py compares them.
        encoding.spellings.clear();
        let expected = expected(case);
        if encoding != expected {
            failures.push(format!(
                "{name}: {text:?} {pair:?} {special}\n  is  {encoding:?}\n  not {expected:?}"
            ));
            continue;
        }
        for (skip, key) in [(false, "decoded"), (true, "decoded_without")] {
            let decoded = tokenizer.decode(&expected.ids, skip).unwrap();
            if decoded != case[key].as_str().unwrap() {
                failures.push(format!(
                    "{name}: {text:?} {key} {decoded:?} not {}",
                    case[key]
                ));
            }
        }
        if pair.is_none() && tokenizer.truncation().is_none() {
            check_plain(name, &tokenizer, text, &encoding, failures);
        }
    }
}

/// The quick ways have to agree with the detailed one.
fn check_plain(
    name: &str,
    tokenizer: &Tokenizer,
    text: &str,
    encoding: &Encoding,
    failures: &mut Vec<String>,
) {
    let kept = encoding.ids.iter().zip(&encoding.special_tokens_mask);
    let kept: Vec<u32> = kept.filter(|(_, is)| !**is).map(|(id, _)| *id).collect();
    let ids = tokenizer.encode(text, Specials::All).unwrap();
    if ids != kept || tokenizer.count(text, Specials::All).unwrap() != kept.len() {
        failures.push(format!("{name}: {text:?} encodes to {ids:?} not {kept:?}"));
    }
    let mut decoder = StreamingDecoder::new();
    let mut streamed = String::new();
    for &id in &ids {
        streamed += &decoder.step(tokenizer, id).unwrap();
    }
    streamed += &decoder.finish();
    let bytes = tokenizer.decode_bytes(&ids).unwrap();
    if streamed != String::from_utf8_lossy(&bytes) {
        failures.push(format!(
            "{name}: {text:?} streams to {streamed:?} not {bytes:?}"
        ));
    }
}

#[test]
fn encodings_and_texts_are_those_of_the_reference() {
    let mut failures = Vec::new();
    for path in goldens() {
        let golden: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy();
        check(&name, &golden, &mut failures);
        for (limited, index) in golden["limited"].as_array().unwrap().iter().zip(0..) {
            check(&format!("{name} limited {index}"), limited, &mut failures);
        }
    }

    let shown: Vec<_> = failures.iter().take(12).map(String::as_str).collect();
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        shown.join("\n")
    );
}

#[test]
fn parts_that_are_not_built_are_refused_by_name() {
    let file = |part: &str| {
        format!(r#"{{"model":{{"type":"WordLevel","vocab":{{"a":0}},"unk_token":"a"}},{part}}}"#)
    };
    for (part, feature) in [
        (r#""normalizer":{"type":"Odd"}"#, "the normalizer Odd"),
        (
            r#""pre_tokenizer":{"type":"UnicodeScripts"}"#,
            "the pre-tokenizer UnicodeScripts",
        ),
        (r#""decoder":{"type":"Odd"}"#, "the decoder Odd"),
        (
            r#""post_processor":{"type":"Odd"}"#,
            "the post-processor Odd",
        ),
    ] {
        let error = load::any(file(part).as_bytes(), load::Options::default()).unwrap_err();

        assert!(
            matches!(&error, Error::Unsupported { feature: told, .. } if told == feature),
            "{error}"
        );
    }
}

/// Bad input gives a typed error or a tokenizer that works, never a panic.
#[test]
fn damaged_files_are_read_or_refused() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/huggingface");
    let mut seed = 1_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    let mut refused = 0;
    for name in ["words", "albert", "llama2", "roberta", "bert_cased"] {
        let golden = std::fs::read(own.join(format!("{name}.json"))).unwrap();
        let golden: Value = serde_json::from_slice(&golden).unwrap();
        let file = golden["tokenizer"].to_string().into_bytes();
        for _ in 0..150 {
            let mut damaged = file.clone();
            for _ in 0..=random(3) {
                let at = random(damaged.len());
                damaged[at] = b"0123456789{}[],:\"aefnrtu \\\xff"[random(27)];
            }
            if random(8) == 0 {
                damaged.truncate(random(file.len()));
            }
            let made = load::any(&damaged, load::Options::default()).and_then(Tokenizer::new);
            let Ok(tokenizer) = made else {
                refused += 1;
                continue;
            };
            let options = EncodeOptions::default();
            if let Ok(encoding) =
                tokenizer.encode_detailed("a <s>b 1é", Some(Input::Text("c")), &options)
            {
                let _ = tokenizer.decode(&encoding.ids, false);
                let _ = tokenizer.decode_bytes(&encoding.ids);
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn added_tokens_have_the_ids_that_are_asked_for() {
    let token = |id: u32, content: &str| {
        format!(r#"{{"id":{id},"content":"{content}","special":true,"normalized":false}}"#)
    };
    let added = [token(1, "b"), token(5, "<x>"), token(9, "<y>")].join(",");
    let model = r#"{"type":"WordLevel","vocab":{"a":0,"b":1,"u":2},"unk_token":"u"}"#;
    let file = format!(r#"{{"added_tokens":[{added}],"model":{model}}}"#);
    let ids = |ids| {
        let definition = load::any(file.as_bytes(), load::Options { ids }).unwrap();
        let tokenizer = Tokenizer::new(definition).unwrap();
        tokenizer.encode("a<x>b<y>", Specials::All).unwrap()
    };

    assert_eq!(ids(load::Ids::File), [0, 5, 1, 9]);
    // What `tokenizers` 0.23.3 gives.
    assert_eq!(ids(load::Ids::HuggingFace), [0, 3, 1, 4]);
}

#[test]
fn an_added_token_hides_the_one_that_has_its_id() {
    let added = r#"{"id":90,"content":"<s>","special":true,"normalized":false}"#;
    let model = r#"{"type":"BPE","vocab":{"a":3,"b":1,"ab":2},"merges":["a b"]}"#;
    let file =
        format!(r#"{{"added_tokens":[{added}],"decoder":{{"type":"ByteLevel"}},"model":{model}}}"#);
    let ids = load::Ids::HuggingFace;
    let definition = load::any(file.as_bytes(), load::Options { ids }).unwrap();
    let tokenizer = Tokenizer::new(definition).unwrap();

    let ids = tokenizer.encode("aab<s>", Specials::All).unwrap();

    // What `tokenizers` 0.23.3 gives.
    assert_eq!(ids, [3, 2, 3]);
    assert_eq!(tokenizer.decode(&ids, false).unwrap(), "<s>ab<s>");
    assert_eq!(tokenizer.decode_bytes(&ids).unwrap(), b"<s>ab<s>");
}
