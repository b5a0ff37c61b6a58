//! Two processes that share a folder, and one login.
use std::fs;
use std::path::Path;
use std::time::Duration;

use hallpass::store::File;
use hallpass::testing::{Endpoint, TestBrowser, TestClock, TestProvider};
use hallpass::{Application, CredentialsManager};

use super::other_process::OtherProcess;
use crate::scratch_folder::ScratchFolder;

const LIFE: Duration = Duration::from_secs(3600);

/// G19 — token: 1
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_with_expired_credentials_make_one_request() {
    if let Some(folder) = OtherProcess::folder() {
        let clock = TestClock::new();
        clock.advance(LIFE);
        let provider = fs::read_to_string(folder.join("provider")).unwrap();
        let (issuer, client_id) = provider.split_once('\n').unwrap();
        let session = manager(issuer, client_id, &clock, &folder);
        OtherProcess::says("asking");
        session.credentials().await.unwrap();
        assert!(session.has_valid(LIFE / 2).await.unwrap());
        return OtherProcess::says("renewed");
    }
    let (folder, clock) = (ScratchFolder::new(), TestClock::new());
    let provider = TestProvider::builder().clock(clock.clone()).access_token_life(LIFE).start().await;
    let session = manager(provider.issuer(), provider.client_id(), &clock, folder.path());
    let first = session.login_if_needed().await.unwrap();
    fs::write(folder.file("provider"), format!("{}\n{}", provider.issuer(), provider.client_id())).unwrap();
    clock.advance(LIFE);
    let (before, gate) = (provider.count(Endpoint::Token), provider.hold(Endpoint::Token));

    let test = "stores::one_renewal::two_processes_with_expired_credentials_make_one_request";
    let mut others = [(); 2].map(|()| OtherProcess::start(test, folder.path()));
    for other in &mut others {
        other.waits_for("asking");
    }
    gate.reached(1).await;
    gate.release();
    for other in &mut others {
        other.waits_for("renewed");
        other.ends_well();
    }
    assert_eq!(provider.count(Endpoint::Token), before + 1);

    // What they left is good for a third, and the login goes on.
    let third = manager(provider.issuer(), provider.client_id(), &clock, folder.path());
    assert_ne!(third.credentials().await.unwrap().access_token(), first.access_token());
    assert_eq!(provider.count(Endpoint::Token), before + 1);
    third.renew().await.unwrap();
    assert_eq!(provider.count(Endpoint::Token), before + 2);
}

fn manager(issuer: &str, client_id: &str, clock: &TestClock, folder: &Path) -> CredentialsManager {
    let auth = Application::new(issuer, client_id).clock(clock).web_auth().scope("openid offline_access").ephemeral_port();
    CredentialsManager::new(auth.browser(TestBrowser::new()), File::new(folder.join("credentials")))
}
