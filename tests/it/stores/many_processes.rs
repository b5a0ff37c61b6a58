//! One login, many processes: kept in one folder, renewed once, and whole whenever one of them is killed.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hallpass::store::File;
use hallpass::testing::{Endpoint, TestBrowser, TestClock, TestProvider};
use hallpass::{Application, CredentialsManager};

use super::other_process::OtherProcess;
use crate::scratch_folder::ScratchFolder;

/// `.ci/long` runs more rounds.
fn patience(name: &str, usual: usize) -> usize {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn manager(issuer: &str, client_id: &str, folder: &Path) -> CredentialsManager {
    manager_of(&Application::new(issuer, client_id), folder)
}

fn manager_of(application: &Application, folder: &Path) -> CredentialsManager {
    let auth = application.web_auth().scope("openid offline_access").ephemeral_port();
    CredentialsManager::new(auth.browser(TestBrowser::new()), File::new(folder.join("kept"))).min_ttl(Duration::ZERO)
}

fn of_the_first_process(folder: &Path) -> CredentialsManager {
    let provider = fs::read_to_string(folder.join("provider")).unwrap();
    let (issuer, client_id) = provider.split_once('\n').unwrap();
    manager(issuer, client_id, folder)
}

fn tell_others(provider: &TestProvider, folder: &Path) {
    fs::write(folder.join("provider"), format!("{}\n{}", provider.issuer(), provider.client_id())).unwrap();
}

/// G19 — token: 1 for each expiry
#[test]
fn eight_processes_on_one_folder_redeem_once_for_each_expiry() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(folder) = OtherProcess::folder() {
        return runtime.block_on(a_thousand_tasks_at_each_expiry(&folder));
    }
    let folder = ScratchFolder::made();
    let (provider, before) = runtime.block_on(async {
        let provider = TestProvider::builder().access_token_life(Duration::from_secs(1)).start().await;
        manager(provider.issuer(), provider.client_id(), folder.path()).login_if_needed().await.unwrap();
        let before = provider.count(Endpoint::Token);
        (provider, before)
    });
    tell_others(&provider, folder.path());
    let test = "stores::many_processes::eight_processes_on_one_folder_redeem_once_for_each_expiry";
    let mut others: Vec<_> = (0..8).map(|_| OtherProcess::start(test, folder.path())).collect();
    for other in &mut others {
        other.ends_well();
    }

    let redeemed: Vec<_> =
        provider.requests(Endpoint::Token).iter().skip(before).map(|sent| sent.field("refresh_token").unwrap()).collect();
    let distinct: HashSet<_> = redeemed.iter().collect();
    assert_eq!(distinct.len(), redeemed.len(), "no refresh token was sent twice");
    let served = served(folder.path());
    assert!(served.len() <= redeemed.len() + 1, "{} tokens from {} redemptions and a login", served.len(), redeemed.len());
    assert!(redeemed.len() >= rounds() - 2, "{} redemptions in {} rounds", redeemed.len(), rounds());
    let family = runtime.block_on(manager(provider.issuer(), provider.client_id(), folder.path()).renew());
    assert!(family.is_ok(), "the family lives: {family:?}");
}

/// J15 — authorize: 1, token: 1
#[test]
fn five_processes_without_a_login_open_one_browser() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(folder) = OtherProcess::folder() {
        return runtime.block_on(log_in_if_needed(&folder));
    }
    let folder = ScratchFolder::made();
    let provider = runtime.block_on(TestProvider::start());
    tell_others(&provider, folder.path());
    let gate = provider.hold(Endpoint::Authorize);
    let test = "stores::many_processes::five_processes_without_a_login_open_one_browser";
    let mut others: Vec<_> = (0..5).map(|_| OtherProcess::start(test, folder.path())).collect();
    for other in &mut others {
        other.waits_for("logging in");
    }
    runtime.block_on(gate.reached(1));
    gate.release();
    for other in &mut others {
        other.ends_well_and_soon();
    }
    assert_eq!((provider.count(Endpoint::Authorize), provider.count(Endpoint::Token)), (1, 1));
    let session = manager(provider.issuer(), provider.client_id(), folder.path());
    let kept = runtime.block_on(session.credentials()).unwrap().access_token().expose().to_owned();
    assert_eq!(served(folder.path()), HashSet::from([kept]), "all have the one login");
    assert_eq!(files(folder.path(), "served").len(), 5);
}

/// J15 — authorize: 2, token: 1
#[test]
fn a_process_that_dies_in_its_login_leaves_the_next_to_open_a_browser() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(folder) = OtherProcess::folder() {
        return runtime.block_on(log_in_if_needed(&folder));
    }
    let folder = ScratchFolder::made();
    let provider = runtime.block_on(TestProvider::start());
    tell_others(&provider, folder.path());
    let gate = provider.hold(Endpoint::Authorize);
    let test = "stores::many_processes::a_process_that_dies_in_its_login_leaves_the_next_to_open_a_browser";
    let mut dies = OtherProcess::start(test, folder.path());
    runtime.block_on(gate.reached(1));
    let mut next = OtherProcess::start(test, folder.path());
    next.waits_for("logging in");
    assert_eq!(provider.count(Endpoint::Authorize), 1);
    dies.kill();
    runtime.block_on(gate.reached(2));
    gate.release();
    next.ends_well_and_soon();
    assert_eq!((provider.count(Endpoint::Authorize), provider.count(Endpoint::Token)), (2, 1));
}

