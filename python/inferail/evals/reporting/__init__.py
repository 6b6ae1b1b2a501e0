"""Results as files: Markdown for people, JUnit XML for CI."""
