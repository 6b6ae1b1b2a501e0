//! A twin that scores every text for every query, and files that were tampered with.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn settings() -> Settings {
    Settings::new(1.2, 0.75, true).unwrap()
}

fn listed(text: &str, fold: bool) -> Vec<String> {
    let mut found = Vec::new();
    words(text, fold, |word| found.push(word.to_owned()));
    found
}

/// The formula, read off.
fn twin(
    texts: &BTreeMap<u64, String>,
    query: &str,
    k: usize,
    settings: Settings,
) -> Vec<(u64, f64)> {
    let texts: Vec<(u64, Vec<String>)> = texts
        .iter()
        .map(|(key, text)| (*key, listed(text, settings.fold)))
        .collect();
    let count = texts.len() as f64;
    let total: usize = texts.iter().map(|(_, words)| words.len()).sum();
    let average = total as f64 / count;
    let mut asked: Vec<(String, f64)> = Vec::new();
    for word in listed(query, settings.fold) {
        match asked.iter_mut().find(|(known, _)| *known == word) {
            Some((_, times)) => *times += 1.0,
            None => asked.push((word, 1.0)),
        }
    }
    let mut scores = Vec::new();
    for (key, words) in &texts {
        let mut score = 0.0;
        for (word, times) in &asked {
            let having = texts
                .iter()
                .filter(|(_, words)| words.contains(word))
                .count() as f64;
            let tf = words.iter().filter(|other| *other == word).count() as f64;
            if tf > 0.0 {
                let norm =
                    settings.k1 * (1.0 - settings.b + settings.b * words.len() as f64 / average);
                let weight = times * (1.0 + (count - having + 0.5) / (having + 0.5)).ln();
                score += weight * (tf * (settings.k1 + 1.0) / (tf + norm));
            }
        }
        if score > 0.0 {
            scores.push((*key, score));
        }
    }
    scores.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    scores.truncate(k);
    scores
}

#[test]
fn words_are_runs_of_letters_and_digits_without_case_and_accents() {
    let words = listed(
        "Don't PANIC: snake_case, café, E\u{301}tude, ﬁn Straße １２ 3.14",
        true,
    );

    assert_eq!(
        words,
        [
            "don", "t", "panic", "snake", "case", "cafe", "etude", "fin", "strasse", "12", "3",
            "14"
        ]
    );
}

#[test]
fn words_keep_their_case_and_accents_if_they_are_not_folded() {
    assert_eq!(
        listed("Café NASA e\u{301}", false),
        ["Café", "NASA", "e\u{301}"]
    );
}

#[test]
fn signs_of_scripts_without_blanks_are_words() {
    assert_eq!(listed("東京タワーへ", true), ["東", "京", "タワー", "へ"]);
}

#[test]
fn accents_that_change_a_letter_of_another_script_stay() {
    assert_eq!(listed("हिन्दी", true), ["हिन्दी"]);
}

#[test]
fn a_key_that_is_there_is_refused_and_nothing_is_added() {
    let index = Bm25::new(settings());
    index.add(&[1], &["a"]).unwrap();

    assert!(matches!(
        index.add(&[2, 1], &["b", "c"]),
        Err(Error::Argument { .. })
    ));
    assert!(matches!(
        index.add(&[3, 3], &["b", "c"]),
        Err(Error::Argument { .. })
    ));
    assert!(matches!(
        index.add(&[3, 4], &["b"]),
        Err(Error::Argument { .. })
    ));
    assert_eq!(index.len(), 1);
}

#[test]
fn settings_out_of_range_are_refused() {
    assert!(Settings::new(f64::NAN, 0.5, true).is_err());
    assert!(Settings::new(-1.0, 0.5, true).is_err());
    assert!(Settings::new(1.0, 1.5, true).is_err());
}

