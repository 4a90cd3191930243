//! Takes comments and needless space out of the pages, which are embedded: what is served is about
//! two thirds of what is read here. Statements and all names but those of constants stay as they are.
//! Each has a tag that changes with its content.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=web");
    let out = env::var("OUT_DIR").expect("cargo tells where to write");
    let (from, to) = (Path::new("web"), Path::new(&out).join("web"));
    // A page that is not there any more must not stay.
    let _ = fs::remove_dir_all(&to);
    fs::create_dir_all(&to).expect("a folder for the pages");
    let entries = fs::read_dir(from).expect("the pages").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let mut list = String::from("[\n");
    for name in names {
        let text = fs::read_to_string(from.join(&name)).expect("a page of text");
        let small = match name.rsplit('.').next() {
            Some("js") => small_script(&text),
            Some("css") => small_style(&text),
            _ => text.lines().map(str::trim).collect::<Vec<_>>().join("\n"),
        };
        let path = to.join(&name);
        let mut hasher = DefaultHasher::new();
        small.hash(&mut hasher);
        let (tag, file) = (format!("\"{:016x}\"", hasher.finish()), path.display().to_string());
        fs::write(&path, small).expect("a page is written");
        writeln!(list, "    ({name:?}, {tag:?}, include_bytes!({file:?})),").expect("memory");
    }
    list.push_str("]\n");
    fs::write(Path::new(&out).join("pages.rs"), list).expect("the list is written");
}

/// After one of these a slash begins a regular expression, and a line break means nothing.
const OPEN: &str = "([{,;=:?&|!<>+-*%^~";
/// Before one of these a line break means nothing.
const CLOSE: &str = ")]},;:?.&|=";

/// JavaScript without comments and needless space. Strings, templates and regular expressions are
/// copied.
fn small_script(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut space = None;
    let mut at = 0;
    while at < chars.len() {
        let (here, next) = (chars[at], chars.get(at + 1).copied());
        let end = match (here, next) {
            (' ' | '\t' | '\n' | '\r', _) => {
                space = space.max(Some(here == '\n'));
                at += 1;
                continue;
            }
            ('/', Some('/')) => {
                at = find(&chars, at, "\n");
                continue;
            }
            ('/', Some('*')) => {
                at = find(&chars, at + 2, "*/") + 2;
                continue;
            }
            ('"' | '\'', _) => literal_end(&chars, at, here),
            ('`', _) => template_end(&chars, at),
            ('/', _) if out.chars().next_back().is_none_or(|before| OPEN.contains(before)) => {
                literal_end(&chars, at, '/')
            }
            _ => at + 1,
        };
        separate(&mut out, space.take(), here);
        out.extend(&chars[at..end]);
        at = end;
    }
    out.push('\n');
    with_short_constants(&out)
}

/// Gives constants of the file short names, those in capitals that are not exported, and declares
/// all with the shorter word: nothing is assigned to them.
fn with_short_constants(script: &str) -> String {
    let capital = |name: &str| {
        let plain = |it: char| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_';
        name.contains('_') && name.chars().all(plain)
    };
    let words: Vec<&str> = words(script).collect();
    let mut names: Vec<&str> = Vec::new();
    for at in 2..words.len() {
        let declared = words[at - 2] == "const" && words[at - 1] == " " && capital(words[at]);
        let exported = at >= 4 && words[at - 4] == "export";
        if declared && !exported && !names.contains(&words[at]) {
            names.push(words[at]);
        }
    }
    let mut out = String::with_capacity(script.len());
    for word in words {
        match names.iter().position(|name| *name == word) {
            // A member of that name is something else.
            Some(number) if !out.ends_with('.') || out.ends_with("...") => {
                write!(out, "${number}").expect("memory");
            }
            _ if word == "const" => out.push_str("let"),
            _ => out.push_str(word),
        }
    }
    out
}

/// Runs of characters of names, and what stands between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let in_name = |it: char| it.is_alphanumeric() || it == '_' || it == '$';
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = rest.find(|it| in_name(it) != in_name(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

/// Puts between what is written and what follows the space that is needed; `space` tells whether
/// there was some, and whether it broke the line.
fn separate(out: &mut String, space: Option<bool>, here: char) {
    let Some(broken) = space else { return };
    let Some(before) = out.chars().next_back() else { return };
    let word = |it: char| it.is_alphanumeric() || it == '_' || it == '$' || it == '#';
    // `a + +b` and `a - -b` must not become others; a template may follow a word.
    let apart = word(before) && word(here) || before == here && "+-".contains(here);
    // `++` may begin a statement. One that ends with a brace and is no block has its semicolon.
    let free =
        OPEN.contains(before) && !"+-".contains(before) || before == '}' || CLOSE.contains(here);
    if broken && !free {
        out.push('\n');
    } else if apart {
        out.push(' ');
    }
}

fn find(chars: &[char], from: usize, what: &str) -> usize {
    let what: Vec<char> = what.chars().collect();
    let found = chars[from..].windows(what.len()).position(|part| part == what);
    found.map_or(chars.len(), |offset| from + offset)
}

/// Behind the end of a string or a regular expression.
fn literal_end(chars: &[char], start: usize, quote: char) -> usize {
    let (mut at, mut in_class) = (start + 1, false);
    while chars[at] != quote || in_class {
        match chars[at] {
            '\\' => at += 1,
            '[' if quote == '/' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        at += 1;
    }
    at + 1
}

/// Behind the end of a template, with the expressions and templates inside.
fn template_end(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match chars[at] {
            '\\' => at += 1,
            '`' => return at + 1,
            '$' if chars[at + 1] == '{' => at = expression_end(chars, at + 2),
            _ => {}
        }
        at += 1;
    }
}

/// At the brace that ends an expression in a template.
fn expression_end(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    loop {
        match chars[at] {
            '}' if depth == 0 => return at,
            '{' => depth += 1,
            '}' => depth -= 1,
            quote @ ('"' | '\'') => at = literal_end(chars, at, quote) - 1,
            '`' => at = template_end(chars, at) - 1,
            _ => {}
        }
        at += 1;
    }
}

/// CSS without comments and needless space.
fn small_style(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once("/*") {
        plain.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    let joined = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let tight = [
        ("{ ", "{"),
        (" {", "{"),
        ("; }", "}"),
        ("; ", ";"),
        ("} ", "}"),
        (": ", ":"),
        (", ", ","),
    ];
    tight.iter().fold(joined, |text, (wide, narrow)| text.replace(wide, narrow))
}
