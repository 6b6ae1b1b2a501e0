//! Examples of every boundary, and a twin that looks at every place.

use std::sync::Arc;

use inferail_tokenizer::{
    Definition, EncodeOptions, OffsetUnit, PreTokenizerDefinition, Specials, Tokenizer, Vocabulary,
};
use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::boundary::{is_sentence, is_word};
use super::structure::Structure;
use super::*;

fn tokenizer() -> Arc<Tokenizer> {
    let bytes: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
    let words: [&[u8]; 12] = [
        b"th",
        b" th",
        b"the",
        b" the",
        b"  ",
        b"    ",
        b"an",
        b" an",
        b" and",
        b"\n\n",
        b"nt",
        "é".as_bytes(),
    ];
    let tokens = bytes.iter().map(<[u8; 1]>::as_slice).chain(words);
    let vocabulary = Vocabulary::new("test", (0..).zip(tokens)).unwrap();
    let cut = PreTokenizerDefinition::Pattern(r" ?\w+|\s+(?!\S)|\s+|[^\w\s]+".to_owned());
    Arc::new(Tokenizer::new(Definition::ranks(vocabulary, vec![], cut)).unwrap())
}

fn texts(text: &str, chunker: &Chunker) -> Vec<String> {
    let chunks = chunker.chunks(text).unwrap();
    chunks
        .iter()
        .map(|chunk| text[chunk.bytes.clone()].to_owned())
        .collect()
}

fn of_size(size: usize) -> Chunker {
    Chunker::new(Measure::Characters, size, 0, true).unwrap()
}

#[track_caller]
fn check(text: &str, size: usize, expected: &[&str]) {
    assert_eq!(texts(text, &of_size(size)), expected);
}

#[test]
fn a_chunk_ends_before_a_heading_rather_than_a_later_paragraph() {
    let text = "# One\n\nSome words here.\n\n# Two\n\nOther words.\n\nAnd more of them.\n";

    check(
        text,
        50,
        &[
            "# One\n\nSome words here.\n\n",
            "# Two\n\nOther words.\n\nAnd more of them.\n",
        ],
    );
}

#[test]
fn a_heading_stays_with_what_is_below_it() {
    let text = "Some words are here first.\n\n## A heading\n\nWords of it, and others.\n";

    check(
        text,
        44,
        &[
            "Some words are here first.\n\n",
            "## A heading\n\nWords of it, and others.\n",
        ],
    );
}

#[test]
fn an_underlined_heading_is_one() {
    let text = "Some words are first.\n\nTitle\n=====\n\nWords of it are here.\n";
    let chunks = of_size(45).chunks(text).unwrap();

    assert_eq!(chunks[0].bytes, 0..23);
    assert!(chunks[0].headings.is_empty());
    assert_eq!(
        chunks[1]
            .headings
            .iter()
            .map(|title| &text[title.clone()])
            .collect::<Vec<_>>(),
        ["Title"]
    );
}

#[test]
fn headings_of_a_chunk_are_those_above_its_beginning() {
    let text = "# A #\ntext one\n\n## B\ntext two\n\n### C# lang\ntext three\n\n## D\ntext four\n";
    let chunks = of_size(28).chunks(text).unwrap();
    let paths: Vec<Vec<&str>> = chunks
        .iter()
        .map(|chunk| {
            chunk
                .headings
                .iter()
                .map(|title| &text[title.clone()])
                .collect()
        })
        .collect();

    assert_eq!(
        paths,
        [
            vec!["A"],
            vec!["A", "B"],
            vec!["A", "B", "C# lang"],
            vec!["A", "D"]
        ]
    );
}

#[test]
fn code_is_cut_between_lines_and_its_marks_are_no_headings() {
    let text = "```python\n# no heading\nprint(1)\n\nprint(2)\nprint(3)\n```\nEnd.\n";
    let chunks = of_size(40).chunks(text).unwrap();

    assert!(chunks.iter().all(|chunk| chunk.headings.is_empty()));
    assert_eq!(
        texts(text, &of_size(40)),
        [
            "```python\n# no heading\nprint(1)\n\n",
            "print(2)\nprint(3)\n```\nEnd.\n"
        ]
    );
}