#[test]
fn lists_are_written_anew_when_most_of_their_texts_are_gone() {
    let index = Bm25::new(settings());
    for key in 0..3_000 {
        index
            .add(&[key], &[format!("word{} common", key % 7)])
            .unwrap();
    }
    let keys: Vec<u64> = (0..3_000).filter(|key| key % 100 != 0).collect();

    assert_eq!(index.delete(&keys), keys.len());

    let left: BTreeMap<u64, String> = (0..3_000)
        .step_by(100)
        .map(|key| (key, format!("word{} common", key % 7)))
        .collect();
    assert!(index.read().keys.len() < 1_500);
    assert_eq!(
        index.search("word3 common", 99),
        twin(&left, "word3 common", 99, settings())
    );
}

#[test]
fn a_file_in_a_folder_that_is_missing_is_an_error_of_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("file");

    assert!(matches!(
        Bm25::new(settings()).save(&path),
        Err(Error::Io { .. })
    ));
    assert!(matches!(Bm25::open(&path), Err(Error::Io { .. })));
}

#[derive(Clone, Debug)]
enum Step {
    Put(u64, String),
    Delete(u64),
    Reopen,
}

fn text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["a", "B", "c", "dd", "É", "e", "東京", "zebra", "."]);
    prop::collection::vec(word, 0..8).prop_map(|words| words.join(" "))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u64..12, text()).prop_map(|(key, text)| Step::Put(key, text)),
        2 => (0_u64..12).prop_map(Step::Delete),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn results_are_those_of_the_formula_after_any_changes(
        steps in prop::collection::vec(step(), 0..40), query in text(), k in 1_usize..14,
        k1 in 0.0_f64..3.0, b in 0.0_f64..=1.0, fold: bool,
    ) {
        let settings = Settings::new(k1, b, fold).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let mut index = Bm25::new(settings);
        let mut texts = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(key, text) => {
                    index.upsert(&[key], &[&text]).unwrap();
                    texts.insert(key, text);
                }
                Step::Delete(key) => {
                    let found = index.delete(&[key]);
                    prop_assert_eq!(found, usize::from(texts.remove(&key).is_some()));
                }
                Step::Reopen => {
                    index.save(&path).unwrap();
                    index = Bm25::open(&path).unwrap();
                }
            }
            prop_assert_eq!(index.len(), texts.len());
            prop_assert_eq!(index.search(&query, k), twin(&texts, &query, k, settings));
        }
    }

    #[test]
    fn a_file_with_any_byte_changed_or_cut_is_refused_by_name(place in any::<prop::sample::Index>(), by in 1_u8..) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let index = Bm25::new(settings());
        index.add(&[7, 9], &["the cat sat", "the dog"]).unwrap();
        index.save(&path).unwrap();
        let sound = std::fs::read(&path).unwrap();

        let mut changed = sound.clone();
        let at = place.index(sound.len());
        changed[at] ^= by;
        std::fs::write(&path, &changed).unwrap();
        let refused = Bm25::open(&path);
        let by_name = matches!(refused, Err(Error::Index { path: named, .. }) if named == path);
        prop_assert!(by_name);
        std::fs::write(&path, &sound[..at]).unwrap();
        let refused = matches!(Bm25::open(&path), Err(Error::Index { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn any_bytes_with_a_right_checksum_are_read_or_refused(rest in prop::collection::vec(any::<u8>(), 0..120)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let mut file = b"IRBM25\x00\x01".to_vec();
        file.extend(1.2_f64.to_le_bytes());
        file.extend(0.75_f64.to_le_bytes());
        file.push(1);
        file.extend(rest);
        file.extend(crc32fast::hash(&file).to_le_bytes());
        std::fs::write(&path, &file).unwrap();

        if let Ok(index) = Bm25::open(&path) {
            index.search("anything", 3);
        }
    }

    #[test]
    fn words_of_any_text_are_found_in_it(text in "\\PC{0,60}") {
        for fold in [false, true] {
            for word in listed(&text, fold) {
                prop_assert!(!word.is_empty());
                // Folded once more, a word stays what it is; a Lao ligature has become two words by then.
                prop_assert_eq!(listed(&word, fold).concat(), word);
            }
        }
    }
}
