//! What README and the guide say of the size of a program is counted.

const README: &str = include_str!("../../README.md");
const GUIDE: &str = include_str!("../../src/docs/migration.md");

#[test]
fn the_readmes_programs_are_as_short_as_the_guide_says() {
    let programs: Vec<Vec<&str>> = README.split("```rust,no_run").skip(1).map(lines_to_write).collect();
    let lines: Vec<_> = programs.iter().map(Vec::len).collect();
    assert_eq!(lines, [11, 13]);
    let names: Vec<_> = programs[1].iter().filter_map(|line| line.strip_prefix("use hallpass::")).flat_map(names).collect();
    assert_eq!(names, ["Keychain", "AuthorizedClient", "CredentialsManager", "WebAuth"]);

    assert!(GUIDE.contains("| hallpass 0.1 | README's second | 13 | 4 | – |"));
    assert!(README.contains("(src/docs/migration.md) | 13 | 184 |"));
}

fn lines_to_write(block: &str) -> Vec<&str> {
    let program = block.split("```").next().unwrap();
    program.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).collect()
}

fn names(used: &str) -> Vec<&str> {
    let used = used.trim_end_matches(';');
    let named = used.rsplit("::").next().unwrap();
    named.trim_matches(['{', '}']).split(", ").collect()
}
