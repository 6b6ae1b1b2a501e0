//! The slow twin: looks at the whole text again for every question, with indexes in both directions and no state.

use super::super::abbreviations::{Word, leads_ordinal, look_up};
use super::super::characters::{
    goes_on, is_blank, is_closing, is_emphasis, is_marker, is_newline, is_stop, is_strong, is_thai,
    is_unspaced,
};

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Prose,
    Inline,
    Fence,
    Block,
}

enum Step {
    /// A sentence ends before the first index; the next begins at the second.
    End(usize, usize),
    /// Nothing ends up to the index.
    No(usize),
    /// More text is needed.
    Open,
}

/// Byte offsets behind the sentences of `text` that are known to have ended, however it goes on.
pub(super) fn ends(text: &str) -> Vec<usize> {
    let chars: Vec<char> = text.chars().collect();
    let modes = modes(&chars);
    let offset = |index: usize| chars[..index].iter().map(|c| c.len_utf8()).sum();
    let (mut found, mut start, mut at) = (Vec::new(), 0, 0);
    while at < chars.len() {
        match step(&chars, &modes, start, at) {
            Step::End(end, next) => {
                found.push(offset(end));
                (start, at) = (next, next);
            }
            Step::No(next) => at = next,
            Step::Open => break,
        }
    }
    found
}

fn run_length(chars: &[char], at: usize) -> usize {
    chars[at..].iter().take_while(|c| **c == chars[at]).count()
}

/// What each character is part of.
fn modes(chars: &[char]) -> Vec<Mode> {
    let mut modes = vec![Mode::Prose; chars.len()];
    let mut fence: Option<(char, usize)> = None;
    let mut begin = 0;
    while begin < chars.len() {
        let end = (begin..chars.len())
            .find(|&at| is_newline(chars[at]))
            .unwrap_or(chars.len());
        let first = (begin..end).find(|&at| !is_blank(chars[at])).unwrap_or(end);
        let run = if first < end {
            run_length(chars, first)
        } else {
            0
        };
        let mark = chars.get(first).copied().unwrap_or('\n');
        let line_end = (end + 1).min(chars.len());
        match fence {
            Some((opened, least)) if mark == opened && run >= least => {
                modes[begin..first + run].fill(Mode::Fence);
                inline(chars, &mut modes, first + run, end);
                fence = None;
            }
            Some(_) => modes[begin..line_end].fill(Mode::Block),
            None if run >= 3
                && (mark == '~' || (mark == '`' && !chars[first + run..end].contains(&'`'))) =>
            {
                modes[begin..line_end].fill(Mode::Fence);
                fence = Some((mark, run));
            }
            None => {
                // A run of tildes that is no fence is not looked at as emphasis either.
                inline(chars, &mut modes, begin, end);
            }
        }
        begin = line_end;
    }
    modes
}

fn inline(chars: &[char], modes: &mut [Mode], begin: usize, end: usize) {
    let mut at = begin;
    while at < end {
        if chars[at] != '`' {
            at += 1;
            continue;
        }
        let run = run_length(chars, at);
        let mut close = at + run;
        while close < end && !(chars[close] == '`' && run_length(chars, close) == run) {
            close += if chars[close] == '`' {
                run_length(chars, close)
            } else {
                1
            };
        }
        let after = (close + run).min(end);
        modes[at..after].fill(Mode::Inline);
        at = after;
    }
}

fn step(chars: &[char], modes: &[Mode], start: usize, at: usize) -> Step {
    let c = chars[at];
    if is_newline(c) {
        return line(chars, modes, start, at);
    }
    if modes[at] != Mode::Prose {
        return Step::No(at + 1);
    }
    let thai = || {
        (start..at)
            .filter(|&i| modes[i] == Mode::Prose && is_thai(chars[i]) && chars[i].is_alphanumeric())
            .count()
    };
    if is_blank(c) && at > 0 && is_thai(chars[at - 1]) && thai() >= 20 {
        return match (at..chars.len()).find(|&i| !is_blank(chars[i])) {
            None => Step::Open,
            Some(next) if is_thai(chars[next]) => Step::End(at, next),
            Some(next) => Step::No(next),
        };
    }
    let before = if at == 0 { '\n' } else { chars[at - 1] };
    if !has_content(chars, modes, start, at) || !(is_strong(c) || is_stop(c, before)) {
        return Step::No(at + 1);
    }
    let word = if c == '.' {
        word_before(chars, start, at)
    } else {
        Word::Plain
    };
    if word == Word::Abbreviation {
        return Step::No(at + 1);
    }
    let quotes = (start..at)
        .rev()
        .filter(|&i| modes[i] == Mode::Prose && matches!(chars[i], '«' | '»'));
    let opened = quotes.map(|i| chars[i] == '«').next() == Some(true);
    after_stop(chars, at, word, opened)
}

