//! Tool calls: which one a fragment continues.

use crate::Error;
use crate::output::{Output, remember};

/// What is remembered of a tool call; its place in the list is its block.
#[derive(Debug, Default)]
pub(super) struct Tool {
    pub(super) position: Option<i64>,
    /// Empty where the provider gave none so far.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) announced: bool,
    /// The fragment before this one came in the same event.
    pub(super) fresh: bool,
}

/// The place of the call a fragment belongs to; a new one where it continues none.
pub(super) fn place_of(
    tools: &mut Vec<Tool>,
    position: Option<i64>,
    id: &str,
    name: &str,
) -> Result<usize, Error> {
    let candidate = if position.is_some() {
        tools.iter().rposition(|tool| tool.position == position)
    } else if !id.is_empty() {
        tools.iter().rposition(|tool| tool.id == id)
    } else if name.is_empty() {
        tools.len().checked_sub(1)
    } else {
        None
    };
    let continued = candidate.filter(|&at| tools[at].continues_with(id, name));
    continued.map_or_else(
        || {
            let tool = Tool {
                position,
                fresh: true,
                ..Tool::default()
            };
            remember(tools, tool)
        },
        Ok,
    )
}

impl Tool {
    /// Whether a fragment with that id and name can belong to this call. The position alone decides nothing:
    /// some servers give every call position 0 and the id `"null"`.
    fn continues_with(&self, id: &str, name: &str) -> bool {
        if !id.is_empty() && !self.id.is_empty() {
            return self.id == id;
        }
        name.is_empty() || self.name.is_empty() || (self.name == name && !self.fresh)
    }

    pub(super) fn announce(
        &mut self,
        index: u32,
        block: u32,
        num_made_up_ids: &mut usize,
        output: &mut Output<'_, '_>,
    ) {
        self.announced = true;
        let name = Some(self.name.as_str()).filter(|name| !name.is_empty());
        if self.id.is_empty() {
            let made_up = format!("call_{num_made_up_ids}");
            *num_made_up_ids += 1;
            output.tool_start(index, block, &made_up, name);
        } else {
            output.tool_start(index, block, &self.id, name);
        }
    }
}
