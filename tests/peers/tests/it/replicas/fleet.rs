use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hallpass::testing::{Endpoint, TestProvider};
use hallpass_peers::Replica;

use super::Fleet;

const REPLICAS: usize = 8;
const TASKS: usize = 125;

fn replicas(fleet: &Fleet, settings: &[(&str, &str)]) -> Vec<Replica> {
    (0..REPLICAS).map(|_| fleet.replica(settings)).collect()
}

/// G19 — token: 1
#[tokio::test]
async fn a_thousand_tasks_in_eight_processes_make_one_request() {
    let fleet = Fleet::start().await;
    let mut replicas = replicas(&fleet, &[]);
    for replica in &mut replicas {
        replica.ask(TASKS);
    }
    let mut tokens = BTreeSet::new();
    for replica in &mut replicas {
        let answer = replica.answer().await;
        assert_eq!(answer.errors, Vec::<String>::new());
        tokens.extend(answer.tokens);
    }
    assert_eq!(tokens.len(), 1);
    assert_eq!(fleet.renewals(), 1);
    fleet.family_lives().await;
}

/// G19
#[tokio::test]
async fn tokens_that_live_a_second_are_renewed_once_each_by_eight_processes() {
    const LIFE: Duration = Duration::from_secs(1);
    let fleet = Fleet::with(TestProvider::builder().access_token_life(LIFE)).await;
    let mut replicas = replicas(&fleet, &[("MIN_TTL_SECONDS", "0")]);
    // The first answer says that a replica is up; then all ask at once, for some lives.
    for replica in &mut replicas {
        replica.ask(1);
        assert_eq!(replica.answer().await.errors, Vec::<String>::new());
    }
    let (began, before) = (Instant::now(), fleet.renewals());
    for replica in &mut replicas {
        replica.ask_for(LIFE * 10, TASKS);
    }
    let mut tokens = BTreeSet::new();
    for replica in &mut replicas {
        let answer = replica.answer().await;
        assert_eq!(answer.errors, Vec::<String>::new());
        tokens.extend(answer.tokens);
    }
    let (renewals, lives) = (fleet.renewals() - before, began.elapsed().as_secs_f64());
    assert!(renewals >= 5, "{renewals} renewals in {lives} seconds");
    // A token is renewed up to a tenth of its life before its end. What was there before the first renewal counts too.
    assert!(renewals as f64 <= lives / 0.9 + 1.0, "{renewals} renewals in {lives} seconds");
    assert!((renewals..=renewals + 1).contains(&tokens.len()), "{renewals} renewals gave {} tokens", tokens.len());

    let sent: Vec<String> =
        fleet.provider.requests(Endpoint::Token).iter().filter_map(|request| request.field("refresh_token")).collect();
    assert_eq!(sent.iter().collect::<BTreeSet<_>>().len(), sent.len(), "no refresh token was sent twice");
    fleet.here().min_ttl(Duration::ZERO).renew().await.expect("the provider never ended the session");
}
