//! Seeds as text: a line of hex each, so that a review can read them.

/// Iterator over the seeds in a text. What follows `#` is a comment; blanks between bytes are
/// ignored; `"text"` stands for its bytes.
#[derive(Clone, Debug)]
pub struct Seeds<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
}

impl<'a> Seeds<'a> {
    /// The seeds in `text`.
    pub fn new(text: &'a str) -> Self {
        Self { lines: text.lines().enumerate() }
    }
}

impl Iterator for Seeds<'_> {
    /// A seed, or the number of a line that is none.
    type Item = Result<Vec<u8>, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        for (index, line) in self.lines.by_ref() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                return Some(parse(line).ok_or(index + 1));
            }
        }
        None
    }
}

fn parse(line: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u32> = part
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .map(|letter| letter.to_digit(16))
            .collect::<Option<_>>()?;
        if digits.len() % 2 == 1 {
            return None;
        }
        bytes.extend(digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8));
    }
    Some(bytes)
}
