//! What the rules say, by example: `|` stands where a sentence is known to end.

use super::super::Scanner;

fn marked(text: &str) -> String {
    let text = text.replace('|', "");
    let mut scanner = Scanner::default();
    let mut marked = String::new();
    let mut from = 0;
    for end in text.chars().filter_map(|c| scanner.push(c)) {
        marked += &text[from..end];
        marked.push('|');
        from = end;
    }
    marked + &text[from..]
}

#[test]
fn sentences_end_where_a_reader_would_say() {
    for text in [
        // English
        "Hello there.| How are you?| Fine!| Thanks",
        "Dr. Smith of St. Louis paid 3.50 dollars, i.e. much.| He left",
        "See e.g. Fig. 3 and No. 5 in Vol. 2.| No.| Why",
        "J. R. R. Tolkien lived in the U.S. Army barracks.| Then",
        "Wait... what?| Well...| Maybe.| Yes",
        "Wait...| Yes",
        "He said \"Stop!\" and left.| \"Why?\"| She knew",
        "(See above.)| Then *go.*| **Bold.**| Next",
        "Open main.py or example.com/a.b?c=d.e now.| Done",
        "The answer is 42.| This is it.| It was 1999.| Then",
        "Yahoo! is a company.| It",
        "Is a ? b : c valid?| Yes",
        // German
        "Am 3. Oktober, z. B. in der Bahnhofstr. 5, um 8.30 Uhr.| Im 19. Jahrhundert bzw. später.| Gut",
        "Er sagte: „Ja.“| Dann ging er.| Das kostet ca. 5 Mio. Euro usw.| Ende",
        // French, Spanish, Italian, Portuguese
        "M. Dupont et Mme Curie arrivent !| Vraiment ?| « Oui. »| Non",
        "¿Qué tal?| ¡Bien!| El Sr. Gómez y Ud. ganan.| Fin",
        "»Ja.«| Er kam.| »Nein.«| Gut",
        "Il dott. Rossi arriva.| Il Dott. Rossi parla.| Ecco",
        // Russian, Greek, Turkish
        "Это т. е. пример, см. рис. 5.| Г. Москва.| Да",
        "Τι κάνεις;| Καλά, π.χ. έτσι.| Ναι",
        // Chinese, Japanese, Korean
        "你好。|今天天气很好！|是吗？|好",
        "他说：“你好。”然后走了。|真的",
        "「はい。」と言った。|次は（例）です。|おわり",
        "안녕하세요.| 네.| 감사합니다",
        "等等……我想想。|好",
        // Hindi, Arabic, Urdu, Armenian, Amharic
        "नमस्ते।| आप कैसे हैं?| ठीक",
        "مرحبا.| كيف حالك؟| بخير",
        "السلام علیکم۔| آپ کیسے ہیں؟| ٹھیک",
        "Բարեւ։| Ինչպես",
        "ሰላም።| እንዴት",
        // Thai has no full stop
        "สวัสดีครับผมชื่อสมชายอยู่กรุงเทพ| วันนี้อากาศดี",
        // Lines, lists, headings
        "# Title|\n\nText goes on.| Yes",
        "# title|\nfoo bar.| Yes",
        "1. First thing|\n2. Second thing.| More",
        "- one|\n- two|\n\nEnd",
        "This line was wrapped\nin the middle.| Next",
        "Here it is:|\n\n- a",
        // Code
        "Use `a. B! C` here.| Yes",
        "Look:|\n```python\n\nprint(1)|\nprint(2)|\n```\nDone.| Yes",
        "```\nx = \"A. B\"|\n```",
        "```inline. Code``` is meant.| Yes",
        "```inline```|\nEnd",
        "```one`|\n```",
        "~~~\n~ ~|\n`~|\n~~~",
        "~~~\na|\n~~~\nThat's it.| Yes",
    ] {
        assert_eq!(marked(text), text);
    }
}
