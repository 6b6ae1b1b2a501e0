//! The OpenAI Responses grammar.

use crate::support::{self, Outcome, body};
use inferail_wire::Provider;

const CREATED: &str = r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1764150000.5,"status":"in_progress","model":"gpt-5","output":[],"usage":null,"error":null}}"#;
const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"resp_1","status":"completed","model":"gpt-5","output":[],"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":15}}}"#;
const USAGE: &str = "usage 0.0 in=10 out=5 read=4 write=2 reasoning=3";

fn decode(events: &[&str]) -> Outcome {
    support::decode(Provider::OpenAiResponses, &body(events))
}

/// What those events give between the beginning and the end of a response.
fn between(events: &[&str]) -> Vec<String> {
    let outcome = decode(&[&[CREATED], events, &[COMPLETED]].concat());
    assert_eq!(outcome.missing, None);
    let mut deltas = outcome.deltas;
    assert_eq!(deltas.remove(0), "start 0.0 id=resp_1 name=gpt-5");
    assert!(deltas.pop().is_some_and(|last| last.starts_with("finish")));
    assert_eq!(deltas.pop().as_deref(), Some(USAGE));
    deltas
}

#[test]
fn plain_answer_is_complete_with_its_terminal_event() {
    let outcome = decode(&[
        CREATED,
        r#"{"type":"response.in_progress","response":{"id":"resp_1","status":"in_progress"}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","content":[],"role":"assistant"}}"#,
        r#"{"type":"response.content_part.added","item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","annotations":[],"text":""}}"#,
        r#"{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hel","logprobs":[],"obfuscation":"a1"}"#,
        r#"{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"lo","logprobs":[]}"#,
        r#"{"type":"response.output_text.done","item_id":"msg_1","output_index":0,"content_index":0,"text":"Hello"}"#,
        r#"{"type":"response.content_part.done","output_index":0,"content_index":0,"part":{"type":"output_text","text":"Hello"}}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"msg_1","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"text":"Hello"}],"role":"assistant"}}"#,
        COMPLETED,
    ]);

    assert_eq!(
        outcome.deltas,
        [
            "start 0.0 id=resp_1 name=gpt-5",
            "text 0.0 Hel",
            "text 0.0 lo",
            USAGE,
            "finish 0.0 stop raw=completed",
        ]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn type_is_taken_from_the_frame_where_the_data_has_none() {
    let text = concat!(
        "event: response.output_text.delta\ndata: {\"delta\":\"a\"}\n\n",
        "event: response.completed\ndata: {\"response\":{\"status\":\"completed\"}}\n\n",
    );

    let outcome = support::decode(Provider::OpenAiResponses, text);

    assert_eq!(
        outcome.deltas,
        ["start 0.0", "text 0.0 a", "finish 0.0 stop raw=completed"]
    );
    assert_eq!(outcome.missing, None);
}

#[test]
fn calls_interleave_and_end_with_their_items() {
    let outcome = decode(&[
        CREATED,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"fc_1","call_id":"call_a","name":"f","arguments":""}}"#,
        r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"custom_tool_call","id":"ctc_1","call_id":"call_b","name":"g","input":""}}"#,
        r#"{"type":"response.function_call_arguments.delta","item_id":"other","output_index":0,"delta":"{\"a\":"}"#,
        r#"{"type":"response.custom_tool_call_input.delta","item_id":"ctc_1","output_index":1,"delta":"SELECT"}"#,
        r#"{"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":0,"delta":"1}"}"#,
        r#"{"type":"response.function_call_arguments.done","item_id":"fc_1","output_index":0,"arguments":"{\"a\":1}"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","id":"fc_1","call_id":"call_a","name":"f","arguments":"{\"a\":1}"}}"#,
        r#"{"type":"response.custom_tool_call_input.done","output_index":1,"input":"SELECT"}"#,
        COMPLETED,
    ]);

    assert_eq!(
        outcome.deltas[1..],
        [
            "tool_start 0.0 id=call_a name=f",
            "tool_start 0.1 id=call_b name=g",
            r#"tool_args 0.0 {"a":"#,
            "tool_args 0.1 SELECT",
            "tool_args 0.0 1}",
            "tool_end 0.0",
            "tool_end 0.1",
            USAGE,
            "finish 0.0 tool_calls raw=completed",
        ]
    );
}

#[test]
fn what_came_whole_is_written_once() {
    assert_eq!(
        between(&[
            r#"{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"whole"}"#,
            r#"{"type":"response.refusal.done","output_index":0,"content_index":1,"refusal":"no"}"#,
            r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"whole"},{"type":"refusal","refusal":"no"},{"type":"output_text","text":"late","annotations":[{"type":"url_citation"}]}]}}"#,
            r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","call_id":"c","name":"f"}}"#,
            r#"{"type":"response.function_call_arguments.done","output_index":1,"arguments":"{}"}"#,
            r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}"#,
            r#"{"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","name":"g","arguments":"{\"x\":2}"}}"#,
            r#"{"type":"response.function_call_arguments.delta","output_index":2,"delta":"late"}"#,
        ]),
        [
            "text 0.0 whole",
            "refusal 0.1 no",
            "text 0.2 late",
            r#"citation 0.2 {"type":"url_citation"}"#,
            "tool_start 0.3 id=c name=f",
            "tool_args 0.3 {}",
            "tool_end 0.3",
            "tool_start 0.4 id=call_0 name=g",
            r#"tool_args 0.4 {"x":2}"#,
            "tool_end 0.4",
        ]
    );
}

