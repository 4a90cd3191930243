//! Lists of strings in header fields, RFC 9651 §3.1: what `WT-Available-Protocols` and
//! `WT-Protocol` hold.

/// The strings of a list. Items of other types are left out, as are parameters. `None` if the
/// field is malformed; the drafts want it ignored then.
pub(crate) fn decode_strings(field: &str) -> Option<Vec<String>> {
    let mut rest = field.trim_matches(' ');
    let mut strings = Vec::new();
    if rest.is_empty() {
        return Some(strings);
    }
    loop {
        let after = if rest.starts_with('"') {
            let (string, after) = take_string(rest)?;
            strings.push(string);
            after
        } else {
            skip_other(rest)?
        };
        rest = skip_parameters(after)?.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some(strings);
        }
        rest = rest.strip_prefix(',')?.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return None;
        }
    }
}

/// A list of strings. Strings with characters that a field cannot hold are left out.
pub(crate) fn encode_strings<'a>(strings: impl IntoIterator<Item = &'a str>) -> String {
    let mut field = String::new();
    for string in strings {
        if !string.bytes().all(is_string_byte) {
            continue;
        }
        if !field.is_empty() {
            field.push_str(", ");
        }
        field.push('"');
        for character in string.chars() {
            if matches!(character, '"' | '\\') {
                field.push('\\');
            }
            field.push(character);
        }
        field.push('"');
    }
    field
}

fn is_string_byte(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte)
}

fn take_string(field: &str) -> Option<(String, &str)> {
    let mut string = String::new();
    let mut characters = field.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((string, &field[at + 1..])),
            '\\' => match characters.next()?.1 {
                escaped @ ('"' | '\\') => string.push(escaped),
                _ => return None,
            },
            other if other.is_ascii() && is_string_byte(other as u8) => string.push(other),
            _ => return None,
        }
    }
    None
}

/// Past a token, number, boolean or byte sequence. Inner lists are not expected here.
fn skip_other(field: &str) -> Option<&str> {
    let end = field.find([',', ';', ' ', '\t']).unwrap_or(field.len());
    let item = &field[..end];
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '(' | ')' | '\\');
    (!item.is_empty() && item.chars().all(plain)).then_some(&field[end..])
}

/// Past `;key` and `;key=value`, as often as they come.
fn skip_parameters(mut field: &str) -> Option<&str> {
    while let Some(parameter) = field.strip_prefix(';') {
        let parameter = parameter.trim_start_matches(' ');
        let end = parameter.find(['=', ',', ';', ' ', '\t']).unwrap_or(parameter.len());
        let first = parameter.chars().next()?;
        if !(first.is_ascii_lowercase() || first == '*') {
            return None;
        }
        field = &parameter[end..];
        if let Some(value) = field.strip_prefix('=') {
            field = match value.starts_with('"') {
                true => take_string(value)?.1,
                false => skip_other(value)?,
            };
        }
    }
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_among_other_items() {
        for (field, strings) in [
            ("", &[][..]),
            (r#""moqt-18""#, &["moqt-18"]),
            (r#""a", "b""#, &["a", "b"]),
            (r#""a";q=1;x="y,z" ,token;p, 3.5,"b""#, &["a", "b"]),
            (r#""quo\"te\\""#, &[r#"quo"te\"#]),
            ("moqt-18, ?1, :YWI=:", &[]),
        ] {
            assert_eq!(decode_strings(field).unwrap(), strings, "{field}");
        }
    }

    #[test]
    fn malformed_fields_are_told() {
        for field in [
            r#""open"#,
            r#""a" "b""#,
            r#""a","#,
            r#","a""#,
            r#""bad \escape""#,
            "\"umlaut ü\"",
            "(\"inner\")",
            r#""a";=1"#,
            r#""a";"#,
        ] {
            assert_eq!(decode_strings(field), None, "{field}");
        }
    }

    #[test]
    fn what_is_encoded_decodes() {
        let strings = ["moqt-18", r#"odd"\one"#];
        let field = encode_strings(strings);
        assert_eq!(decode_strings(&field).unwrap(), strings);
        assert_eq!(encode_strings(["ü", "a"]), r#""a""#);
    }
}
