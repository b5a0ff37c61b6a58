use proptest::prelude::ProptestConfig;

/// So many cases as an ordinary run has time for; as many as `PROPERTY_CASES` says where there is more. What fails is shown, and kept
/// nowhere.
pub(crate) fn cases(few: u32) -> ProptestConfig {
    let cases = std::env::var("PROPERTY_CASES").ok().map_or(few, |cases| cases.parse().unwrap());
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
