"""Prompts as code: a folder of files with typed variables and versions, looked at, rendered, and laid out for a cache."""

from pathlib import Path
from tempfile import TemporaryDirectory

import inferail as ir
from inferail.pipelines.prompts import diff, lint, token_report
from inferail.testing import recipes

EXPLAIN = """\
---
{"version": "1.0.0", "config": {"temperature": 0.2},
 "input": {"schema": {"topic": "string, what to explain", "audience?": "string"}}}
---
{{role "system"}}
{{>tone}}
{{history}}
{{role "user"}}
Explain {{topic}}{{#if audience}} to {{audience}}{{/if}}.
"""


def main(model: ir.Model) -> None:
    """Loads a folder, checks it, asks with it, and says what the provider's cache will have of the next question."""
    with TemporaryDirectory() as folder:
        Path(folder, "explain.prompt").write_text(EXPLAIN, encoding="utf-8")
        Path(folder, "_tone.prompt").write_text("Answer in plain words.", encoding="utf-8")
        prompts = ir.PromptLibrary(folder)

    explain = prompts["explain"]
    print(explain.version, [str(finding) for finding in lint(explain)])
    print(token_report(explain, "openai:gpt-5-mini", variables={"topic": "a Scope"}))
    print(diff(explain, ir.PromptTemplate(EXPLAIN.replace("0.2", "0.4"), partials={"tone": "Answer in rhymes."})))

    cached = ir.Prefixed(model)  # tools and system text first and always the same bytes, breakpoints where they end
    with ir.Client(cached) as client:
        prompt = explain.render(topic="a Scope", audience="a newcomer")
        reply = client.complete(prompt.messages, **prompt.options)
        print(reply.text)
        for record in client.records:
            print(record.labels["prompt"], record.prompt_version, record.usage.input_tokens)
        follow = explain.render(topic="a Record", history=[*prompt.messages[1:], reply.message])
        print(cached.forecast(ir.Request(follow.messages)))


if __name__ == "__main__":
    recipes.run(main)
