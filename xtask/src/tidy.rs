//! `cargo xtask tidy`: rules of the code that the compiler does not know.
//!
//! A file or function that is long on purpose says so: `// tidy: long because …` on a line of its
//! own in that file or directly above the function.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use syn::spanned::Spanned;
use syn::visit::Visit;

use crate::shell;

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const REASON: &str = "// tidy: long because ";

/// Text that must not appear in the code of the layers that are driven.
const DRIVEN_NEVER: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "std::thread",
    "std::fs",
    "UdpSocket",
    "TcpStream",
    "Mutex<",
    "RwLock<",
    "async fn",
];

/// Fails with every place that breaks a rule.
pub fn check() -> Result<()> {
    let mut faults = Vec::new();
    let mut files = 0;
    let mut code = String::new();
    for path in rust_files()? {
        let text = std::fs::read_to_string(shell::root().join(&path))
            .with_context(|| format!("cannot read {}", path.display()))?;
        files += 1;
        check_file(&path, &text, &mut faults)?;
        code.push_str(&text);
    }
    check_cited_tests(&code, &mut faults)?;
    if !faults.is_empty() {
        bail!("tidy:\n  {}", faults.join("\n  "));
    }
    println!("tidy: {files} files keep the rules");
    Ok(())
}

/// A document that names tests, which have to be there.
const CITES_TESTS: &str = "docs/relay-behaviour.md";

fn check_cited_tests(code: &str, faults: &mut Vec<String>) -> Result<()> {
    let document = std::fs::read_to_string(shell::root().join(CITES_TESTS))
        .with_context(|| format!("cannot read {CITES_TESTS}"))?;
    for row in document.lines().filter(|line| line.starts_with("| ")) {
        let cited = row.split('|').nth(2).unwrap_or_default();
        for name in cited.split('`').skip(1).step_by(2) {
            if !code.contains(&format!("fn {name}(")) {
                faults.push(format!("{CITES_TESTS}: there is no test {name}"));
            }
        }
    }
    Ok(())
}

fn rust_files() -> Result<Vec<PathBuf>> {
    let listed = shell::output("git", &["ls-files", "*.rs"])?;
    Ok(listed.lines().map(PathBuf::from).filter(|path| shell::root().join(path).exists()).collect())
}

fn check_file(path: &Path, text: &str, faults: &mut Vec<String>) -> Result<()> {
    let name = path.to_string_lossy().replace('\\', "/");
    let lines = text.lines().count();
    let is_test = name.contains("/tests/") || name.ends_with("tests.rs");
    if lines > FILE_LINES_MAX && !text.contains(REASON) {
        faults.push(format!("{name}: {lines} lines; cut it, or say `{REASON}…`"));
    }
    let driven = ["crates/sluice-proto/src", "crates/sluice-core/src", "crates/sluice-net/src"];
    if driven.iter().any(|folder| name.starts_with(folder)) && !is_test {
        check_driven(&name, text, faults);
    }
    if !may_name_drafts(&name) && !is_test {
        for (number, line) in code_lines(text) {
            if line.contains("Draft::D") {
                faults.push(format!("{name}:{number}: names a draft; ask the dialect instead"));
            }
        }
    }
    for (number, line) in code_lines(text) {
        let waits = line.contains("thread::sleep(") || line.contains("time::sleep(");
        if is_test && waits {
            faults.push(format!("{name}:{number}: sleeps; wait for the event"));
        }
    }
    if !is_test {
        let parsed = syn::parse_file(text).with_context(|| format!("cannot parse {name}"))?;
        let mut functions = Functions { name: &name, text, faults };
        functions.visit_file(&parsed);
    }
    Ok(())
}

fn may_name_drafts(name: &str) -> bool {
    name.starts_with("crates/sluice-proto/src/wire/")
        || name.starts_with("crates/sluice-sim/")
        || name.starts_with("fuzz/")
        || name.starts_with("xtask/")
}

fn check_driven(name: &str, text: &str, faults: &mut Vec<String>) {
    let mut in_tests = false;
    for (number, line) in code_lines(text) {
        in_tests |= line.contains("#[cfg(test)]");
        if in_tests {
            return;
        }
        for never in DRIVEN_NEVER {
            if line.contains(never) {
                faults.push(format!("{name}:{number}: `{never}` in a layer that is driven"));
            }
        }
    }
}

/// Lines that are not comments, with their numbers.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

struct Functions<'a> {
    name: &'a str,
    text: &'a str,
    faults: &'a mut Vec<String>,
}

impl Functions<'_> {
    fn check(&mut self, ident: &syn::Ident, attributes: &[syn::Attribute], block: &syn::Block) {
        let (start, end) = (block.span().start().line, block.span().end().line);
        let lines = end.saturating_sub(start) + 1;
        let is_test = attributes.iter().any(|a| a.path().is_ident("test"));
        if lines <= FUNCTION_LINES_MAX || is_test || is_flat_match(block) || self.excused(start) {
            return;
        }
        self.faults.push(format!("{}:{start}: `{ident}` has {lines} lines", self.name));
    }

    fn excused(&self, start: usize) -> bool {
        let before = self.text.lines().take(start).collect::<Vec<_>>();
        before.iter().rev().take(12).any(|line| line.trim_start().starts_with(REASON))
    }
}

/// Whether the body is little more than one match or one struct literal.
fn is_flat_match(block: &syn::Block) -> bool {
    block.stmts.len() <= 3
        && block.stmts.iter().any(|statement| {
            matches!(
                statement,
                syn::Stmt::Expr(syn::Expr::Match(_) | syn::Expr::Struct(_) | syn::Expr::Call(_), _)
            )
        })
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.check(&item.sig.ident, &item.attrs, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.check(&item.sig.ident, &item.attrs, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let test_module = item.attrs.iter().any(|a| a.path().is_ident("cfg"));
        if !test_module {
            syn::visit::visit_item_mod(self, item);
        }
    }
}
