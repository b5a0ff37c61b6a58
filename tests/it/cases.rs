//! `tests/cases.md` agrees with the doc comments above the tests (`/// A2 — token: 0`), and with this binary's own `--list`.
//! `.ci/cases` runs this with `WRITE_CASES` set, which writes the table anew.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every case there is: the letter and its last number.
const CASES: [(char, u32); 11] =
    [('A', 24), ('B', 32), ('C', 42), ('D', 25), ('E', 24), ('F', 31), ('G', 33), ('H', 12), ('I', 5), ('J', 27), ('K', 28)];

const NOT_BUILT: &str = "## Not built yet";

#[test]
fn each_case_is_proved_by_the_tests_the_table_names() {
    let path = root().join("tests/cases.md");
    let written = fs::read_to_string(&path).unwrap();
    let proofs = Proofs::collect();
    let table = Table::parse(&written);
    let every_case: Vec<String> =
        CASES.into_iter().flat_map(|(letter, last)| (1..=last).map(move |number| format!("{letter}{number}"))).collect();
    assert_eq!(table.rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), every_case, "the table's rows");
    for id in proofs.by_case.keys() {
        assert!(every_case.contains(id), "there is no case {id}");
    }

    if std::env::var_os("WRITE_CASES").is_some() {
        fs::write(&path, table.render(&proofs)).unwrap();
    } else {
        assert!(written == table.render(&proofs), "tests/cases.md is not what the tests' doc comments say; run .ci/cases");
    }
}

#[test]
fn each_case_is_either_proved_or_not_built_yet() {
    let table = Table::parse(&fs::read_to_string(root().join("tests/cases.md")).unwrap());
    let waiting: BTreeSet<&String> = table.not_built.iter().flat_map(|(_, ids)| ids).collect();
    for row in &table.rows {
        assert_eq!(row.tests.is_empty(), waiting.contains(&row.id), "{} is either proved or under \"Not built yet\"", row.id);
    }
}

struct Table {
    introduction: String,
    rows: Vec<Row>,
    /// What stands between the last row and the list of what is not built.
    interlude: String,
    /// A feature, and the cases that wait for it.
    not_built: Vec<(String, Vec<String>)>,
}

struct Row {
    id: String,
    says: String,
    tests: String,
}

impl Table {
    fn parse(text: &str) -> Self {
        let mut table = Self { introduction: String::new(), rows: Vec::new(), interlude: String::new(), not_built: Vec::new() };
        let mut waiting = false;
        for line in text.lines() {
            waiting |= line == NOT_BUILT;
            let cells: Vec<&str> = line.split(" |").map(|cell| cell.trim_start_matches('|').trim()).collect();
            match line.strip_prefix("- ").and_then(|item| item.split_once(": ")) {
                Some((feature, ids)) if waiting => table.not_built.push((feature.to_owned(), case_ids(ids).unwrap())),
                _ if is_case_id(cells[0]) => {
                    let [id, says, tests, ..] = cells[..] else { panic!("four cells: {line}") };
                    table.rows.push(Row { id: id.to_owned(), says: says.to_owned(), tests: tests.to_owned() });
                }
                _ => {
                    let prose = if table.rows.is_empty() { &mut table.introduction } else { &mut table.interlude };
                    prose.push_str(line);
                    prose.push('\n');
                }
            }
        }
        // A merge of two tables leaves both versions of a row, and an id in both versions of a list.
        table.rows.dedup_by(|row, before| row.id == before.id);
        let mut named = BTreeSet::new();
        for (_, ids) in &mut table.not_built {
            ids.retain(|id| named.insert(id.clone()));
        }
        table
    }

    fn render(&self, proofs: &Proofs) -> String {
        let mut text = self.introduction.clone();
        for Row { id, says, .. } in &self.rows {
            let (tests, asked) = proofs.by_case.get(id).map(Proof::cells).unwrap_or_default();
            text.push_str(&format!("| {id} | {says} |{tests} |{asked} |\n"));
        }
        text.push_str(&self.interlude);
        for (feature, ids) in &self.not_built {
            let waiting: Vec<&str> = ids.iter().filter(|id| !proofs.by_case.contains_key(*id)).map(String::as_str).collect();
            if !waiting.is_empty() {
                text.push_str(&format!("- {feature}: {}\n", waiting.join(", ")));
            }
        }
        text
    }
}

/// What the doc comments say.
#[derive(Default)]
struct Proofs {
    by_case: BTreeMap<String, Proof>,
}

#[derive(Default)]
struct Proof {
    tests: BTreeSet<String>,
    asked: BTreeSet<String>,
}

impl Proof {
    fn cells(&self) -> (String, String) {
        let tests: Vec<String> = self.tests.iter().map(|test| format!("`{test}`")).collect();
        let asked: Vec<&str> = self.asked.iter().map(String::as_str).collect();
        let cell = |text: String| if text.is_empty() { text } else { format!(" {text}") };
        (cell(tests.join(", ")), cell(asked.join("; ")))
    }
}

