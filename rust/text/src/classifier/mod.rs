//! What a prompt is about and how hard it is: a linear model on hashed pieces of its text.
//!
//! ```
//! use inferail_text::classifier::features;
//!
//! assert_eq!(features("Say hi", 14), features("say  HI", 14)); // neither case nor blanks count
//! assert!(features("Translate this into French.", 14).len() > 60);
//! ```

mod features;
mod model;

pub use features::{MAX_BITS, features};
pub use model::{MAGIC, Task, TaskModel};
