"""Files as documents, and files that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.errors import ConfigError, FormatError
from inferail.pipelines.rag import load, load_folder
from inferail.pipelines.rag.html import markdown_of

PAGE = """<!doctype html><html><head><title> The  page </title><style>p{}</style></head><body>
<h1>Rails</h1><p>Rails are <b>long</b>
and&nbsp;straight &amp; made of steel.</p><script>alert("no")</script><!-- no -->
<h2>Kinds</h2><ul><li>wide</li><li>narrow<ul><li>very</li></ul></li></ul><ol><li>one<li>two</ol>
<pre><code>def f():
    return 1</code></pre><table><tr><th>a<th>b</tr><tr><td>1</td><td>x|y</td></tr></table>
<div hidden>not shown</div><div aria-hidden="true">nor <div>this</div></div><p>End.</body></html>"""


def pdf(content: bytes, *, image: bool = False) -> bytes:
    """A PDF of one page."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R /Resources << /Font << /F 5 0 R >>"
        + (b" /XObject << /I 6 0 R >>" if image else b"")
        + b" >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >>\nstream\n\x00\nendstream",
    ]
    made, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return made + end % (len(objects) + 1, table, len(objects) + 1, len(made))


def test_page_becomes_markdown_without_what_is_not_shown():
    text, title = markdown_of(PAGE)

    assert title == "The page"
    assert text.splitlines() == [
        "# Rails",
        "",
        "Rails are long and\u00a0straight & made of steel.",
        "",
        "## Kinds",
        "",
        "- wide",
        "- narrow",
        "  - very",
        "",
        "1. one",
        "2. two",
        "",
        "```",
        "def f():",
        "    return 1",
        "```",
        "",
        "| a | b |",
        "|---|---|",
        "| 1 | x\\|y |",
        "",
        "End.",
    ]


@given(st.text("<>/ab \n\"'=&;!-phdivtrscript", max_size=120))
def test_any_page_is_read(page):
    text, title = markdown_of(page)

    assert isinstance(text, str)
    assert isinstance(title, str)


def test_files_become_documents(tmp_path):
    (tmp_path / "a.md").write_text("# Title\n\nWords.\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("\ufeffplain", encoding="utf-8")
    (tmp_path / "c.html").write_text(PAGE, encoding="utf-8")
    (tmp_path / "d.txt").write_text("sechzehn", encoding="utf-16")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "e.md").write_text("deep", encoding="utf-8")
    (tmp_path / "f.png").write_bytes(b"\x89PNG")

    documents = {document.id: document for document in load_folder(tmp_path)}

    assert list(documents) == ["a.md", "b.txt", "c.html", "d.txt", "deep/e.md"]
    assert documents["b.txt"].text == "plain"
    assert documents["c.html"].title == "The page"
    assert documents["d.txt"].text == "sechzehn"
    assert documents["deep/e.md"].metadata["source"].endswith("e.md")
    assert [document.id for document in load_folder(tmp_path, endings=[".html"])] == ["c.html"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"caf\xe9", "no UTF-8 text"),
        ("a.md", b"a\0b", "null characters"),
        ("a.html", b"<script>x()</script>", "shows no text"),
    ],
)
def test_file_that_is_not_what_it_says_is_refused_by_name(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(FormatError, match=said) as refused:
        load(path)

    assert refused.value.path == str(path)


def test_file_without_a_loader_says_which_there_are(tmp_path):
    with pytest.raises(ConfigError, match=r"\.pdf"):
        load(tmp_path / "a.docx")
    with pytest.raises(ConfigError, match="no folder"):
        load_folder(tmp_path / "missing")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.txt")


def test_pdf_gives_its_text(tmp_path, needs):
    needs("pypdf")
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf(b"BT /F 12 Tf 20 200 Td (Rails are long.) Tj ET"))

    assert load(path).text.strip() == "Rails are long."


def test_pdf_that_is_a_picture_says_so(tmp_path, needs):
    needs("pypdf")
    path = tmp_path / "scan.pdf"
    path.write_bytes(pdf(b"q 300 0 0 300 0 0 cm /I Do Q", image=True))

    with pytest.raises(FormatError, match="it is a picture, and needs OCR") as refused:
        load(path)

    assert refused.value.path == str(path)


@pytest.mark.parametrize("content", [b"", b"%PDF-1.4\nnothing", b"no pdf"])
def test_damaged_pdf_is_refused_by_name(tmp_path, needs, content):
    needs("pypdf")
    path = tmp_path / "a.pdf"
    path.write_bytes(content)

    with pytest.raises(FormatError, match="no sound PDF") as refused:
        load(path)

    assert refused.value.path == str(path)


def test_missing_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pypdf", None)
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")

    with pytest.raises(ConfigError, match=r"inferail\[pdf\]"):
        load(tmp_path / "a.pdf")
