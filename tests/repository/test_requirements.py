"""Every requirement of a finished issue has a test that names it."""

from __future__ import annotations

from scripts.requirements_table import collect_tests, fresh_text, read_rows

NUM_REQUIREMENTS = 205
FINISHED_ISSUES = {2}


def test_table_has_every_requirement():
    assert sorted(read_rows()) == list(range(1, NUM_REQUIREMENTS + 1))


def test_titles_are_short():
    assert not [row.title for row in read_rows().values() if not 0 < len(row.title) <= 60]


def test_finished_issues_have_a_test_for_each_of_their_requirements():
    tests = collect_tests()

    missing = [
        f"R{number}: {row.title}"
        for number, row in read_rows().items()
        if FINISHED_ISSUES & set(row.issues) and number not in tests
    ]

    assert not missing


def test_table_is_up_to_date(root):
    written = (root / "tests" / "requirements.toml").read_text(encoding="utf-8")

    assert written == fresh_text(), "run: make requirements"
