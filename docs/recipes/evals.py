"""An evaluation: cases, two scorers (one of them the model as judge), and the same model asked in two ways, compared."""

import inferail as ir
from inferail.evals import Case, Contains, Judge, Weighted, compare, markdown, run_eval
from inferail.testing import recipes

CASES = [
    Case("What is a Scope?", "deadline", tags=["nouns"]),
    Case("What is a Target?", "codec", tags=["nouns"]),
    Case("What does a Fallback do?", "next", tags=["routing"]),
    Case("What is a Record?", "attempt", tags=["cost"]),
    Case("What does Retry-After do?", "wait", tags=["routing"]),
    Case("What is a Hedged model?", "second", tags=["routing"]),
]


def main(model: ir.Model) -> None:
    """Scores plain questions, then the same questions with instructions, and says whether that made a difference."""
    with ir.Client(model) as client:
        scorer = Weighted(
            (Contains(), 3.0), (Judge(client, "It answers the question, in at most four sentences."), 1.0)
        )
        before = run_eval(CASES, client, scorer, name="plain")
        after = run_eval(
            CASES, lambda question: client.complete(question, system="Answer in one sentence."), scorer, name="short"
        )
    comparison = compare(before, after, max_drop=0.012)
    print(f"{before:.1%} plain, {after:.1%} short, {before.usage.output_tokens} tokens of answers")
    print(comparison)
    print(markdown([before, after], comparison))


if __name__ == "__main__":
    recipes.run(main)