#[test]
fn a_table_is_cut_between_rows_but_never_below_its_head() {
    let text = "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n| 5 | 6 |\n";

    check(
        text,
        38,
        &[
            "| a | b |\n|---|---|\n| 1 | 2 |\n",
            "| 3 | 4 |\n| 5 | 6 |\n",
        ],
    );
}

#[test]
fn a_list_is_cut_between_items_rather_than_inside_of_them() {
    let text = "- one is here. It is long.\n- two is. Words.\n  More of it.\n- three\n";

    check(
        text,
        60,
        &[
            "- one is here. It is long.\n- two is. Words.\n  More of it.\n",
            "- three\n",
        ],
    );
}

#[test]
fn prose_is_cut_between_sentences_and_not_behind_an_abbreviation() {
    let text = "We met Dr. Smith at ten. He spoke of e.g. rails and\nroutes, and of much else.";

    check(
        text,
        40,
        &[
            "We met Dr. Smith at ten. ",
            "He spoke of e.g. rails and\n",
            "routes, and of much else.",
        ],
    );
}

#[test]
fn sentences_of_scripts_without_blanks_are_found() {
    check(
        "这是第一句话。这是第二句话。",
        10,
        &["这是第一句话。", "这是第二句话。"],
    );
}

#[test]
fn a_word_longer_than_the_size_is_cut_between_graphemes() {
    check(
        "ab e\u{301}e\u{301}e\u{301}e\u{301} c",
        4,
        &["ab ", "e\u{301}e\u{301}", "e\u{301}e\u{301}", " c"],
    );
}

#[test]
fn a_grapheme_larger_than_the_size_is_taken_apart() {
    check("e\u{301}", 1, &["e", "\u{301}"]);
}

#[test]
fn the_front_matter_of_a_file_is_no_heading() {
    let text = "---\ntitle: x\n---\n# Real\n\nwords\n";
    let structure = Structure::markdown(text);

    assert_eq!(structure.headings.len(), 1);
    assert_eq!(structure.headings[0].at, 17);
}

#[test]
fn a_text_without_markdown_is_cut_between_paragraphs() {
    let plain = Chunker::new(Measure::Characters, 24, 0, false).unwrap();

    assert_eq!(
        texts("# one two\nthree four\n\nfive six seven", &plain),
        ["# one two\nthree four\n\n", "five six seven"]
    );
}

#[test]
fn overlap_repeats_whole_sentences() {
    let chunker = Chunker::new(Measure::Characters, 40, 20, true).unwrap();
    let text = "One is first here. Two is next. Three is after it. Four ends it.";

    assert_eq!(
        texts(text, &chunker),
        [
            "One is first here. Two is next. ",
            "Two is next. Three is after it. ",
            "Three is after it. Four ends it."
        ]
        .map(str::to_owned)
        .to_vec()
    );
}

#[test]
fn a_character_of_more_tokens_than_the_size_is_refused() {
    let chunker = Chunker::new(Measure::Tokens(tokenizer()), 3, 0, true).unwrap();

    assert!(matches!(
        chunker.chunks("ab 🦀"),
        Err(Error::Character { offset: 3, size: 3 })
    ));
}

#[test]
fn arguments_out_of_range_are_refused() {
    assert!(matches!(
        Chunker::new(Measure::Characters, 0, 0, true),
        Err(Error::Argument { .. })
    ));
    assert!(matches!(
        Chunker::new(Measure::Characters, 10, 6, true),
        Err(Error::Argument { .. })
    ));
}

/// What the documentation says, place by place.
struct Twin<'a> {
    text: &'a str,
    chunker: &'a Chunker,
    levels: Vec<Level>,
}