impl Proofs {
    fn collect() -> Self {
        let mut proofs = Self::default();
        let listed = Listed::by_this_binary();
        for (folder, prefix) in [("tests/it", ""), ("tests/peers/tests/it", "peers:"), ("src", "unit:")] {
            let folder = root().join(folder);
            for file in rust_files(&folder) {
                proofs.read(&file, &module_path(file.strip_prefix(&folder).unwrap()), prefix, &listed);
            }
        }
        proofs
    }

    /// Takes the case ids above each test of a file.
    fn read(&mut self, file: &Path, module: &str, prefix: &str, listed: &Listed) {
        let mut named: Vec<(String, Option<String>)> = Vec::new();
        let (mut is_test, mut module) = (false, module.to_owned());
        for (number, line) in (1..).zip(fs::read_to_string(file).unwrap().lines()) {
            let place = format!("{}:{number}", file.display());
            let line = line.trim();
            if line == "mod tests {" {
                module.push_str("::tests");
            } else if let Some(comment) = line.strip_prefix("///") {
                named.extend(cases_named_by(comment.trim(), &place));
            } else if line.starts_with("#[") {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            } else if let Some(function) = function_name(line).filter(|_| is_test) {
                let path = if prefix.is_empty() { listed.path(&module, function) } else { format!("{module}::{function}") };
                for (id, asked) in named.drain(..) {
                    let proof = self.by_case.entry(id).or_default();
                    proof.tests.insert(format!("{prefix}{path}"));
                    proof.asked.extend(asked);
                }
                is_test = false;
            } else {
                assert!(named.is_empty() || line.ends_with(")]"), "{place}: the case ids above stand on no test");
                is_test &= !line.is_empty();
            }
        }
    }
}

/// The ids and the count of `A3, A4 — token: 0`; the ids of `A3, A4: and why`; nothing for a comment that is prose.
fn cases_named_by(comment: &str, place: &str) -> Vec<(String, Option<String>)> {
    let (ids, asked) = match comment.split_once(" — ") {
        Some((ids, asked)) => (ids, Some(asked.to_owned())),
        None => (comment.split(':').next().unwrap_or_default(), None),
    };
    if let Some(ids) = case_ids(ids) {
        return ids.into_iter().map(|id| (id, asked.clone())).collect();
    }
    let first = comment.split([' ', ',']).next().unwrap_or_default();
    assert!(!is_case_id(first), "{place}: write case ids as `/// A3, A4` or `/// A3, A4 — token: 0`");
    Vec::new()
}

/// This binary's tests, as `--list` prints them.
struct Listed(Vec<String>);

impl Listed {
    fn by_this_binary() -> Self {
        let output = Command::new(std::env::current_exe().unwrap()).args(["--list", "--format", "terse"]).output().unwrap();
        let list = String::from_utf8(output.stdout).unwrap();
        Self(list.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }

    /// The one test of that name in that module or a module inside it. A module that needs a feature this build lacks
    /// has no tests here at all, and is taken at its word: the build with all features checks it.
    fn path(&self, module: &str, function: &str) -> String {
        let inside = format!("{module}::");
        let in_module: Vec<&String> = self.0.iter().filter(|test| test.starts_with(&inside)).collect();
        let found: Vec<&&String> = in_module.iter().filter(|test| test.ends_with(&format!("::{function}"))).collect();
        if in_module.is_empty() && needs_a_feature(module) {
            return format!("{module}::{function}");
        }
        assert_eq!(found.len(), 1, "--list has {module}::{function} exactly once; it has {found:?}");
        found[0].to_string()
    }
}

/// Whether `main.rs` has `#[cfg(feature = …)]` above the module.
fn needs_a_feature(module: &str) -> bool {
    let main = fs::read_to_string(root().join("tests/it/main.rs")).unwrap();
    let outermost = format!("mod {};", module.split("::").next().unwrap_or_default());
    main.lines().zip(main.lines().skip(1)).any(|(above, line)| line == outermost && above.starts_with("#[cfg("))
}

fn function_name(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "))?;
    rest.split(['(', '<']).next()
}

/// `stores/file.rs` is `stores::file`.
fn module_path(file: &Path) -> String {
    let names = file.with_extension("");
    let names: Vec<_> = names.iter().map(|name| name.to_str().unwrap()).filter(|name| !matches!(*name, "mod" | "main")).collect();
    names.join("::")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn case_ids(text: &str) -> Option<Vec<String>> {
    text.split(", ").map(|id| is_case_id(id).then(|| id.to_owned())).collect()
}

fn is_case_id(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|letter| CASES.iter().any(|(known, _)| *known == letter))
        && (1..=2).contains(&characters.as_str().len())
        && characters.all(|character| character.is_ascii_digit())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
