//! An hour at a certified provider that rotates refresh tokens and ends the session of who sends one twice: sixty tokens of a
//! minute each, told in seconds.
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use std::{env, fs, process};

use hallpass::store::File;
use hallpass::{Application, CredentialsManager, ErrorKind};
use hallpass_peers::{OidcProvider, Person};

use crate::browser_login::log_in;

/// `.ci/long` runs more rounds.
fn expiries() -> usize {
    env::var("EXPIRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_of_expiries_loses_no_login() {
    let (provider, person) = (OidcProvider::with(&[("ACCESS_TTL", "1")]), Person::sits_down().await);
    let scope = "openid profile offline_access";
    let login = log_in(&provider, &person, "native", |login| login.scope(scope).prompt("consent")).await;
    let folder = Folder(env::temp_dir().join(format!("hallpass-expiries-{}", process::id())));
    _ = fs::remove_dir_all(&folder.0);
    let application = || Application::new(provider.issuer(), "native");
    // As two processes on one folder, each with connections and memory of its own.
    let renewed = Arc::new(Mutex::new(Vec::new()));
    let sessions = [(); 2].map(|()| {
        let renewed = Arc::clone(&renewed);
        CredentialsManager::new(application().web_auth().scope(scope), File::new(&folder.0))
            .min_ttl(Duration::ZERO)
            .on_renewed(move |credentials| renewed.lock().unwrap().push(credentials.refresh_token().unwrap().clone()))
    });
    sessions[0].save(&login).await.unwrap();

    let mut served = HashSet::new();
    for round in 0..=expiries() {
        let asking = (0..20).map(|task| {
            let session = sessions[task % 2].clone();
            tokio::spawn(async move { session.credentials().await })
        });
        let mut end = None;
        for answer in asking.collect::<Vec<_>>() {
            let credentials = answer.await.unwrap().unwrap_or_else(|error| panic!("after {round} expiries: {error:?}"));
            assert_eq!(credentials.user().unwrap().subject(), "alice");
            assert!(credentials.id_token_refusal().is_none());
            served.insert(credentials.access_token().expose().to_owned());
            end = end.max(credentials.expires_at());
        }
        let left = SystemTime::from(end.unwrap()).duration_since(SystemTime::now()).unwrap_or_default();
        tokio::time::sleep(left).await;
    }
    let renewed = renewed.lock().unwrap().clone();
    println!("{} tokens in {} renewals", served.len(), renewed.len());
    assert!(renewed.len() >= expiries());
    assert_eq!(served.len(), renewed.len() + 1, "the login's token, and one of each renewal");
    let distinct: HashSet<&str> = renewed.iter().map(|token| token.expose()).collect();
    assert_eq!(distinct.len(), renewed.len(), "each renewal brought another refresh token");

    let last = sessions[1].credentials().await.unwrap();
    assert_eq!(application().user_info(&last).await.unwrap().subject(), "alice");
    // The provider is one that would have noticed.
    assert_eq!(application().renew(&renewed[0]).await.unwrap_err().kind(), ErrorKind::LoginRequired);
    assert_eq!(application().renew(last.refresh_token().unwrap()).await.unwrap_err().kind(), ErrorKind::LoginRequired);
}