fn after_stop(chars: &[char], at: usize, word: Word, opened: bool) -> Step {
    let belongs = |c: char| is_closing(c) || is_emphasis(c) || is_strong(c) || is_stop(c, ' ');
    let behind = |from: usize| {
        (from..chars.len())
            .find(|&i| !belongs(chars[i]))
            .unwrap_or(chars.len())
    };
    let mut end = behind(at + 1);
    let blanks = chars[end..].iter().take_while(|c| is_blank(**c)).count();
    let is_strong_end = chars[at..end].iter().any(|c| is_strong(*c));
    if opened && !is_strong_end && blanks > 0 && chars.get(end + blanks) == Some(&'»') {
        end = behind(end + blanks);
    }
    if end == chars.len() {
        return Step::Open;
    }
    let quoted = chars[at + 1..end].iter().any(|c| is_closing(*c));
    let next = chars[end];
    if chars[at..end].iter().any(|c| is_strong(*c)) {
        let said = quoted && next.is_alphanumeric();
        return if said {
            Step::No(end)
        } else {
            Step::End(end, end)
        };
    }
    let mark = !matches!(chars[at], '.' | '…' | '．');
    if mark && !quoted && is_unspaced(next) {
        return Step::End(end, end);
    }
    if !is_blank(next) && !is_newline(next) {
        return Step::No(end);
    }
    let Some(next) = (end..chars.len()).find(|&i| !is_blank(chars[i])) else {
        return Step::Open;
    };
    if is_newline(chars[next]) {
        return below(chars, end, next, false);
    }
    if goes_on(chars[next]) || (word == Word::Numbered && chars[next].is_numeric()) {
        return Step::No(next);
    }
    Step::End(end, next)
}

/// The end of a line at `at`, for a sentence that would end before `end`.
fn below(chars: &[char], end: usize, at: usize, heading: bool) -> Step {
    match (at + 1..chars.len()).find(|&i| !is_blank(chars[i])) {
        None => Step::Open,
        Some(next) if chars[next].is_lowercase() && !heading => Step::No(next),
        Some(next) => Step::End(end, next),
    }
}

fn line(chars: &[char], modes: &[Mode], start: usize, at: usize) -> Step {
    let visible = (0..at)
        .rev()
        .find(|&i| !chars[i].is_whitespace())
        .map_or(0, |i| i + 1);
    let begin = line_begin(chars, at);
    if modes[at] == Mode::Block {
        let code = (start..at).any(|i| modes[i] == Mode::Block && is_code(chars, i));
        return if code {
            Step::End(visible, at + 1)
        } else {
            Step::No(at + 1)
        };
    }
    if modes[at] == Mode::Fence || !has_content(chars, modes, start, at) {
        return Step::No(at + 1);
    }
    let heading = (begin..at)
        .take_while(|&i| is_marker(chars[i]))
        .any(|i| chars[i] == '#');
    below(chars, visible, at, heading)
}

/// Whether a character of a block is code: no blank, no backtick and no tilde that its line begins with.
fn is_code(chars: &[char], at: usize) -> bool {
    let begun = (line_begin(chars, at)..at).skip_while(|&i| is_blank(chars[i]));
    let begins_line = begun.clone().all(|i| chars[i] == '~');
    !chars[at].is_whitespace() && chars[at] != '`' && !(chars[at] == '~' && begins_line)
}

fn line_begin(chars: &[char], at: usize) -> usize {
    (0..at)
        .rev()
        .find(|&i| is_newline(chars[i]))
        .map_or(0, |i| i + 1)
}

fn has_content(chars: &[char], modes: &[Mode], start: usize, at: usize) -> bool {
    (start..at)
        .any(|i| matches!(modes[i], Mode::Prose | Mode::Inline) && chars[i].is_alphanumeric())
}

fn word_before(chars: &[char], start: usize, at: usize) -> Word {
    let in_word = |i: &usize| chars[*i].is_alphanumeric() || chars[*i] == '.';
    let begin = |at: usize, from: usize| at - (from..at).rev().take_while(in_word).count();
    let first = begin(at, 0);
    let word: String = chars[first..at].iter().collect();
    if word.is_empty() || word.len() > 24 || word.ends_with('.') {
        return Word::Plain;
    }
    let begins_line = chars[line_begin(chars, at)..first]
        .iter()
        .all(|c| is_marker(*c));
    if word.chars().all(|c| c.is_ascii_digit()) {
        let gap = (start..first)
            .rev()
            .take_while(|&i| is_blank(chars[i]))
            .count();
        let lead: String = chars[begin(first - gap, start)..first - gap]
            .iter()
            .collect();
        let led = gap > 0 && leads_ordinal(&lead.to_lowercase());
        let number = (begins_line && word.len() <= 3) || (led && word.len() <= 4);
        return if number {
            Word::Abbreviation
        } else {
            Word::Plain
        };
    }
    if begins_line && word.chars().all(|c| "IVXLC".contains(c)) {
        return Word::Abbreviation;
    }
    let most = if word.contains('.') { 2 } else { 1 };
    let letter =
        |c: char| c.is_alphabetic() && !is_unspaced(c) && !('\u{ac00}'..='\u{d7a3}').contains(&c);
    if word
        .split('.')
        .all(|part| part.chars().count() <= most && part.chars().all(letter))
    {
        return Word::Abbreviation;
    }
    look_up(&word, &word.to_lowercase())
}
