//! Files of the `SentencePiece` family, written here field by field.

use inferail_tokenizer::{Error, Specials, Tokenizer, load};

/// A field of a message: a length and bytes.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend_from_slice(content);
    field
}

fn piece(text: &str, score: f32, kind: u8) -> Vec<u8> {
    let mut piece = bytes(1, text.as_bytes());
    piece.push(2 << 3 | 5);
    piece.extend_from_slice(&score.to_le_bytes());
    piece.extend([3 << 3, kind]);
    bytes(1, &piece)
}

/// `model_type`, and what the normaliser is told.
fn model(kind: u8, pieces: &[(&str, f32, u8)], normalizer: &[u8]) -> Vec<u8> {
    let mut file: Vec<u8> = pieces
        .iter()
        .flat_map(|(text, score, kind)| piece(text, *score, *kind))
        .collect();
    file.extend(bytes(2, &[3 << 3, kind]));
    file.extend(bytes(3, normalizer));
    file
}

const PIECES: &[(&str, f32, u8)] = &[
    ("<unk>", 0.0, 2),
    ("<s>", 0.0, 3),
    ("▁", -3.0, 1),
    ("a", -3.0, 1),
    ("b", -3.5, 1),
    ("ab", -4.0, 1),
    ("▁a", -3.2, 1),
    ("▁ab", -9.0, 1),
    ("<x>", 0.0, 4),
];

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn encode(file: &[u8], text: &str) -> Vec<u32> {
    let definition = load::any(file, load::Options::default()).unwrap();
    Tokenizer::new(definition)
        .unwrap()
        .encode(text, Specials::AsText)
        .unwrap()
}

#[test]
fn bpe_model_merges_the_best_score_first_after_a_space_of_its_own() {
    let file = model(2, PIECES, &[]);

    assert_eq!(encode(&file, "ab  ab "), [7, 7]);
    assert_eq!(encode(&file, "a<x>ab"), [6, 8, 5]);
    assert_eq!(encode(&file, "<s>"), [2, 0]);
    assert_eq!(encode(&file, ""), [0_u32; 0]);
    assert_eq!(encode(&file, "   "), [0_u32; 0]);
}

#[test]
fn bpe_model_keeps_spaces_if_it_is_told_to() {
    let file = model(2, PIECES, &[3 << 3, 0, 4 << 3, 0]);

    assert_eq!(encode(&file, "ab  ab "), [5, 2, 7, 2]);
}

#[test]
fn unigram_model_takes_the_best_sum() {
    let file = model(1, PIECES, &[]);

    assert_eq!(encode(&file, "ab b"), [6, 4, 2, 4]);
    assert_eq!(encode(&file, "☃☃a"), [2, 0, 3]);
}

#[test]
fn decoding_gives_the_text_back_without_the_space_that_was_put_before() {
    let definition = load::sentencepiece::definition(&model(2, PIECES, &[])).unwrap();
    let tokenizer = Tokenizer::new(definition).unwrap();

    let ids = tokenizer.encode("ab a☃", Specials::AsText).unwrap();

    assert_eq!(tokenizer.decode_bytes(&ids).unwrap(), "ab a ⁇ ".as_bytes());
}

#[test]
fn loader_says_what_is_wrong_and_where() {
    let file = model(2, PIECES, &[]);
    let cut = load::sentencepiece::definition(&file[..file.len() - 1]);
    assert!(
        matches!(
            cut,
            Err(Error::Format {
                offset: Some(_),
                ..
            })
        ),
        "{cut:?}"
    );

    let words = load::sentencepiece::definition(&model(3, PIECES, &[]));
    assert!(matches!(words, Err(Error::Unsupported { .. })), "{words:?}");

    let empty = load::sentencepiece::definition(&[]);
    assert!(matches!(empty, Err(Error::Format { .. })), "{empty:?}");
}

/// A text of GGUF: its length and bytes.
fn text(content: &str) -> Vec<u8> {
    [&(content.len() as u64).to_le_bytes(), content.as_bytes()].concat()
}

fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(key), &kind.to_le_bytes()[..], value].concat()
}

fn array(kind: u32, values: &[Vec<u8>]) -> Vec<u8> {
    let count = values.len() as u64;
    [
        &kind.to_le_bytes(),
        &count.to_le_bytes()[..],
        &values.concat(),
    ]
    .concat()
}

fn gguf(model: &str) -> Vec<u8> {
    gguf_with(model, Vec::new())
}

