//! What happens to the tokens of a text, or of a pair of texts, before a model reads them: truncation, special tokens around
//! them, padding.

mod encoding;
mod template;
mod trim;
mod truncate;

pub use encoding::Encoding;
pub use template::{PostProcessorDefinition, TemplatePiece};
pub(crate) use trim::{Spaces, trim};
pub use truncate::{Direction, PadTo, Padding, Strategy, Truncation};
