//! Methods of Python's strings, lists and dictionaries, where `minijinja_contrib::pycompat` has none or another answer.
//!
//! It strips what Rust calls white space (Python's has U+001C to U+001F too), splits lines at `\n` only, and knows no
//! ranges in `find` and `startswith`.

use minijinja::value::{Kwargs, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::python;

/// Calls `method` of `value`, as `set_unknown_method_callback` asks for.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    // The engine counts what a method gives, not what it reads.
    let read = match value.as_str() {
        Some(text) => text.len() as u64 / python::BYTES_PER_FUEL,
        None => value.len().unwrap_or(0) as u64,
    };
    state.consume_fuel(read)?;
    let most = state.fuel_levels().map_or(u64::MAX, |(_, left)| left);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if let Some(text) = value.as_str()
        && let Some(answer) = of_text(text, method, arguments, most)?
    {
        return Ok(answer);
    }
    if value.as_str().is_none() && method == "index" {
        return index_of(value, arguments);
    }
    if method == "copy" && value.as_object().is_some() {
        let () = from_args(arguments)?;
        return Ok(value.clone());
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments)
}

/// The methods of `str` that are written here. None gives a list of more than `most` pieces.
fn of_text(
    text: &str,
    method: &str,
    arguments: &[Value],
    most: usize,
) -> Result<Option<Value>, Error> {
    let answer = match method {
        "strip" => Value::from(strip(text, arguments, true, true)?),
        "lstrip" => Value::from(strip(text, arguments, true, false)?),
        "rstrip" => Value::from(strip(text, arguments, false, true)?),
        "isspace" => Value::from(!text.is_empty() && text.chars().all(is_space)),
        "split" => split(text, arguments, false, most)?,
        "rsplit" => split(text, arguments, true, most)?,
        "splitlines" => Value::from(lines(text, arguments, most)?),
        "find" => Value::from(position(text, arguments, first)?.unwrap_or(-1)),
        "rfind" => Value::from(position(text, arguments, last)?.unwrap_or(-1)),
        "index" => Value::from(position(text, arguments, first)?.ok_or_else(absent)?),
        "rindex" => Value::from(position(text, arguments, last)?.ok_or_else(absent)?),
        "startswith" => Value::from(has_end(text, arguments, |text, end| text.starts_with(end))?),
        "endswith" => Value::from(has_end(text, arguments, |text, end| text.ends_with(end))?),
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(arguments)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(arguments)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "partition" | "rpartition" => partition(text, arguments, method == "rpartition")?,
        "zfill" => Value::from(zero_fill(text, from_args::<(usize,)>(arguments)?.0)),
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

/// The filter `trim`, which is `str.strip` of what is printed.
pub(super) fn trim(
    state: &State<'_, '_>,
    value: &Value,
    characters: Option<&str>,
) -> Result<String, Error> {
    let text = python::text(value, python::room(state))?;
    let falls = |character: char| match characters {
        Some(characters) => characters.contains(character),
        None => is_space(character),
    };
    Ok(text.trim_matches(falls).to_owned())
}

/// Whether Python's `str.isspace` calls it white space.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

fn absent() -> Error {
    Error::new(ErrorKind::InvalidOperation, "substring not found")
}

fn strip<'a>(
    text: &'a str,
    arguments: &[Value],
    left: bool,
    right: bool,
) -> Result<&'a str, Error> {
    let (characters,): (Option<&str>,) = from_args(arguments)?;
    let falls = |character: char| match characters {
        Some(characters) => characters.contains(character),
        None => is_space(character),
    };
    let text = if left {
        text.trim_start_matches(falls)
    } else {
        text
    };
    Ok(if right {
        text.trim_end_matches(falls)
    } else {
        text
    })
}

/// `str.split` and, from the right, `str.rsplit`.
fn split(text: &str, arguments: &[Value], from_right: bool, most: usize) -> Result<Value, Error> {
    let (separator, at_most, options): (Option<Value>, Option<i64>, Kwargs) = from_args(arguments)?;
    let separator = match separator {
        Some(separator) => Some(separator),
        None => options.get::<Option<Value>>("sep")?,
    };
    let at_most = match at_most {
        Some(at_most) => at_most,
        None => options.get::<Option<i64>>("maxsplit")?.unwrap_or(-1),
    };
    options.assert_all_used()?;
    // One more than are allowed is enough to see that there are too many.
    let splits = usize::try_from(at_most).unwrap_or(usize::MAX).min(most);
    let pieces = match separator.filter(|separator| !separator.is_none()) {
        None => at_spaces(text, splits, from_right),
        Some(separator) => match separator.as_str() {
            Some("") => return Err(Error::new(ErrorKind::InvalidOperation, "empty separator")),
            Some(separator) => at_text(text, separator, splits, from_right),
            None => {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "a separator is a text",
                ));
            }
        },
    };
    if pieces.len() > most {
        return Err(Error::from(ErrorKind::OutOfFuel));
    }
    Ok(pieces.into_iter().map(Value::from).collect())
}

fn at_text<'a>(text: &'a str, separator: &str, splits: usize, from_right: bool) -> Vec<&'a str> {
    let pieces = splits.saturating_add(1);
    if !from_right {
        return text.splitn(pieces, separator).collect();
    }
    let mut found: Vec<&str> = text.rsplitn(pieces, separator).collect();
    found.reverse();
    found
}