fn gguf_with(model: &str, more: Vec<Vec<u8>>) -> Vec<u8> {
    let mut entries = vec![
        entry("general.name", 8, &text("tiny")),
        entry("tokenizer.ggml.model", 8, &text(model)),
        entry(
            "tokenizer.ggml.tokens",
            9,
            &array(
                8,
                &PIECES.iter().map(|piece| text(piece.0)).collect::<Vec<_>>(),
            ),
        ),
        entry(
            "tokenizer.ggml.scores",
            9,
            &array(
                6,
                &PIECES
                    .iter()
                    .map(|piece| piece.1.to_le_bytes().to_vec())
                    .collect::<Vec<_>>(),
            ),
        ),
        entry(
            "tokenizer.ggml.token_type",
            9,
            &array(
                5,
                &PIECES
                    .iter()
                    .map(|piece| u32::from(piece.2).to_le_bytes().to_vec())
                    .collect::<Vec<_>>(),
            ),
        ),
    ];
    entries.extend(more);
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend(0_u64.to_le_bytes());
    file.extend((entries.len() as u64).to_le_bytes());
    file.extend(entries.concat());
    file
}

#[test]
fn gguf_file_of_a_sentencepiece_model_encodes_like_it() {
    // GGUF keeps spaces unless it says otherwise.
    let same = model(2, PIECES, &[4 << 3, 0]);

    for text in ["ab  ab ", "a<x>ab", "<s>", ""] {
        assert_eq!(
            encode(&gguf("llama"), text),
            encode(&same, text),
            "{text:?}"
        );
    }
}

#[test]
fn gguf_file_has_chat_templates_and_names_of_special_tokens() {
    let id = |name: &str, id: u32| {
        let key = format!("tokenizer.ggml.{name}_token_id");
        entry(&key, 4, &id.to_le_bytes())
    };
    let file = gguf_with(
        "llama",
        vec![
            entry("tokenizer.chat_template.tool_use", 8, &text("tools")),
            entry("tokenizer.chat_template", 8, &text("plain")),
            id("bos", 1),
            id("eos", 1_000),
        ],
    );

    let config = load::config(&file).unwrap();

    assert_eq!(config.chat_template(None, false), Ok("plain"));
    assert_eq!(config.chat_template(None, true), Ok("tools"));
    assert_eq!(config.special_token("bos_token"), Some(PIECES[1].0));
    assert_eq!(config.special_token("eos_token"), None);
    assert!(load::config(&gguf("llama")).unwrap().is_empty());
    assert!(load::config(b"{}").unwrap().is_empty());
}

#[test]
fn gguf_file_is_refused_by_name_or_where_it_ends() {
    let other = load::gguf::definition(&gguf("rwkv"));
    assert!(
        matches!(&other, Err(Error::Unsupported { feature, .. }) if feature.contains("rwkv")),
        "{other:?}"
    );

    let file = gguf("llama");
    for length in 0..file.len() {
        let cut = load::gguf::definition(&file[..length]);
        assert!(
            matches!(cut, Err(Error::Format { .. })),
            "{length}: {cut:?}"
        );
    }
}

fn tekken(special: &str) -> String {
    let vocab = (0..260_u32).map(|rank| {
        let bytes = if rank < 256 {
            vec![rank as u8]
        } else {
            vec![b'a'; rank as usize - 254]
        };
        format!(
            r#"{{"rank":{rank},"token_bytes":"{}","token_str":null}}"#,
            base64(&bytes)
        )
    });
    let vocab: Vec<String> = vocab.collect();
    format!(
        r#"{{"config":{{"pattern":"\\p{{L}}+|\\P{{L}}+","num_vocab_tokens":260,"default_vocab_size":267,"default_num_special_tokens":10,"version":"v7"}},"vocab":[{}]{special}}}"#,
        vocab.join(",")
    )
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for digit in 0..4 {
            let character = DIGITS[(bits >> (18 - 6 * digit) & 63) as usize] as char;
            text.push(if digit <= group.len() { character } else { '=' });
        }
    }
    text
}

#[test]
fn tekken_file_counts_special_tokens_first_and_leaves_ranks_out() {
    let special = r#","special_tokens":[{"rank":0,"token_str":"<unk>","is_control":true},{"rank":1,"token_str":"<s>","is_control":true}]"#;
    let file = tekken(special);

    // 257 ranks are left: "aa" is one of them, "aaa" is not.
    assert_eq!(encode(file.as_bytes(), "aaa!"), [266, 107, 43]);
    let tokenizer = Tokenizer::new(load::tekken::definition(file.as_bytes()).unwrap()).unwrap();
    assert_eq!(
        tokenizer.encode("<s>a<SPECIAL_9>", Specials::All).unwrap(),
        [1, 107, 9]
    );
}

#[test]
fn tekken_file_with_numbers_that_do_not_fit_is_refused() {
    let file = tekken("").replace("\"default_vocab_size\":267", "\"default_vocab_size\":271");

    let error = load::tekken::definition(file.as_bytes());

    assert!(matches!(error, Err(Error::Format { .. })), "{error:?}");
}