async fn log_in_if_needed(folder: &Path) {
    let session = of_the_first_process(folder);
    OtherProcess::says("logging in");
    let credentials = session.login_if_needed().await.unwrap();
    serve(folder, [credentials.access_token().expose().to_owned()]);
}

/// Tells the first process which access tokens this one got.
fn serve(folder: &Path, tokens: impl IntoIterator<Item = String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    fs::write(folder.join(format!("{}.served", std::process::id())), tokens.join("\n")).unwrap();
}

/// The access tokens that other processes got.
fn served(folder: &Path) -> HashSet<String> {
    let lines = |path: &PathBuf| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    files(folder, "served").iter().flat_map(lines).collect()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|its| its == extension)).collect()
}

async fn log_in_anew(session: &CredentialsManager) {
    let credentials = session.web_auth().start().await.unwrap();
    session.save(&credentials).await.unwrap();
}

fn rounds() -> usize {
    patience("EXPIRIES", 6)
}

async fn a_thousand_tasks_at_each_expiry(folder: &Path) {
    let session = of_the_first_process(folder);
    let mut served = HashSet::new();
    for _ in 0..rounds() {
        let tasks: Vec<_> = (0..1000)
            .map(|_| {
                let session = session.clone();
                tokio::spawn(async move { session.credentials().await })
            })
            .collect();
        let mut end = None;
        for task in tasks {
            let credentials = task.await.unwrap().unwrap();
            served.insert(credentials.access_token().expose().to_owned());
            end = credentials.expires_at();
        }
        #[expect(clippy::disallowed_methods, reason = "several processes have no clock in common but the system's")]
        let left = SystemTime::from(end.unwrap()).duration_since(SystemTime::now()).unwrap_or_default();
        tokio::time::sleep(left).await;
    }
    serve(folder, served);
}

/// G10 — token: 1 for each renewal
#[test]
fn a_process_that_is_killed_while_it_renews_leaves_the_old_record_or_the_new() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(folder) = OtherProcess::folder() {
        OtherProcess::says("renewing");
        return runtime.block_on(async {
            let session = of_the_first_process(&folder);
            loop {
                session.renew().await.unwrap();
            }
        });
    }
    let test = "stores::many_processes::a_process_that_is_killed_while_it_renews_leaves_the_old_record_or_the_new";
    let (kills, forced) = (patience("KILLS", 20), patience("FORCED_KILLS", 4));
    let folder = ScratchFolder::made();
    let provider = runtime.block_on(TestProvider::start());
    tell_others(&provider, folder.path());
    let session = || manager(provider.issuer(), provider.client_id(), folder.path());
    // After the time for which a killed process' request is waited for.
    let clock = TestClock::new();
    clock.advance(Duration::from_secs(41));
    let later = manager_of(&Application::new(provider.issuer(), provider.client_id()).clock(&clock), folder.path());
    runtime.block_on(session().login_if_needed()).unwrap();

    let mut in_the_window = 0;
    for kill in 0..kills {
        let must_hit = kill < forced;
        let asked = provider.count(Endpoint::Token);
        let gate = must_hit.then(|| provider.hold_answer(Endpoint::Token));
        let mut other = OtherProcess::start(test, folder.path());
        other.waits_for("renewing");
        runtime.block_on(async {
            match &gate {
                // The provider has committed, and its answer is held back.
                Some(gate) => gate.reached(1).await,
                None => provider.asked(Endpoint::Token, asked + 1 + kill % 5).await,
            }
        });
        // A moment of the round that differs from kill to kill.
        std::thread::sleep(Duration::from_micros(kill as u64 * 397 % 8000));
        other.kill();
        drop(gate);

        let kept = runtime.block_on(session().credentials()).expect("the record is whole");
        let spent = provider
            .requests(Endpoint::Token)
            .iter()
            .any(|sent| sent.field("refresh_token").is_some_and(|sent| sent == kept.refresh_token().unwrap().expose()));
        in_the_window += usize::from(spent);
        assert!(spent || !must_hit, "a forced kill falls between the provider's commit and the save");
        match runtime.block_on(later.renew()) {
            Ok(_) => assert!(!spent),
            Err(error) => {
                assert!(spent && error.is_login_required(), "{error}");
                runtime.block_on(log_in_anew(&session()));
            }
        }
    }
    println!("{in_the_window} of {kills} kills fell between the provider's commit and the save, {forced} of them forced");
}