/// Splits at runs of white space, none of which begins or ends a piece.
fn at_spaces(text: &str, splits: usize, from_right: bool) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = if from_right {
        text.trim_end_matches(is_space)
    } else {
        text.trim_start_matches(is_space)
    };
    while !rest.is_empty() {
        let cut = if from_right {
            rest.rfind(is_space)
        } else {
            rest.find(is_space)
        };
        let Some(cut) = cut.filter(|_| pieces.len() < splits) else {
            // What is left keeps the white space on its far side, as in Python, unless it is one piece.
            pieces.push(rest);
            break;
        };
        if from_right {
            let width = rest[cut..].chars().next().map_or(0, char::len_utf8);
            pieces.push(&rest[cut + width..]);
            rest = rest[..cut].trim_end_matches(is_space);
        } else {
            pieces.push(&rest[..cut]);
            rest = rest[cut..].trim_start_matches(is_space);
        }
    }
    if from_right {
        pieces.reverse();
    }
    pieces
}

/// `str.splitlines`: at each of Python's line ends.
fn lines(text: &str, arguments: &[Value], most: usize) -> Result<Vec<String>, Error> {
    let (keep, options): (Option<bool>, Kwargs) = from_args(arguments)?;
    let keep = match keep {
        Some(keep) => keep,
        None => options.get::<Option<bool>>("keepends")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    let mut found = Vec::new();
    let mut line = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let ends = matches!(
            character,
            '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        );
        if !ends || keep {
            line.push(character);
        }
        if ends {
            if character == '\r' && characters.next_if_eq(&'\n').is_some() && keep {
                line.push('\n');
            }
            found.push(std::mem::take(&mut line));
            if found.len() > most {
                return Err(Error::from(ErrorKind::OutOfFuel));
            }
        }
    }
    if !line.is_empty() {
        found.push(line);
    }
    Ok(found)
}

/// The bytes of `text[begin:end]`; nothing if it begins behind its end.
fn range(text: &str, begin: Option<i64>, end: Option<i64>) -> Option<(usize, &str)> {
    if begin.is_none() && end.is_none() {
        return Some((0, text));
    }
    let length = text.chars().count();
    let place = |wanted: i64| {
        let wanted = if wanted < 0 {
            wanted.saturating_add(length as i64)
        } else {
            wanted
        };
        usize::try_from(wanted).unwrap_or(0)
    };
    let begin = place(begin.unwrap_or(0));
    let end = end.map_or(length, place).min(length);
    if begin > end {
        return None;
    }
    let byte = |place: usize| {
        text.char_indices()
            .nth(place)
            .map_or(text.len(), |(byte, _)| byte)
    };
    Some((begin, &text[byte(begin)..byte(end)]))
}

fn first(text: &str, wanted: &str) -> Option<usize> {
    text.find(wanted)
}

fn last(text: &str, wanted: &str) -> Option<usize> {
    text.rfind(wanted)
}

fn position(
    text: &str,
    arguments: &[Value],
    find: fn(&str, &str) -> Option<usize>,
) -> Result<Option<i64>, Error> {
    let (wanted, begin, end): (&str, Option<i64>, Option<i64>) = from_args(arguments)?;
    Ok(range(text, begin, end).and_then(|(skipped, part)| {
        let byte = find(part, wanted)?;
        Some((skipped + part[..byte].chars().count()) as i64)
    }))
}

/// Whether the text begins or ends with a text, or with one of a tuple of them.
fn has_end(
    text: &str,
    arguments: &[Value],
    has: impl Fn(&str, &str) -> bool,
) -> Result<bool, Error> {
    let (wanted, begin, end): (&Value, Option<i64>, Option<i64>) = from_args(arguments)?;
    let Some((_, part)) = range(text, begin, end) else {
        return Ok(false);
    };
    if let Some(wanted) = wanted.as_str() {
        return Ok(has(part, wanted));
    }
    if !wanted.is_tuple() {
        let problem = "the first argument is a text or a tuple of texts";
        return Err(Error::new(ErrorKind::InvalidOperation, problem));
    }
    Ok(wanted
        .try_iter()?
        .any(|wanted| wanted.as_str().is_some_and(|wanted| has(part, wanted))))
}

fn partition(text: &str, arguments: &[Value], from_right: bool) -> Result<Value, Error> {
    let (separator,): (&str,) = from_args(arguments)?;
    if separator.is_empty() {
        return Err(Error::new(ErrorKind::InvalidOperation, "empty separator"));
    }
    let found = if from_right {
        text.rsplit_once(separator)
    } else {
        text.split_once(separator)
    };
    let parts = match (found, from_right) {
        (Some((before, after)), _) => [before, separator, after],
        (None, false) => [text, "", ""],
        (None, true) => ["", "", text],
    };
    Ok(Value::from(minijinja::value::Tuple::from(
        parts.map(Value::from),
    )))
}

fn zero_fill(text: &str, width: usize) -> String {
    // A template has no use for more, and could ask for all memory there is.
    let missing = width.min(4096).saturating_sub(text.chars().count());
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => text.split_at(text.len() - digits.len()),
        None => ("", text),
    };
    format!("{sign}{}{digits}", "0".repeat(missing))
}

fn index_of(value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    let (wanted,): (&Value,) = from_args(arguments)?;
    let place = value.try_iter()?.position(|item| item == *wanted);
    place
        .map(Value::from)
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "the item is not in the list"))
}
