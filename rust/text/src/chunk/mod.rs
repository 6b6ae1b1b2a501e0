//! A text cut into chunks for search: never over a size, and where the text itself parts.
//!
//! From the beginning of a chunk the size reaches to some place. The chunk ends at the strongest boundary of the second
//! half of that reach, and of equally strong ones at the last. A boundary is, from the strongest: a heading (the higher
//! the stronger), a block (paragraph, list, table, code), an item of a list, code below a blank line, a row or a line of
//! code, a sentence, a line of a paragraph, a word, a character as readers see it. Only where the second half has none
//! the first half is searched, and only then a character is taken apart into its code points.
//!
//! What is below a heading stays with it if it can, and rows with the head of their table; such places count as lines.
//! Blank space belongs to the chunk before it, so that chunks without overlap, put together, are the text.
//!
//! Whether a place is a boundary depends on the text around it and not on where chunks begin.

mod boundary;
mod level;
mod measure;
mod structure;

#[cfg(test)]
mod tests;

use std::ops::Range;

use self::boundary::{is_grapheme, is_sentence, is_word};
use self::level::Level;
pub use self::measure::Measure;
use self::measure::{Window, characters};
use self::structure::{Heading, Structure};
use crate::Error;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where it is, in bytes.
    pub bytes: Range<usize>,
    /// Where it is, in code points.
    pub characters: Range<usize>,
    /// Its size, as it was measured.
    pub size: usize,
    /// Where the titles of the headings are, in bytes, that it stands below, the highest first.
    pub headings: Vec<Range<usize>>,
}

/// Cuts texts.
#[derive(Clone, Debug)]
pub struct Chunker {
    measure: Measure,
    size: usize,
    overlap: usize,
    markdown: bool,
}

impl Chunker {
    /// Chunks of at most `size`, each of which repeats at most `overlap` of the one before it.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`]: a size of nothing, or an overlap of more than half of it.
    pub fn new(
        measure: Measure,
        size: usize,
        overlap: usize,
        markdown: bool,
    ) -> Result<Self, Error> {
        if size == 0 {
            return Err(Error::argument("size must be 1 or more"));
        }
        if overlap > size / 2 {
            let problem = format!(
                "overlap must be at most half of size, which is {}",
                size / 2
            );
            return Err(Error::argument(problem));
        }
        Ok(Self {
            measure,
            size,
            overlap,
            markdown,
        })
    }

    /// The most a chunk has.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The most of a chunk that the next one repeats.
    pub fn overlap(&self) -> usize {
        self.overlap
    }

    /// Whether headings, lists, tables and code of Markdown are seen.
    pub fn markdown(&self) -> bool {
        self.markdown
    }

    /// What is counted.
    pub fn measure(&self) -> &Measure {
        &self.measure
    }

    /// The chunks of `text`, in its order; none of an empty text.
    ///
    /// # Errors
    ///
    /// [`Error::Character`]: one code point alone is over the size. [`Error::Tokenizer`].
    pub fn chunks(&self, text: &str) -> Result<Vec<Chunk>, Error> {
        let structure = if self.markdown {
            Structure::markdown(text)
        } else {
            Structure::plain(text)
        };
        let mut cutter = Cutter {
            chunker: self,
            text,
            structure: &structure,
            path: Path::default(),
        };
        cutter.cut()
    }
}

/// The headings that a place stands below.
#[derive(Default)]
struct Path {
    /// How many headings have been passed.
    passed: usize,
    open: Vec<Heading>,
}

impl Path {
    /// Goes on to byte `at`, which is never before that of the last call.
    fn at(&mut self, headings: &[Heading], at: usize) -> Vec<Range<usize>> {
        while let Some(heading) = headings.get(self.passed).filter(|heading| heading.at <= at) {
            self.open.retain(|above| above.depth < heading.depth);
            self.open.push(*heading);
            self.passed += 1;
        }
        self.open
            .iter()
            .map(|heading| heading.title.0..heading.title.1)
            .collect()
    }
}

struct Cutter<'a> {
    chunker: &'a Chunker,
    text: &'a str,
    structure: &'a Structure,
    path: Path,
}