#[test]
fn items_that_only_the_terminal_event_has_are_written() {
    let outcome = decode(&[
        r#"{"type":"response.output_text.delta","output_index":0,"delta":"seen"}"#,
        r#"{"type":"response.completed","response":{"output":[{"type":"message","content":[{"type":"output_text","text":"seen"}]},{"type":"web_search_call"},{"type":"message","content":[{"type":"output_text","text":"unseen"}]}]}}"#,
    ]);

    assert_eq!(
        outcome.deltas,
        [
            "start 0.0",
            "text 0.0 seen",
            "text 0.1 unseen",
            "finish 0.0 stop raw=completed",
        ]
    );
}

#[test]
fn reasoning_is_one_block_of_paragraphs_with_a_seal() {
    assert_eq!(
        between(&[
            r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}}"#,
            r#"{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}"#,
            r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"One"}"#,
            r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"."}"#,
            r#"{"type":"response.reasoning_summary_text.done","output_index":0,"summary_index":0,"text":"One."}"#,
            r#"{"type":"response.reasoning_summary_text.done","output_index":0,"summary_index":1,"text":"Two."}"#,
            r#"{"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"delta":"Raw."}"#,
            r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"One."},{"type":"summary_text","text":"Two."}],"content":[{"type":"reasoning_text","text":"Raw."}],"encrypted_content":"gAAAA\/="}}"#,
            r#"{"type":"response.output_text.delta","output_index":1,"delta":"a"}"#,
            r#"{"type":"response.output_item.done","output_index":2,"item":{"id":"rs_2","type":"reasoning","summary":[]}}"#,
        ]),
        [
            "reasoning 0.0 One",
            "reasoning 0.0 .",
            "reasoning 0.0 \n\n",
            "reasoning 0.0 Two.",
            "reasoning 0.0 \n\n",
            "reasoning 0.0 Raw.",
            r#"reasoning_signature 0.0 {"id":"rs_1","encrypted_content":"gAAAA\/="}"#,
            "text 0.1 a",
            r#"reasoning_signature 0.2 {"id":"rs_2"}"#,
        ]
    );
}

#[test]
fn annotations_are_citations_of_their_text() {
    assert_eq!(
        between(&[
            r#"{"type":"response.web_search_call.searching","output_index":0,"item_id":"ws_1"}"#,
            r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"web_search_call","id":"ws_1"}}"#,
            r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"a"}"#,
            r#"{"type":"response.output_text.annotation.added","output_index":1,"content_index":0,"annotation_index":0,"annotation":{"type":"url_citation","url":"https://example.com"}}"#,
            r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text","text":"a","annotations":[{"type":"url_citation","url":"https://example.com"}]}]}}"#,
        ]),
        [
            "text 0.0 a",
            r#"citation 0.0 {"type":"url_citation","url":"https://example.com"}"#,
        ]
    );
}

#[test]
fn refusal_is_kept_apart_from_text() {
    assert_eq!(
        between(&[
            r#"{"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"I can"}"#,
            r#"{"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"not."}"#,
        ]),
        ["refusal 0.0 I can", "refusal 0.0 not."]
    );
}

#[test]
fn ends_are_normalised_and_never_invented() {
    for (event, expected) in [
        (
            r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}"#,
            "finish 0.0 length raw=max_output_tokens",
        ),
        (
            r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"}}}"#,
            "finish 0.0 content_filter raw=content_filter",
        ),
        (
            r#"{"type":"response.completed","response":{"status":"incomplete","incomplete_details":{"reason":"steered"}}}"#,
            "finish 0.0 pause raw=steered",
        ),
        (
            r#"{"type":"response.incomplete","response":{}}"#,
            "finish 0.0 unknown raw=incomplete",
        ),
        (
            r#"{"type":"response.completed","response":{"status":"queued"}}"#,
            "finish 0.0 stop raw=completed",
        ),
    ] {
        let outcome = decode(&[event]);

        assert_eq!(outcome.deltas, ["start 0.0", expected]);
        assert_eq!(outcome.missing, None);
    }
}

#[test]
fn failures_are_errors() {
    for (event, expected) in [
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"}}}"#,
            "error 0.0 m name=rate_limit_exceeded status=429",
        ),
        (
            r#"{"type":"response.completed","response":{"status":"failed","error":null}}"#,
            "error 0.0 name=error",
        ),
        (
            r#"{"type":"error","code":"server_error","message":"m","param":null,"sequence_number":3}"#,
            "error 0.0 m name=server_error status=500",
        ),
        (
            r#"{"type":"error","code":null,"message":"m"}"#,
            "error 0.0 m name=error",
        ),
        (
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"m"}}"#,
            "error 0.0 m name=invalid_request_error status=400",
        ),
        (r#"{"error":{"message":"m"}}"#, "error 0.0 m name=error"),
    ] {
        let outcome = decode(&[CREATED, event]);

        assert_eq!(outcome.deltas[1..], [expected]);
        assert_eq!(outcome.missing, Some("ended by an error event"));
    }
}

