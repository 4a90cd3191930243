//! JSON Patch (RFC 6902), as far as catalogs of WARP used it: all six operations.

use serde_json::Value;

/// Operations in one patch.
const OPERATIONS_MAX: usize = 1_024;
/// Nodes that copying may add, so that repeated copies cannot double a document without end.
const COPIED_NODES_MAX: usize = 100_000;

/// Why a patch does not apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// An operation is not one of the six, or lacks a member.
    #[error("patch operation {0} is malformed")]
    Malformed(usize),
    /// A pointer leads nowhere.
    #[error("patch operation {operation}: `{pointer}` is not there")]
    NotFound {
        /// Which operation, from 0.
        operation: usize,
        /// Where it points.
        pointer: String,
    },
    /// A test does not hold.
    #[error("patch operation {0}: its test does not hold")]
    TestFailed(usize),
    /// There are too many operations, or they copy too much.
    #[error("patch: more than {0} operations, or copies beyond all bounds")]
    TooLarge(usize),
}

pub(super) fn apply(root: &mut Value, operations: &[Value]) -> Result<(), PatchError> {
    if operations.len() > OPERATIONS_MAX {
        return Err(PatchError::TooLarge(OPERATIONS_MAX));
    }
    let mut copied = 0;
    for (index, operation) in operations.iter().enumerate() {
        let member = |name: &str| operation[name].as_str().ok_or(PatchError::Malformed(index));
        let value = || operation.get("value").cloned().ok_or(PatchError::Malformed(index));
        let path = member("path")?;
        let missing = |pointer: &str| PatchError::NotFound {
            operation: index,
            pointer: pointer.chars().take(64).collect(),
        };
        let done = match member("op")? {
            "add" => add(root, path, value()?),
            "remove" => remove(root, path).map(|_| ()),
            "replace" => {
                let new = value()?;
                root.pointer_mut(path).map(|old| *old = new)
            }
            "move" => {
                let from = member("from")?;
                let moved = remove(root, from).ok_or_else(|| missing(from))?;
                add(root, path, moved)
            }
            "copy" => {
                let from = member("from")?;
                let copy = root.pointer(from).cloned().ok_or_else(|| missing(from))?;
                copied += nodes(&copy);
                if copied > COPIED_NODES_MAX {
                    return Err(PatchError::TooLarge(OPERATIONS_MAX));
                }
                add(root, path, copy)
            }
            "test" => {
                if root.pointer(path) != Some(&value()?) {
                    return Err(PatchError::TestFailed(index));
                }
                Some(())
            }
            _ => return Err(PatchError::Malformed(index)),
        };
        done.ok_or_else(|| missing(path))?;
    }
    Ok(())
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum::<usize>(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
        Value::String(text) => text.len() / 64,
        _ => 0,
    }
}

/// The container that a pointer points into, and the unescaped last token.
fn parent<'a>(root: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, token) = path.rsplit_once('/')?;
    Some((root.pointer_mut(parent)?, token.replace("~1", "/").replace("~0", "~")))
}

fn add(root: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *root = value;
        return Some(());
    }
    let (container, token) = parent(root, path)?;
    match container {
        Value::Object(fields) => {
            fields.insert(token, value);
        }
        Value::Array(items) => {
            let at = if token == "-" { items.len() } else { token.parse().ok()? };
            if at > items.len() {
                return None;
            }
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(root: &mut Value, path: &str) -> Option<Value> {
    let (container, token) = parent(root, path)?;
    match container {
        Value::Object(fields) => fields.remove(&token),
        Value::Array(items) => {
            let at: usize = token.parse().ok()?;
            (at < items.len()).then(|| items.remove(at))
        }
        _ => None,
    }
}
