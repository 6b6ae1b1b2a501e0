//! Words that keep their full stop in the middle of a sentence, of many languages at once.
//!
//! The language of an answer is not known, so a word is listed only where it is no everyday word at the end of a sentence
//! in another language (`no`, `art`, `mar`); those are abbreviations before a number alone. Words that often do end a
//! sentence (`etc`, `usw`, `inc`) are not listed: a small letter behind them already says that it goes on.

/// Before a name: only with a capital letter.
const TITLES: &[&str] = &[
    "adm", "brig", "bros", "capt", "cmdr", "col", "cpl", "doc", "exmo", "fr", "gen", "gov", "gs",
    "hon", "hr", "ing", "lt", "mag", "maj", "me", "mm", "ms", "mt", "mw", "mx", "pgs", "ph",
    "pres", "rep", "rev", "sen", "sgt", "sn", "sr", "sra", "sres", "st", "sta", "ste", "sto",
    "supt", "ths", "tp", "ts", "ud", "uds", "vd", "vds", "κα",
];

/// In any case of letters.
const ANYWHERE: &[&str] = &[
    "al", "approx", "avda", "avv", "bijv", "bkz", "bpk", "bspw", "bzw", "ca", "cca", "cf", "dhr",
    "dipl", "dott", "doç", "dr", "dra", "drs", "dvs", "ebd", "esim", "evtl", "frl", "ggf", "hab",
    "hlm", "hrn", "inkl", "insb", "inż", "jl", "kb", "lic", "messrs", "mevr", "mgr", "mio", "mlle",
    "mme", "mr", "mrd", "mrs", "např", "np", "núm", "pl", "prof", "pág", "resp", "sig", "sigg",
    "sog", "sp", "spp", "srta", "ssa", "tel", "tj", "tzn", "tzv", "ul", "vgl", "viz", "vs", "zzgl",
    "éd", "örn", "ún", "św", "δρ", "акад", "вул", "им", "млн", "млрд", "напр", "проф", "см", "тис",
    "тов", "тыс", "ул",
];

/// Before a number.
const NUMBERED: &[&str] = &[
    "abb", "abs", "apr", "april", "art", "aug", "bd", "ch", "chap", "cap", "cl", "dec", "dez",
    "eq", "feb", "fig", "figs", "gl", "jan", "jul", "jun", "kap", "kl", "mar", "n", "no", "nos",
    "nov", "nr", "nro", "num", "obr", "oct", "okt", "op", "p", "pag", "par", "pp", "ref", "rys",
    "s", "sec", "sect", "sep", "sept", "str", "tab", "vol", "ver", "č", "čl", "гл", "илл", "пп",
    "рис", "ст", "стр", "табл",
];

/// German words before an ordinal number that a capital letter follows: `am 3. Oktober`, `im 19. Jahrhundert`.
const ORDINAL_LEADS: &[&str] = &[
    "ab", "am", "beim", "bis", "das", "dem", "den", "der", "des", "die", "ihr", "ihre", "ihrem",
    "ihren", "im", "jeden", "jeder", "mein", "meinem", "sein", "seinem", "seinen", "seit", "vom",
    "zum", "zur",
];

/// What a word before a full stop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// No abbreviation.
    Plain,
    /// One wherever it stands.
    Abbreviation,
    /// One where a number follows.
    Numbered,
}

/// What `word` is; `lower` is the same in small letters.
pub(super) fn look_up(word: &str, lower: &str) -> Word {
    let capital = word.chars().next().is_some_and(char::is_uppercase);
    if ANYWHERE.contains(&lower) || (capital && TITLES.contains(&lower)) {
        Word::Abbreviation
    } else if NUMBERED.contains(&lower) || lower.ends_with("str") {
        // `str` also at the end of the names of streets: `Bahnhofstr. 5`.
        Word::Numbered
    } else {
        Word::Plain
    }
}

/// Whether `lower` stands before an ordinal number.
pub(super) fn leads_ordinal(lower: &str) -> bool {
    ORDINAL_LEADS.contains(&lower)
}