impl Cutter<'_> {
    fn cut(&mut self) -> Result<Vec<Chunk>, Error> {
        let mut chunks = Vec::new();
        let (mut begin, mut done) = (0, 0);
        // Code points before `begin`.
        let mut before = 0;
        while done < self.text.len() {
            let Some((end, size)) = self.end(begin, done)? else {
                // What is repeated leaves no room for anything new.
                before += characters(&self.text[begin..done]);
                begin = done;
                continue;
            };
            let chunk = &self.text[begin..end];
            let blank = chunk.len() - chunk.trim_start().len();
            let length = match self.chunker.measure {
                Measure::Characters => size,
                Measure::Tokens(_) => characters(chunk),
            };
            chunks.push(Chunk {
                bytes: begin..end,
                characters: before..before + length,
                size,
                headings: self.path.at(&self.structure.headings, begin + blank),
            });
            let next = self.next(begin, end)?;
            before += if next == end {
                length
            } else {
                characters(&self.text[begin..next])
            };
            (begin, done) = (next, end);
        }
        Ok(chunks)
    }

    /// Where the chunk from `begin` ends, behind `done`, and its size; nothing if it cannot, and `begin` is not `done`.
    fn end(&self, begin: usize, done: usize) -> Result<Option<(usize, usize)>, Error> {
        let Chunker { measure, size, .. } = self.chunker;
        let window = measure.window(self.text, begin, *size)?;
        let (half, full) = match window {
            Window::Part { half, reach } => (half, reach),
            Window::Rest => {
                let all = measure.within(&self.text[begin..], *size)?;
                return Ok(all.map(|size| (self.text.len(), size)));
            }
        };
        let mut reach = full.min(self.text.len() - 1);
        while let Some(end) = self.best_end(done, half, reach) {
            let place = (begin, end, full);
            if let Some(size) = measure.within_reach(self.text, place, *size)? {
                return Ok(Some((end, size)));
            }
            // Cut there, it has more tokens than it had as a part of the text.
            reach = end - 1;
        }
        if begin < done {
            return Ok(None);
        }
        Err(Error::Character {
            offset: begin,
            size: *size,
        })
    }

    /// The best end behind `done` and up to `reach`; one that leaves more than half of the size unused is the last resort
    /// but for taking characters apart.
    fn best_end(&self, done: usize, half: usize, reach: usize) -> Option<usize> {
        let full = half.max(done + 1);
        self.strongest(full, reach)
            .or_else(|| self.strongest(done + 1, reach.min(full - 1)))
            .or_else(|| Some(self.text.floor_char_boundary(reach)).filter(|end| *end > done))
    }

    /// The strongest boundary from `low` to `high`, and of equally strong ones the last.
    fn strongest(&self, low: usize, high: usize) -> Option<usize> {
        if low > high {
            return None;
        }
        let edges = &self.structure.edges;
        let from = edges.partition_point(|edge| edge.at < low);
        let edges = edges[from..].iter().take_while(|edge| edge.at <= high);
        let edge = edges.max_by_key(|edge| (edge.level, edge.at));
        if let Some(edge) = edge.filter(|edge| edge.level > level::SENTENCE) {
            return Some(edge.at);
        }
        let last = |is: fn(&str, usize) -> bool| (low..=high).rev().find(|at| is(self.text, *at));
        last(is_sentence)
            .or(edge.map(|edge| edge.at))
            .or_else(|| last(is_word))
            .or_else(|| last(is_grapheme))
    }

    /// Where the chunk behind the one from `begin` to `end` begins: at the first sentence, or else the first word, of
    /// what it may repeat.
    fn next(&self, begin: usize, end: usize) -> Result<usize, Error> {
        let Chunker {
            measure, overlap, ..
        } = self.chunker;
        if *overlap == 0 || end == self.text.len() {
            return Ok(end);
        }
        let back = begin + measure.back(&self.text[begin..end], *overlap)?;
        for least in [level::SENTENCE, level::LINE, level::GRAPHEME] {
            let mut low = back.max(begin + 1);
            while let Some(next) = self.first(least, low, end) {
                if measure.within(&self.text[next..end], *overlap)?.is_some() {
                    return Ok(next);
                }
                low = next + 1;
            }
        }
        Ok(end)
    }

    /// The first boundary from `low` and before `end` that is a sentence or stronger, a word or stronger, or any.
    fn first(&self, least: Level, low: usize, end: usize) -> Option<usize> {
        let edges = &self.structure.edges;
        let from = edges.partition_point(|edge| edge.at < low);
        let edges = edges[from..].iter().take_while(|edge| edge.at < end);
        let mut edges = edges.filter(|edge| edge.level >= least);
        let edge = edges.next().map(|edge| edge.at);
        let is = match least {
            level::SENTENCE => is_sentence,
            level::LINE => is_word,
            _ => is_grapheme,
        };
        let place = (low..edge.unwrap_or(end)).find(|at| is(self.text, *at));
        place.or(edge)
    }
}
