"""Messages as JSON: any message comes back equal, with what equality does not look at."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

import inferail as ir
from inferail.pipelines.conversation.encoding import messages_from_json, messages_to_json

TEXT = st.text(st.characters(codec=None))  # halves of surrogate pairs too, which a model's arguments may hold
MAYBE = st.none() | TEXT
BYTES = st.binary(max_size=40)
TYPES = st.sampled_from(["image/png", "text/plain", "application/pdf", ""])

PARTS = st.one_of(
    st.builds(ir.Text, TEXT, MAYBE),
    st.builds(ir.Image, data=BYTES, media_type=TYPES, detail=st.sampled_from([None, "low"])),
    st.builds(ir.Image, url=TEXT.map(lambda text: f"https://{text}")),
    st.builds(ir.Audio, BYTES, TYPES),
    st.builds(ir.File, data=BYTES, media_type=TYPES, name=MAYBE),
    st.builds(ir.File, file_id=TEXT),
    st.builds(ir.ToolCall, TEXT, TEXT, TEXT, MAYBE),
    st.builds(ir.ToolResult, TEXT, TEXT, MAYBE, st.booleans()),
    st.builds(ir.Reasoning, TEXT, MAYBE, MAYBE),
    st.builds(ir.Refusal, TEXT),
)
MESSAGES = st.builds(
    ir.Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.lists(PARTS, max_size=4).map(tuple),
    MAYBE,
    st.sampled_from([False, True, "5m", "1h"]),
)


@given(st.lists(MESSAGES, max_size=4))
def test_messages_come_back_from_json_as_they_were(messages):
    """Serves R124."""
    text = messages_to_json(messages)

    again = messages_from_json(text)

    assert text.isascii()
    assert list(again) == messages
    assert [(message.provider, message.cache) for message in again] == [(m.provider, m.cache) for m in messages]
    assert messages_to_json(again) == text
