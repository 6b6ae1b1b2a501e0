"""Paragraphs of many languages, written for these tests, each as the list of its sentences."""

from __future__ import annotations

from typing import Final

# Language, what stands between two sentences, the sentences.
PARAGRAPHS: Final[list[tuple[str, str, list[str]]]] = [
    (
        "english",
        " ",
        [
            "Dr. Rivera moved to St. Paul in 2019, e.g. for the quiet.",
            "She pays 3.75 dollars for coffee at approx. 8 a.m. every day!",
            "Does J. R. Marsh of Acme Inc. know about it?",
            'He said, "I doubt it."',
            "See Fig. 3 in README.md or https://example.org/a.b?c=1 for more.",
            "Well... it depends.",
            "(Nobody asked him anyway.)",
            "The answer is 42.",
            "That was all.",
        ],
    ),
    (
        "german",
        " ",
        [
            "Am 3. Oktober zog Fr. Dr. Weiß z. B. in die Bahnhofstr. 12 um.",
            "Das kostet ca. 1.250,50 Euro bzw. etwas mehr, d. h. zu viel.",
            "Wirklich?",
            "Er fragte: „Warum im 19. Jahrhundert?“",
            "Die Mio. Einwohner usw. staunten!",
            "Nr. 5 gewann vor dem 1. FC Nirgendwo.",
            "Ende gut, alles gut.",
        ],
    ),
    (
        "french",
        " ",
        [
            "M. Dupont et Mme Lefèvre arrivent à 8 h 30, cf. p. 12 du guide.",
            "Vraiment ?",
            "« C'est impossible. »",
            "Le prix est de 3,50 € env. par personne !",
            "Voilà tout.",
        ],
    ),
    (
        "spanish",
        " ",
        [
            "El Sr. Gómez y la Dra. Ruiz viven en la Avda. 9 de Julio.",
            "¿Sabe Ud. la hora?",
            "¡Qué sorpresa!",
            "Cuesta 3.500 pesos, p. ej. en la pág. 7 del catálogo.",
            "Eso es todo.",
        ],
    ),
    (
        "italian",
        " ",
        [
            "Il dott. Bianchi abita al n. 4 di via Roma, ad es. con l'avv. Neri.",
            "Davvero?",
            "Che bello!",
            "Il Prof. Verdi disse: «Non è vero.»",
            "Fine.",
        ],
    ),
    (
        "portuguese",
        " ",
        [
            "O Sr. Lima e a Sra. Souza chegaram às 8.30 horas.",
            "Você viu?",
            "Que dia!",
            "Foi o art. 5 da lei.",
            "Acabou.",
        ],
    ),
    (
        "dutch",
        " ",
        ["Mevr. de Vries woont bijv. in Utrecht, o.a. vanwege het park.", "Echt waar?", "Ja!", "Dat was het dan."],
    ),
    (
        "polish",
        " ",
        [
            "Prof. Nowak mieszka przy ul. Długiej, tzn. blisko.",
            "Czy to prawda?",
            "Tak!",
            "To było w 1989 r. jesienią.",
            "Koniec.",
        ],
    ),
    (
        "russian",
        " ",
        [
            "Это, т. е. наш дом, стоит на ул. Ленина, см. рис. 5 ниже.",
            "Правда?",
            "А. С. Пушкин родился в 1799 году!",
            "Он сказал: «Нет.»",
            "Вот и всё.",
        ],
    ),
    ("greek", " ", ["Ο κ. Νίκος μένει εδώ, π.χ. με τη γάτα.", "Τι κάνεις σήμερα;", "Ωραία!", "Αυτό ήταν όλο."]),
    ("turkish", " ", ["Dr. Yılmaz saat 8.30 gibi geldi, bkz. sayfa 4.", "Gerçekten mi?", "Evet!", "Hepsi bu kadar."]),
    ("czech", " ", ["Ing. Novák přišel 3. října, např. kvůli práci.", "Opravdu?", "Ano!", "To je vše."]),
    ("swedish", " ", ["Han kom kl. 8 på morgonen, bl.a. för kaffet, dvs. ofta.", "Verkligen?", "Ja!", "Det var allt."]),
    ("vietnamese", " ", ["TP. Hồ Chí Minh rất đông, theo ThS. Nguyễn.", "Thật không?", "Vâng!", "Hết rồi."]),
    ("indonesian", " ", ["Bpk. Budi tinggal di Jl. Merdeka, no. 5 di peta.", "Benarkah?", "Ya!", "Selesai."]),
    (
        "korean",
        " ",
        ["저는 3.5킬로미터를 걸었습니다.", "정말요?", "네.", "그는 “좋아요.”라고 말했습니다.", "끝입니다."],
    ),
    (
        "chinese",
        "",
        ["今天的气温是3.5度。", "真的吗？", "他说：“我不去。”然后走了。", "太好了！", "等等……我再想想。", "结束了。"],
    ),
    ("japanese", "", ["気温は3.5度です。", "本当ですか？", "「はい。」と彼女は答えました。", "すごい！", "以上です。"]),
    ("hindi", " ", ["आज तापमान 3.5 डिग्री है।", "क्या यह सच है?", "हाँ!", "बस इतना ही।"]),
    ("bengali", " ", ["আজ তাপমাত্রা 3.5 ডিগ্রি।", "সত্যি?", "হ্যাঁ।", "শেষ।"]),
    ("arabic", " ", ["درجة الحرارة اليوم 3.5 فقط.", "هل هذا صحيح؟", "نعم!", "هذا كل شيء."]),
    ("urdu", " ", ["آج درجہ حرارت 3.5 ہے۔", "کیا یہ سچ ہے؟", "جی ہاں۔", "بس اتنا ہی۔"]),
    ("hebrew", " ", ["הטמפרטורה היום היא 3.5 מעלות.", "באמת?", "כן!", "זה הכול."]),
    ("armenian", " ", ["Այսօր շատ ցուրտ է։", "Դա ճիշտ է։", "Վերջ։"]),
    ("amharic", " ", ["ዛሬ በጣም ቀዝቃዛ ነው።", "እውነት ነው።", "ይህ ብቻ ነው።"]),
    ("burmese", " ", ["ဒီနေ့ အရမ်းအေးတယ်။", "ဟုတ်ပါတယ်။", "ဒါပါပဲ။"]),
    ("khmer", " ", ["ថ្ងៃនេះត្រជាក់ណាស់។", "វាជាការពិត។", "ចប់ហើយ។"]),
    ("thai", " ", ["วันนี้อากาศหนาวมากในกรุงเทพมหานคร", "ผมจึงอยู่บ้านอ่านหนังสือทั้งวันเลยครับ", "เท่านี้ก่อนแล้วพบกันใหม่วันพรุ่งนี้"]),
    ("list", "\n", ["# Three things", "1. Buy milk at No. 5.", "2. Call Dr. Wu", "- rest", "Done."]),
    ("hard-wrapped", "\n", ["This sentence was wrapped after\neighty columns or so.", "So was this\none here."]),
    ("paragraphs", "\n\n", ["A title without a stop", "Text of e.g. a letter.", "Yours, J. Doe"]),
    ("inline code", " ", ["Call `a. B! c? D` in `main.py` first.", "Then ``x`. Y`` works.", "Good."]),
    ("code block", "\n", ["Here it is:", "```python\nprint('Hi. There!')", "x = 1.5", "```\nThat was it.", "Bye."]),
    ("emphasis", " ", ["**This is bold.**", "_And this is not!_", "End."]),
]
