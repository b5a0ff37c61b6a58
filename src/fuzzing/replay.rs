//! The corpus of `tests/fuzz`, on any compiler.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::growth::assert_linear;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 22] = [
    ("callback", super::callback),
    ("ciba_answer", super::ciba_answer),
    ("claims", super::claims),
    ("compact_jws", super::compact_jws),
    ("device_answer", super::device_answer),
    ("discovery", super::discovery),
    ("error_body", super::error_body),
    ("introspection", super::introspection),
    ("issued_token", super::issued_token),
    ("jwks", super::jwks),
    ("listener", super::listener),
    ("logout_token", super::logout_token),
    ("pending_login", super::pending_login),
    ("private_key", super::private_key),
    ("protected_resource", super::protected_resource),
    ("pushed_request", super::pushed_request),
    ("retry_after", super::retry_after),
    ("signed_response", super::signed_response),
    ("stored_record", super::stored_record),
    ("token_response", super::token_response),
    ("user_info", super::user_info),
    ("www_authenticate", super::www_authenticate),
];

/// I4
#[test]
fn each_input_of_the_corpus_is_taken_as_it_should_be() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(inputs.len() >= 5, "{name} has only {} inputs", inputs.len());
        for (file, bytes) in inputs {
            // Shown when it panics.
            println!("{}", file.display());
            target(&bytes);
        }
    }
}

/// I4
#[test]
fn each_input_of_the_corpus_may_be_cut_in_two() {
    for (name, target) in TARGETS {
        for (file, bytes) in corpus(name) {
            println!("{}", file.display());
            for end in (0..bytes.len()).step_by(bytes.len() / CUTS + 1) {
                target(&bytes[..end]);
                target(&bytes[end..]);
            }
        }
    }
}

/// Whatever stands in an input again and again, the time that it takes grows with its length and not with the square of that.
#[test]
fn each_target_takes_long_inputs_in_their_stride() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        for (file, bytes) in inputs.iter().step_by(inputs.len() / 3) {
            for (start, repeated) in
                [0, bytes.len() / 2, bytes.len()].into_iter().flat_map(|start| REPEATED.map(|text| (start, text)))
            {
                println!("{} with {repeated:?} from {start}", file.display());
                assert_linear(LONG, |length| {
                    target(&[&bytes[..start], &repeated.as_bytes().repeat(length / repeated.len()), &bytes[start..]].concat());
                });
            }
        }
    }
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let named: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let corpora: BTreeSet<String> = folder("corpus").map(|path| name(&path)).collect();
    assert_eq!(corpora, named);
    let programs: BTreeSet<String> = folder("targets").map(|path| name(&path)).collect();
    assert_eq!(programs, named);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in named {
        assert!(manifest.contains(&format!("\nname = \"{name}\"\npath = \"targets/{name}.rs\"\n")), "{name}");
    }
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = folder(&format!("corpus/{target}")).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

fn folder(name: &str) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(fuzz().join(name)).unwrap().map(|entry| entry.unwrap().path())
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

const REPEATED: [&str; 9] = ["a", " r", ",r=1", "&s=1", "[", "{\"a\":", ",\"x\":1", "\\u0061", "%41"];
/// In bytes: its square would take longer than the test waits.
const LONG: usize = 128 * 1024;
/// At how many places, evenly.
const CUTS: usize = 16;
