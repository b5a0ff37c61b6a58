//! Each case of `tests/cases.md` has its id in the doc comment of a test, and each id in a doc comment is a case.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn each_case_is_proved_by_a_test_or_not_built_yet() {
    let table = fs::read_to_string(root().join("tests/cases.md")).unwrap();
    let (rows, not_built) = table.split_once("## Not built yet").unwrap();
    let ids: Vec<&str> =
        rows.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).filter(|id| is_id(id)).collect();
    let cases: BTreeSet<&str> = ids.iter().copied().collect();
    assert!(cases.len() == ids.len() && cases.len() > 250, "{} ids, {} of them different", ids.len(), cases.len());
    let waiting: BTreeSet<&str> = not_built.split([' ', ',', '\n', ':']).filter(|word| is_id(word)).collect();

    let named = ids_above_tests();
    let named: BTreeSet<&str> = named.iter().map(String::as_str).collect();
    let unknown: Vec<_> = named.union(&waiting).filter(|id| !cases.contains(*id)).collect();
    assert!(unknown.is_empty(), "these are no cases: {unknown:?}");
    let unproved: Vec<_> = cases.iter().filter(|id| !named.contains(*id) && !waiting.contains(*id)).collect();
    assert!(unproved.is_empty(), "no test proves these: {unproved:?}");
    let built: Vec<_> = waiting.intersection(&named).collect();
    assert!(built.is_empty(), "tests prove these, so they are built: {built:?}");
}

/// # Panics
/// Panics when ids are above something else than a test.
fn ids_above_tests() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for file in ["src", "tests/it", "tests/peers/tests"].into_iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let (mut above, mut is_test) = (Vec::new(), false);
        for (number, line) in (1..).zip(fs::read_to_string(&file).unwrap().lines()) {
            let line = line.trim();
            if let Some(comment) = line.strip_prefix("/// ") {
                above.extend(ids_of(comment));
            } else if line.starts_with("#[") {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            } else if !line.ends_with(")]") {
                assert!(above.is_empty() || is_test, "{}:{number}: the case ids above are not those of a test", file.display());
                all.extend(above.drain(..));
                is_test = false;
            }
        }
    }
    all
}

/// The ids of `A3, A4`, `A3, A4 — token: 0` and `A3, A4: the reason`; none of prose.
fn ids_of(comment: &str) -> Vec<String> {
    let ids = comment.split(" — ").next().and_then(|text| text.split(": ").next()).unwrap_or_default();
    let ids: Vec<&str> = ids.trim_end_matches(':').split(", ").collect();
    if ids.iter().all(|id| is_id(id)) { ids.into_iter().map(str::to_owned).collect() } else { Vec::new() }
}

fn is_id(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|letter| ('A'..='K').contains(&letter))
        && (1..=2).contains(&characters.as_str().len())
        && characters.all(|character| character.is_ascii_digit())
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    files.into_iter().filter(is_rust).chain(folders.iter().flat_map(|folder| rust_files(folder))).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
