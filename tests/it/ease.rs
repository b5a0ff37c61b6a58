//! Counts the sizes of programs that README and the guide name.

const README: &str = include_str!("../../README.md");
const GUIDE: &str = include_str!("../../src/docs/migration.md");

#[test]
fn the_readmes_programs_are_as_short_as_the_guide_says() {
    let programs: Vec<Vec<&str>> = README.split("```rust,no_run").skip(1).map(lines_to_write).collect();
    let lines: Vec<_> = programs.iter().map(Vec::len).collect();
    assert_eq!(lines, [10, 10]);
    let names: Vec<_> = programs[1].iter().flat_map(|line| line.split("hallpass::").skip(1)).map(name).collect();
    assert_eq!(names, ["Result", "WebAuth", "stay_logged_in", "Keychain", "AuthorizedClient"]);

    assert!(GUIDE.contains("| hallpass 0.1 | README's second | 10 | 5 | – |"));
    assert!(README.contains("(src/docs/migration.md) | 10 | 184 |"));
}

fn lines_to_write(block: &str) -> Vec<&str> {
    let program = block.split("```").next().unwrap();
    program.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).collect()
}

/// The name that a path in this crate ends with: the `Keychain` of `store::Keychain::new("acme")`.
fn name(path: &str) -> &str {
    let path = path.trim_start_matches("store::");
    path.split(|character: char| !character.is_alphanumeric() && character != '_').next().unwrap()
}
