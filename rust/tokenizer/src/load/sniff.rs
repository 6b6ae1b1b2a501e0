//! What kind of file some bytes are, whatever the file is called.

/// A kind of file that says something about a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Lines of base64 and a rank.
    Tiktoken,
    /// Ranks in the format of our own, [`super::compact`].
    Compact,
    /// `tokenizer.json` of Hugging Face `tokenizers`.
    HuggingFace,
    /// `tekken.json` of Mistral.
    Tekken,
    /// `tokenizer.model` of `SentencePiece`.
    SentencePiece,
    /// A GGUF file, whose metadata has the tokenizer.
    Gguf,
    /// `tokenizer_config.json`: special tokens and the chat template, no vocabulary.
    TokenizerConfig,
}

impl Format {
    /// What people call such a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiktoken => ".tiktoken file",
            Self::Compact => "compact vocabulary",
            Self::HuggingFace => "tokenizer.json",
            Self::Tekken => "tekken.json",
            Self::SentencePiece => "SentencePiece model",
            Self::Gguf => "GGUF file",
            Self::TokenizerConfig => "tokenizer_config.json",
        }
    }
}

/// What kind of file begins with `file`, or nothing if it is none of these.
///
/// It need not be the whole file: the first megabyte of every one that is in use decides. That it is a valid one is for
/// its loader to say.
pub fn sniff(file: &[u8]) -> Option<Format> {
    if file.starts_with(super::compact::MAGIC) {
        return Some(Format::Compact);
    }
    if file.starts_with(b"GGUF") {
        return Some(Format::Gguf);
    }
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    if text.trim_ascii_start().starts_with(b"{") {
        return Keys::new(text.trim_ascii_start()).find_map(of_key);
    }
    if is_ranks(file) {
        return Some(Format::Tiktoken);
    }
    is_sentencepiece(file).then_some(Format::SentencePiece)
}

/// The kind of JSON file that has `key` in its outermost object, if no other kind has it.
fn of_key(key: &[u8]) -> Option<Format> {
    match key {
        b"added_tokens" | b"normalizer" | b"pre_tokenizer" | b"post_processor" | b"decoder"
        | b"model" => Some(Format::HuggingFace),
        b"vocab" | b"config" => Some(Format::Tekken),
        b"tokenizer_class"
        | b"chat_template"
        | b"added_tokens_decoder"
        | b"bos_token"
        | b"eos_token"
        | b"model_max_length"
        | b"add_bos_token" => Some(Format::TokenizerConfig),
        _ => None,
    }
}

/// The keys of the outermost object of a JSON text that may be broken or cut short.
struct Keys<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Keys<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    /// The string that begins at the quotation mark where the cursor stands, as it is written.
    fn string(&mut self) -> Option<&'a [u8]> {
        let begin = self.at + 1;
        self.at = begin;
        loop {
            match self.text.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.text.get(begin..self.at - 1)
    }
}

impl<'a> Iterator for Keys<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            match self.text.get(self.at)? {
                b'"' => {
                    let string = self.string()?;
                    let after = self.text[self.at..].trim_ascii_start();
                    if self.depth == 1 && after.first() == Some(&b':') {
                        return Some(string);
                    }
                    continue;
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
        }
    }
}

/// Whether the first line is base64, a space and a number.
fn is_ranks(file: &[u8]) -> bool {
    let line = file.trim_ascii_start().split(|byte| *byte == b'\n').next();
    let parts: Vec<&[u8]> = line
        .unwrap_or_default()
        .trim_ascii_end()
        .split(|byte| *byte == b' ')
        .collect();
    let [token, rank] = parts[..] else {
        return false;
    };
    token.len() >= 4
        && token.len().is_multiple_of(4)
        && token
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
        && !rank.is_empty()
        && rank.iter().all(u8::is_ascii_digit)
}

/// Whether the first field is a message that holds a piece: `pieces`, field 1 of `ModelProto`, with `piece`, its field 1.
fn is_sentencepiece(file: &[u8]) -> bool {
    let [0x0a, length @ 2..128, 0x0a, piece, ..] = file else {
        return false;
    };
    u16::from(*piece) + 2 <= u16::from(*length)
}
