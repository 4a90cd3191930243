//! The tables in the documents that the matrix fills in.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use super::cell::{Feature, Findings};
use super::dial::Carrier;
use super::rules::{Rule, Rules};

const BEGIN: &str = "<!-- matrix:begin -->\n";
const END: &str = "<!-- matrix:end -->";
/// Set by `cargo xtask matrix`: write instead of compare.
const WRITE: &str = "SLUICE_WRITE_MATRIX";

/// What every cell found, by drafts and transport.
pub type Results = BTreeMap<(u8, u8, Carrier), Findings>;

/// Compares the documents with the results, or writes them.
pub fn check(results: &Results) {
    let documents = [("README.md", summary(results)), ("docs/interop.md", details(results))];
    for (name, table) in documents {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
        let text = std::fs::read_to_string(&path).expect("the document is there");
        let (before, rest) = text.split_once(BEGIN).expect("the document has the first mark");
        let (committed, after) = rest.split_once(END).expect("the document has the last mark");
        if std::env::var_os(WRITE).is_some() {
            let text = format!("{before}{BEGIN}{table}{END}{after}");
            std::fs::write(&path, text).expect("the document can be written");
        } else {
            assert_eq!(
                committed, table,
                "{name} does not say what the run gave; `cargo xtask matrix` writes it"
            );
        }
    }
}

fn drafts(results: &Results) -> Vec<u8> {
    let mut drafts: Vec<u8> = results.keys().map(|(from, ..)| *from).collect();
    drafts.dedup();
    drafts.reverse();
    drafts
}

/// Publisher by subscriber: over which transports everything passed.
fn summary(results: &Results) -> String {
    let drafts = drafts(results);
    let mut text = String::from("\n| publisher \\ subscriber |");
    for to in &drafts {
        write!(text, " draft {to} |").expect("text");
    }
    writeln!(text, "\n|---|{}", "---|".repeat(drafts.len())).expect("text");
    for from in &drafts {
        write!(text, "| draft {from} |").expect("text");
        for to in &drafts {
            let passed: Vec<String> = Carrier::ALL
                .into_iter()
                .filter(|carrier| results.contains_key(&(*from, *to, *carrier)))
                .map(|carrier| carrier.to_string())
                .collect();
            write!(text, " {} |", passed.join(", ")).expect("text");
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

/// A line for each pair, a column for each feature, and the rules that were applied.
fn details(results: &Results) -> String {
    let drafts = drafts(results);
    let mut text = String::from("\n| from | to |");
    for feature in Feature::ALL {
        write!(text, " {} |", feature.title()).expect("text");
    }
    writeln!(text, "\n|---|---|{}", "---|".repeat(Feature::ALL.len())).expect("text");
    let mut applied = Rules::new();
    for from in &drafts {
        for to in &drafts {
            write!(text, "| {from} | {to} |").expect("text");
            for feature in Feature::ALL {
                let letters = letters(results, (*from, *to), feature, &mut applied);
                write!(text, " {letters} |").expect("text");
            }
            text.push('\n');
        }
    }
    text.push('\n');
    for rule in Rule::ALL.into_iter().filter(|rule| applied.contains(rule)) {
        writeln!(text, "- **{}**: {}", rule.letter(), rule.text()).expect("text");
    }
    text.push('\n');
    text
}

/// `=`, or the letters of what was bridged; both transports have to agree.
fn letters(results: &Results, pair: (u8, u8), feature: Feature, applied: &mut Rules) -> String {
    let of = |carrier| -> Rules {
        let findings = &results[&(pair.0, pair.1, carrier)];
        let found = findings.iter().find(|(found, _)| *found == feature);
        found.map(|(_, rules)| rules.clone()).expect("every cell tests every feature")
    };
    let [first, second] = Carrier::ALL.map(of);
    assert_eq!(first, second, "{} to {}, {}: transports differ", pair.0, pair.1, feature.title());
    applied.extend(first.iter().copied());
    match first.is_empty() {
        true => "=".to_owned(),
        false => first.iter().map(|rule| rule.letter().to_string()).collect::<Vec<_>>().join(" "),
    }
}