impl<'a> Twin<'a> {
    fn new(text: &'a str, chunker: &'a Chunker) -> Self {
        let structure = if chunker.markdown {
            Structure::markdown(text)
        } else {
            Structure::plain(text)
        };
        let mut levels = vec![0; text.len() + 1];
        for (at, _) in text.grapheme_indices(true) {
            levels[at] = level::GRAPHEME;
        }
        for (at, level) in levels.iter_mut().enumerate() {
            if is_word(text, at) {
                *level = level::WORD;
            }
        }
        for edge in structure.edges {
            levels[edge.at] = edge.level;
        }
        for (at, level) in levels.iter_mut().enumerate() {
            if is_sentence(text, at) {
                *level = (*level).max(level::SENTENCE);
            }
        }
        Self {
            text,
            chunker,
            levels,
        }
    }

    fn size(&self, begin: usize, end: usize) -> usize {
        match &self.chunker.measure {
            Measure::Characters => self.text[begin..end].chars().count(),
            Measure::Tokens(tokenizer) => tokenizer
                .encode(&self.text[begin..end], Specials::AsText)
                .unwrap()
                .len(),
        }
    }

    /// Where each unit of what is left ends.
    fn ends(&self, begin: usize, end: usize) -> Vec<usize> {
        let text = &self.text[begin..end];
        match &self.chunker.measure {
            Measure::Characters => text
                .char_indices()
                .map(|(at, c)| begin + at + c.len_utf8())
                .collect(),
            Measure::Tokens(tokenizer) => {
                let options = EncodeOptions {
                    specials: Specials::AsText,
                    add_special_tokens: false,
                    offsets: OffsetUnit::Bytes,
                    ..EncodeOptions::default()
                };
                let ids = tokenizer.encode(text, Specials::AsText).unwrap();
                let encoding = tokenizer.encode_detailed(text, None, &options).unwrap();
                assert_eq!(ids, encoding.ids);
                let mut end = begin;
                let lengths = ids.iter().map(|id| {
                    end += tokenizer.token_bytes(*id).unwrap().len();
                    end
                });
                lengths.collect()
            }
        }
    }

    fn places(&self, low: usize, high: usize) -> impl Iterator<Item = usize> + '_ {
        (low..=high).filter(|at| self.levels[*at] > 0)
    }

    fn strongest(&self, begin: usize, low: usize, high: usize) -> Option<usize> {
        let fitting = self
            .places(low, high)
            .filter(|at| self.size(begin, *at) <= self.chunker.size);
        fitting.max_by_key(|at| (self.levels[*at], *at))
    }

    fn end(&self, begin: usize, done: usize) -> Option<usize> {
        let size = self.chunker.size;
        let ends = self.ends(begin, self.text.len());
        if ends.len() <= size {
            return Some(self.text.len());
        }
        let half = self.text.floor_char_boundary(ends[size.div_ceil(2) - 1]);
        let reach = self
            .text
            .floor_char_boundary(ends[size - 1])
            .min(self.text.len() - 1);
        let full = half.max(done + 1);
        self.strongest(begin, full, reach)
            .or_else(|| self.strongest(begin, done + 1, reach.min(full - 1)))
            .or_else(|| {
                (done + 1..=reach)
                    .rev()
                    .find(|at| self.text.is_char_boundary(*at) && self.size(begin, *at) <= size)
            })
    }

    fn next(&self, begin: usize, end: usize) -> usize {
        let overlap = self.chunker.overlap;
        if overlap == 0 || end == self.text.len() {
            return end;
        }
        let ends = self.ends(begin, end);
        let back = match ends.len().checked_sub(overlap) {
            None | Some(0) => begin,
            Some(before) => self.text.ceil_char_boundary(ends[before - 1]),
        };
        let fits = |at: &usize| self.size(*at, end) <= overlap;
        for least in [level::SENTENCE, level::WORD, level::GRAPHEME] {
            let mut places = self.places(back.max(begin + 1), end - 1);
            // Places that are too far from the end are passed over only within one strength.
            let found = places.find(|at| self.levels[*at] >= least && fits(at));
            if let Some(found) = found {
                return found;
            }
        }
        end
    }

    fn cut(&self) -> Option<Vec<Range<usize>>> {
        let mut chunks = Vec::new();
        let (mut begin, mut done) = (0, 0);
        while done < self.text.len() {
            match self.end(begin, done) {
                Some(end) => {
                    chunks.push(begin..end);
                    (begin, done) = (self.next(begin, end), end);
                }
                None if begin < done => begin = done,
                None => return None,
            }
        }
        Some(chunks)
    }
}

