//! Why a model cannot be read.

/// Why the bytes are no model of tasks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is of another format, cut short, or says what cannot be.
    #[error("no model of tasks: {problem}")]
    Format {
        /// What is wrong.
        problem: String,
        /// Where, in bytes from its beginning.
        offset: u64,
    },
    /// It was changed after it was written.
    #[error(
        "the model of tasks is damaged: its checksum is {found:08x}, it was written with {written:08x}"
    )]
    Damaged {
        /// Of what is there.
        found: u32,
        /// What it says.
        written: u32,
    },
}

impl Error {
    pub(crate) fn format(problem: impl Into<String>, offset: usize) -> Self {
        Self::Format {
            problem: problem.into(),
            offset: offset as u64,
        }
    }
}
