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

/// J15 — authorize: 1, token: 1
#[tokio::test]
async fn five_replicas_without_a_login_open_one_browser() {
    let fleet = Fleet::start().await;
    fleet.here().clear().await.unwrap();
    let before = (fleet.provider.count(Endpoint::Authorize), fleet.provider.count(Endpoint::Token));
    let gate = fleet.provider.hold(Endpoint::Authorize);
    let logins: Vec<_> = (0..5).map(|_| fleet.here()).collect();
    let logins = logins.into_iter().map(|session| tokio::spawn(async move { session.login_if_needed().await }));
    let logins: Vec<_> = logins.collect();
    gate.reached(1).await;
    gate.release();
    let mut tokens = BTreeSet::new();
    for login in logins {
        tokens.insert(login.await.unwrap().unwrap().access_token().expose().to_owned());
    }
    assert_eq!(tokens.len(), 1);
    let asked = (fleet.provider.count(Endpoint::Authorize), fleet.provider.count(Endpoint::Token));
    assert_eq!(asked, (before.0 + 1, before.1 + 1));
}

/// G19, G1 — token: 1 for each expiry
#[tokio::test]
async fn eight_processes_of_a_thousand_tasks_redeem_once_for_each_expiry() {
    const LIFE: Duration = Duration::from_secs(1);
    const TASKS: usize = 1000;
    const ROUNDS: usize = 30;
    let fleet = Fleet::with(TestProvider::builder().access_token_life(LIFE)).await;
    let mut replicas = replicas(&fleet, &[("MIN_TTL_SECONDS", "0")]);
    // The first answer says that a replica is up.
    let mut known = BTreeSet::new();
    for replica in &mut replicas {
        replica.ask(1);
        let answer = replica.answer().await;
        assert_eq!(answer.errors, Vec::<String>::new());
        known.extend(answer.tokens);
    }
    let (began, before, mut watch) = (Instant::now(), fleet.renewals(), fleet.redis.watch().await);
    for replica in &mut replicas {
        replica.ask_at_each_end(TASKS, ROUNDS);
    }
    let mut tokens = BTreeSet::new();
    for replica in &mut replicas {
        let answer = replica.answer().await;
        assert_eq!(answer.errors, Vec::<String>::new(), "every call is served");
        assert!(answer.tokens.len() >= ROUNDS, "each round came after the end of a token, so that its tokens are others");
        tokens.extend(answer.tokens);
    }
    let (renewals, lives) = (fleet.renewals() - before, began.elapsed().as_secs_f64());
    let commands = watch.commands().await;
    let of = |name: &str| commands.iter().filter(|command| command.as_str() == name).count();
    println!(
        "{REPLICAS} processes of {TASKS} tasks, {ROUNDS} rounds in {lives:.1} s: {} tokens, {renewals} redemptions, {} round trips to \
         Redis ({} to load, {} for the lease, {} for announcements and records)",
        tokens.len(),
        commands.len(),
        of("HMGET record"),
        of("EVALSHA lease"),
        of("EVALSHA record"),
    );

    assert_eq!(renewals, tokens.difference(&known).count(), "each redemption gave a token, and each token took one");
    assert!(renewals as f64 <= lives / 0.9 + 1.0, "a token is renewed up to a tenth of its life before its end, and not sooner");
    let requests = fleet.provider.requests(Endpoint::Token);
    let sent: Vec<String> = requests.iter().filter_map(|request| request.field("refresh_token")).collect();
    assert_eq!(sent.iter().collect::<BTreeSet<_>>().len(), sent.len(), "no refresh token was sent twice");
    // An announcement and a record each; where a process had yet to fetch the provider's keys, the ID token came afterwards.
    assert!((2 * renewals..=2 * renewals + REPLICAS).contains(&of("EVALSHA record")));
    fleet.here().min_ttl(Duration::ZERO).renew().await.expect("the provider never ended the session");
}