fn written() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "# ",
        "## ",
        "### ",
        "- ",
        "1. ",
        "  ",
        "    ",
        "\n",
        "\n\n",
        "\r\n",
        "```",
        "```\n",
        "~~~\n",
        "| a | b |\n",
        "|---|---|\n",
        "> ",
        "---\n",
        "===\n",
        "***\n",
        "the ",
        "and ",
        "then ",
        "words",
        "Dr. ",
        "e.g. ",
        ". ",
        ".",
        "! ",
        "? ",
        "\" ",
        "The ",
        "A ",
        "é",
        "e\u{301}",
        "🦀",
        "👩\u{200d}👩\u{200d}👦",
        "。",
        "这是",
        "\u{a0}",
        "\u{3000}",
        "ไทย",
        "`",
        "*",
        "x",
        "loooooong",
        "\t",
    ]);
    prop::collection::vec(parts, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn chunks_are_those_of_a_twin_that_looks_at_every_place(
        text in written(), size in 1_usize..60, overlap in 0_usize..30, markdown: bool, tokens: bool,
    ) {
        let measure = if tokens { Measure::Tokens(tokenizer()) } else { Measure::Characters };
        let chunker = Chunker::new(measure, size, overlap.min(size / 2), markdown).unwrap();
        let twin = Twin::new(&text, &chunker);
        let made = chunker.chunks(&text).ok();
        let made = made.map(|chunks| chunks.into_iter().map(|chunk| chunk.bytes).collect::<Vec<_>>());

        prop_assert_eq!(made, twin.cut());
    }

    #[test]
    fn chunks_are_within_the_size_and_are_the_text_put_together(
        text in prop_oneof![written(), "\\PC{0,200}"], size in 4_usize..40, tokens: bool,
    ) {
        let measure = if tokens { Measure::Tokens(tokenizer()) } else { Measure::Characters };
        let chunker = Chunker::new(measure.clone(), size, 0, true).unwrap();
        let chunks = chunker.chunks(&text).unwrap();

        let (mut bytes, mut characters) = (0, 0);
        for chunk in &chunks {
            prop_assert_eq!(chunk.bytes.start, bytes);
            prop_assert_eq!(chunk.characters.start, characters);
            prop_assert!(!chunk.bytes.is_empty());
            let part = &text[chunk.bytes.clone()];
            prop_assert_eq!(part.chars().count(), chunk.characters.len());
            prop_assert_eq!(measure.within(part, size).unwrap(), Some(chunk.size));
            (bytes, characters) = (chunk.bytes.end, chunk.characters.end);
        }
        prop_assert_eq!(bytes, text.len());
    }

    #[test]
    fn overlapping_chunks_cover_the_text_and_repeat_no_more_than_they_may(
        text in written(), size in 4_usize..40, overlap in 1_usize..20, tokens: bool,
    ) {
        let measure = if tokens { Measure::Tokens(tokenizer()) } else { Measure::Characters };
        let overlap = overlap.min(size / 2);
        let chunker = Chunker::new(measure.clone(), size, overlap, true).unwrap();
        let chunks = chunker.chunks(&text).unwrap();

        let mut end = 0;
        for chunk in &chunks {
            prop_assert!(chunk.bytes.start <= end && chunk.bytes.end > end);
            let repeated = &text[chunk.bytes.start..end];
            prop_assert!(measure.within(repeated, overlap).unwrap().is_some());
            prop_assert_eq!(text[..chunk.bytes.start].chars().count(), chunk.characters.start);
            end = chunk.bytes.end;
        }
        prop_assert_eq!(end, text.len());
    }
}