#[test]
fn stream_without_its_terminal_event_is_incomplete() {
    let delta = r#"{"type":"response.output_text.delta","output_index":0,"delta":"a"}"#;
    for events in [
        &[][..],
        &[CREATED],
        &[CREATED, delta],
        &[CREATED, delta, "[DONE]"],
    ] {
        assert_eq!(
            decode(events).missing,
            Some("ended before its terminal event")
        );
    }
}

#[test]
fn what_follows_the_terminal_event_is_ignored() {
    let outcome = decode(&[COMPLETED, "[DONE]", "{broken", CREATED]);

    assert_eq!(outcome.deltas.len(), 3);
    assert_eq!(outcome.missing, None);
}

#[test]
fn half_pairs_wait_for_their_other_half() {
    assert_eq!(
        between(&[
            r#"{"type":"response.output_text.delta","output_index":0,"delta":"a\ud83d"}"#,
            r#"{"type":"response.output_text.delta","output_index":0,"delta":"\ude00"}"#,
            r#"{"type":"response.output_text.delta","output_index":0,"delta":"\ud83d"}"#,
            r#"{"type":"response.output_text.done","output_index":0,"text":"a"}"#,
        ]),
        ["text 0.0 a", "text 0.0 😀", "text 0.0 \u{fffd}"]
    );
}

#[test]
fn unknown_events_and_odd_members_do_no_harm() {
    assert_eq!(
        between(&[
            "5",
            "{}",
            r#"{"type":"response.new_event","delta":"x","item":{},"response":{"output":[{}]}}"#,
            r#"{"type":7,"delta":null}"#,
            r#"{"type":"keepalive","sequence_number":4}"#,
            r#"{"type":"response.output_text.delta","output_index":null,"delta":null}"#,
            r#"{"type":"response.output_text.delta","output_index":-1,"content_index":"x","delta":["a"]}"#,
            r#"{"type":"response.function_call_arguments.delta","output_index":9,"delta":"lost"}"#,
            r#"{"type":"response.output_item.done","item":[],"output_index":1}"#,
            r#"{"type":"response.output_item.done","item":{"type":"message","content":[null,5,{}]},"output_index":1}"#,
            r#"{"type":"response.output_item.done","item":{"type":"reasoning","summary":{},"content":"x"},"output_index":1}"#,
            r#"{"type":"response.audio.delta","delta":"AAAA"}"#,
            r#"{"type":"response.image_generation_call.partial_image","partial_image_b64":"AAAA"}"#,
        ]),
        [""; 0]
    );
}

#[test]
fn parts_beyond_the_bound_are_refused() {
    let events: Vec<String> = (0..=1024)
        .map(|number| {
            format!(
                r#"{{"type":"response.output_text.delta","output_index":{number},"delta":"a"}}"#
            )
        })
        .collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();

    let (outcome, fewer) = (decode(&events), decode(&events[..1024]));

    assert_eq!(outcome.missing, Some("stopped at a malformed event"));
    assert_eq!(outcome.deltas.len(), 1026);
    assert_eq!(fewer.deltas.len(), 1025);
    assert_eq!(fewer.missing, Some("ended before its terminal event"));
}

#[test]
fn tools_that_the_provider_runs_say_nothing() {
    let types = [
        "content_part.added",
        "content_part.done",
        "reasoning_summary_part.added",
        "reasoning_summary_part.done",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "file_search_call.in_progress",
        "file_search_call.searching",
        "file_search_call.completed",
        "code_interpreter_call.in_progress",
        "code_interpreter_call.interpreting",
        "code_interpreter_call.completed",
        "code_interpreter_call_code.delta",
        "code_interpreter_call_code.done",
        "image_generation_call.in_progress",
        "image_generation_call.generating",
        "image_generation_call.partial_image",
        "image_generation_call.completed",
        "mcp_call.in_progress",
        "mcp_call.completed",
        "mcp_call.failed",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "shell_call_command.added",
        "shell_call_command.delta",
        "shell_call_command.done",
        "shell_call_output_content.delta",
        "shell_call_output_content.done",
        "compaction.compacting",
        "audio.delta",
        "audio.done",
        "audio.transcript.delta",
        "audio.transcript.done",
    ];
    let events = types.map(|kind| {
        format!(
            r#"{{"type":"response.{kind}","output_index":0,"content_index":0,"delta":"d","text":"t","arguments":"{{}}","part":{{"type":"output_text","text":""}}}}"#
        )
    });

    assert_eq!(between(&events.each_ref().map(String::as_str)), [""; 0]);
}
