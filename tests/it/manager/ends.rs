//! A session ends only when it is over, and then everywhere.

use hallpass::store::{CredentialsStore as _, Memory, Record, RecordFilter, RecordKey};
use hallpass::testing::{Endpoint, Fault, TestBrowser};
use hallpass::{CredentialsManager, ErrorKind, TokenSource as _};

use super::odd_store::OddStore;
use super::{HOUR, logged_in, logged_in_to, seconds, web_auth};

/// Answers that say nothing about the refresh token.
fn no_verdicts() -> [Fault; 4] {
    [
        Fault::answer(403, "text/html", "<h1>Blocked by the firewall</h1>"),
        Fault::status(401),
        Fault::answer(404, "application/json", r#"{"error":{"code":404}}"#),
        Fault::status(302).header("location", "https://login.portal.example/"),
    ]
}

/// J1 — token: 1 for each
#[tokio::test]
async fn an_answer_that_says_nothing_about_the_refresh_token_ends_no_session() {
    let object = r#"{"error":{"code":503,"message":"upstream"}}"#;
    let busy = [408, 425, 429, 500, 503].map(|status| Fault::answer(status, "application/json", object));
    for fault in busy.into_iter().chain(no_verdicts()) {
        let kept = logged_in().await;
        kept.clock.advance(HOUR);
        let before = kept.asked();
        kept.provider.next(Endpoint::Token, fault);
        let error = kept.session.credentials().await.unwrap_err();
        assert!(error.is_transient() && !error.is_login_required(), "{error:?}");
        assert_eq!(kept.asked(), before + 1, "{error:?}");
        assert!(kept.session.is_logged_in().await.unwrap());
        kept.clock.advance(seconds(5));
        kept.session.credentials().await.unwrap();
        assert_eq!(kept.asked(), before + 2);
    }
}

/// J1 — token: 3, over more than a minute; authorize: 0 until a login is needed
#[tokio::test]
async fn only_the_third_such_answer_in_a_row_asks_for_a_login_and_the_record_stays() {
    for fault in no_verdicts() {
        let kept = logged_in().await;
        kept.clock.advance(HOUR);
        kept.provider.always(Endpoint::Token, fault);
        let logins = kept.provider.count(Endpoint::Authorize);
        for wait in [5, 30] {
            assert!(kept.sibling().login_if_needed().await.unwrap_err().is_transient());
            kept.clock.advance(seconds(wait));
        }
        assert!(kept.session.credentials().await.unwrap_err().is_transient(), "a minute has not passed");
        kept.clock.advance(seconds(40));
        let error = kept.sibling().credentials().await.unwrap_err();
        assert!(error.is_login_required() && error.server_error().is_some(), "{error:?}");
        assert_eq!(kept.provider.count(Endpoint::Authorize), logins);
        kept.provider.clear(Endpoint::Token);
        kept.clock.advance(seconds(120));
        kept.session.credentials().await.expect("the record is kept");
    }
}

/// J4 — token: 1: no other request is made with a refresh token that the provider refused
#[tokio::test]
async fn a_refresh_token_that_is_refused_by_another_name_means_a_login() {
    let rows = [
        Fault::error(400, "invalid_token", "Token is not active"),
        Fault::error(401, "refresh_token_reused", "reused"),
        Fault::error(400, "invalid_request", "Refresh token is invalid or has already been claimed by another client."),
        Fault::error(403, "unauthorized_client", "refresh_token is invalid"),
        Fault::error(200, "token_expired", "expired"),
    ];
    for fault in rows {
        let kept = logged_in().await;
        kept.clock.advance(HOUR);
        let before = kept.asked();
        kept.provider.next(Endpoint::Token, fault);
        let error = kept.session.credentials().await.unwrap_err();
        assert!(error.is_login_required() && error.server_error().is_some(), "{error:?}");
        for session in [&kept.session, &kept.sibling()] {
            assert!(session.credentials().await.unwrap_err().is_login_required());
            assert!(!session.is_logged_in().await.unwrap());
            assert!(session.user().await.unwrap().is_none());
        }
        assert_eq!(kept.asked(), before + 1);
        kept.session.login_if_needed().await.unwrap();
        assert_eq!(kept.provider.count(Endpoint::Authorize), 2);
    }
}

/// J5 — token: 1
#[tokio::test]
async fn another_persons_tokens_are_handed_to_nobody() {
    for claim in ["sub", "iss"] {
        let kept = logged_in().await;
        kept.clock.advance(HOUR);
        let before = kept.asked();
        kept.provider.always_id_token(move |token| {
            token.set(claim, "https://another.example.com/");
        });
        let error = kept.session.credentials().await.unwrap_err();
        assert!(error.is_login_required(), "{error:?}");
        assert!(kept.session.cached().is_none());
        for session in [&kept.session, &kept.sibling()] {
            assert!(session.credentials().await.unwrap_err().is_login_required());
            assert!(session.renew().await.unwrap_err().is_login_required());
            assert!(!session.is_logged_in().await.unwrap() && session.user().await.unwrap().is_none());
        }
        assert_eq!(kept.asked(), before + 1, "{claim}");
        kept.provider.clear_id_tokens();
        kept.sibling().login_if_needed().await.unwrap();
        kept.session.credentials().await.unwrap();
    }
}

/// J7 — token: 1 in 10 seconds
#[tokio::test]
async fn a_refusal_of_the_program_is_remembered_for_a_while() {
    let kept = logged_in().await;
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.provider.always(Endpoint::Token, Fault::error(401, "invalid_client", "no"));
    for _ in 0..20 {
        assert_eq!(kept.session.credentials().await.unwrap_err().kind(), ErrorKind::Server);
    }
    assert_eq!(kept.asked(), before + 1);
    kept.clock.advance(seconds(11));
    kept.session.credentials().await.unwrap_err();
    assert_eq!(kept.asked(), before + 2);
}

/// J10 — authorize: 1: a look at the store that ends after a login has been saved loses no login
#[tokio::test]
async fn a_late_no_record_does_not_lose_a_new_login() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    let login = kept.session.credentials().await.unwrap();
    kept.session.clear().await.unwrap();
    let told = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let session = kept.session.clone().on_login_required({
        let told = told.clone();
        move |_| _ = told.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
    });
    let held = kept.store.hold_load();
    let asking = tokio::spawn({
        let session = session.clone();
        async move { session.credentials().await }
    });
    held.reached().await;
    session.save(&login).await.unwrap();
    held.release();
    assert!(asking.await.unwrap().unwrap_err().is_login_required(), "it was asked for before");
    assert_eq!(told.load(std::sync::atomic::Ordering::SeqCst), 0);
    session.login_if_needed().await.unwrap();
    assert_eq!(kept.provider.count(Endpoint::Authorize), 1, "no second browser opens");
}

/// J9 — token: 0
#[tokio::test]
async fn a_store_without_room_is_noticed_before_the_refresh_token_is_sent() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    kept.clock.advance(HOUR);
    let before = kept.asked();
    kept.store.next_save(super::odd_store::Oddity::Fails);
    assert_eq!(kept.session.credentials().await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(kept.asked(), before, "nothing was sent");
    kept.session.credentials().await.unwrap();
    assert_eq!(kept.asked(), before + 1);
}

/// J16 — authorize: 1 more, where the provider gives no token for the second API
#[tokio::test]
async fn two_audiences_on_one_store_do_not_replace_each_other() {
    let kept = logged_in().await;
    let mail = || {
        let auth = web_auth(&kept.provider, &kept.clock).audience("https://mail.acme.com").browser(TestBrowser::new());
        CredentialsManager::new(auth, kept.store.clone())
    };
    kept.provider.next(Endpoint::Token, Fault::error(403, "access_denied", "not for this API"));
    let own = mail().login_if_needed().await.unwrap();
    assert_eq!(kept.provider.count(Endpoint::Authorize), 2);
    let first = kept.session.credentials().await.unwrap();
    assert_ne!(own.access_token(), first.access_token());
    for _ in 0..2 {
        kept.sibling().login_if_needed().await.unwrap();
        mail().login_if_needed().await.unwrap();
        let (first, second) = (kept.sibling().credentials().await.unwrap(), mail().credentials().await.unwrap());
        assert_ne!(first.refresh_token(), second.refresh_token());
        kept.clock.advance(HOUR);
    }
    assert_eq!(kept.provider.count(Endpoint::Authorize), 2, "both logins stand");
    mail().clear().await.unwrap();
    assert!(kept.sibling().is_logged_in().await.unwrap(), "a logout of one leaves the other");
    kept.sibling().clear().await.unwrap();
    assert_eq!(kept.store.list(&kept.key(), &RecordFilter::All).await.unwrap(), []);
}

/// J17 — token: 0
#[tokio::test]
async fn a_logout_elsewhere_is_noticed_within_half_a_minute() {
    type End = fn(&CredentialsManager) -> std::pin::Pin<Box<dyn Future<Output = hallpass::Result<()>> + '_>>;
    let ends: [End; 2] = [|session| Box::pin(session.clear()), |session| Box::pin(session.revoke())];
    for end in ends {
        let kept = logged_in().await;
        let before = kept.asked();
        let elsewhere = kept.sibling();
        elsewhere.credentials().await.unwrap();
        end(&kept.session).await.unwrap();
        assert!(elsewhere.cached().is_some(), "it was not noticed yet");
        kept.clock.advance(seconds(30));
        assert!(elsewhere.cached().is_none());
        assert!(elsewhere.credentials().await.unwrap_err().is_login_required());
        assert!(!elsewhere.is_logged_in().await.unwrap() && elsewhere.user().await.unwrap().is_none());
        assert!(!elsewhere.has_valid(seconds(1)).await.unwrap());
        assert_eq!(kept.asked(), before);
    }
}

/// J17: a session in use is looked up in the background, so no call waits.
#[tokio::test]
async fn a_session_in_use_is_looked_up_in_the_background() {
    let kept = logged_in().await;
    let elsewhere = kept.sibling();
    elsewhere.credentials().await.unwrap();
    kept.session.clear().await.unwrap();
    kept.clock.advance(seconds(16));
    let noticed = tokio::time::timeout(seconds(10), async {
        while elsewhere.cached().is_some() {
            tokio::task::yield_now().await;
        }
    });
    noticed.await.expect("the call that gets the token starts the look-up");
    // While it is in use and nothing has changed, it is handed out all the time.
    let kept = logged_in().await;
    kept.session.credentials().await.unwrap();
    for _ in 0..10 {
        kept.clock.advance(seconds(16));
        assert!(kept.session.cached().is_some());
        let confirmed = tokio::time::timeout(seconds(10), async {
            while kept.session.cached().is_none() || !kept.session.has_valid(seconds(1)).await.unwrap() {}
        });
        confirmed.await.unwrap();
    }
}

/// J20 — token: 1
#[test]
fn a_renewal_ends_whatever_becomes_of_its_callers_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let provider_runtime = tokio::runtime::Runtime::new().unwrap();
    let kept = provider_runtime.block_on(logged_in());
    kept.clock.advance(HOUR);
    let before = kept.asked();
    let gate = kept.provider.hold(Endpoint::Token);
    let first = runtime();
    let session = kept.session.clone();
    let asking = first.spawn(async move { session.credentials().await });
    first.block_on(gate.reached(1));
    // The first runtime is not driven any more, and then dropped.
    let second = runtime();
    let waiting = second.spawn({
        let session = kept.session.clone();
        async move { session.credentials().await }
    });
    drop(asking);
    drop(first);
    gate.release();
    let renewed = second.block_on(waiting).unwrap().unwrap();
    assert_eq!(kept.asked(), before + 1);
    assert_eq!(runtime().block_on(kept.sibling().credentials()).unwrap().access_token(), renewed.access_token());
}

/// J21 — token: 1
#[test]
fn a_renewal_needs_no_runtime_with_timers() {
    let provider_runtime = tokio::runtime::Runtime::new().unwrap();
    let kept = provider_runtime.block_on(logged_in());
    kept.clock.advance(HOUR);
    let before = kept.asked();
    let bare = tokio::runtime::Builder::new_current_thread().build().unwrap();
    bare.block_on(kept.session.credentials()).unwrap();
    kept.clock.advance(HOUR);
    let paused = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    paused.block_on(kept.session.credentials()).unwrap();
    assert_eq!(kept.asked(), before + 2);
}

/// J21 — authorize: 0: without a runtime there is an error and no panic, and a renewal needs none at all
#[test]
fn without_a_runtime_there_is_an_error() {
    fn run<T>(future: impl Future<Output = T>) -> T {
        struct Unpark(std::thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
        let (mut future, mut context) = (std::pin::pin!(future), std::task::Context::from_waker(&waker));
        loop {
            match future.as_mut().poll(&mut context) {
                std::task::Poll::Ready(value) => return value,
                std::task::Poll::Pending => std::thread::park(),
            }
        }
    }
    let provider_runtime = tokio::runtime::Runtime::new().unwrap();
    let kept = provider_runtime.block_on(logged_in());
    kept.clock.advance(HOUR);
    run(kept.session.credentials()).unwrap();
    let client = hallpass::AuthorizedClient::new(kept.session.clone()).unwrap();
    let logins = kept.provider.count(Endpoint::Authorize);
    let errors = [run(kept.session.web_auth().start()).unwrap_err(), run(client.get("http://127.0.0.1:9/").send()).unwrap_err()];
    for error in errors {
        assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains("tokio runtime"), "{error}");
    }
    assert_eq!(kept.provider.count(Endpoint::Authorize), logins);
    run(kept.session.revoke()).unwrap();
}

/// J24 — token: 0
#[tokio::test]
async fn no_renewal_goes_past_the_end_of_the_login() {
    let kept = logged_in().await;
    let session = kept.session.clone().max_lifetime(HOUR * 2);
    kept.clock.advance(HOUR);
    session.credentials().await.unwrap();
    let end = session.ends_at().await.unwrap().unwrap();
    let (before, expires_at) = (kept.asked(), session.credentials().await.unwrap().expires_at().unwrap());
    assert!((end - expires_at).whole_seconds().abs() <= 5, "{end} {expires_at}");
    kept.clock.advance(HOUR);
    assert!(session.cached().is_none());
    for error in [session.credentials().await.unwrap_err(), session.renew().await.unwrap_err()] {
        assert!(error.is_login_required(), "{error:?}");
    }
    assert!(!session.is_logged_in().await.unwrap());
    assert_eq!(kept.asked(), before);
    session.login_if_needed().await.unwrap();
    assert!(session.is_logged_in().await.unwrap());
}

/// J24 — token: 1, then 0
#[tokio::test]
async fn a_refresh_token_with_an_end_is_not_sent_after_it_and_its_access_token_serves_on() {
    for member in ["refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"] {
        let kept = logged_in().await;
        kept.provider.next(Endpoint::Token, Fault::new().set(member, 1800));
        kept.session.renew().await.unwrap();
        let before = kept.asked();
        for session in [&kept.session, &kept.sibling()] {
            assert!(session.ends_at().await.unwrap().is_some(), "{member}");
        }
        kept.clock.advance(seconds(1801));
        kept.session.credentials().await.expect("the access token has not ended");
        assert!(kept.session.renew().await.unwrap_err().is_login_required());
        kept.clock.advance(HOUR);
        assert!(kept.sibling().credentials().await.unwrap_err().is_login_required());
        assert_eq!(kept.asked(), before);
    }
}

/// J24 — token: 1
#[tokio::test]
async fn a_provider_can_ask_for_an_earlier_renewal() {
    let kept = logged_in().await;
    kept.provider.next(Endpoint::Token, Fault::new().set("refresh_in", 600));
    kept.session.renew().await.unwrap();
    let before = kept.asked();
    kept.clock.advance(seconds(590));
    kept.sibling().credentials().await.unwrap();
    assert_eq!(kept.asked(), before);
    kept.clock.advance(seconds(20));
    kept.sibling().credentials().await.unwrap();
    assert_eq!(kept.asked(), before + 1);
}

/// J25
#[tokio::test]
async fn the_sessions_of_a_store_are_listed_by_person() {
    let kept = logged_in().await;
    let bob = kept.log_in("bob@example.com").await;
    for name in ["first", "second"] {
        kept.session.session(name).save(&bob).await.unwrap();
    }
    assert_eq!(kept.session.list(&RecordFilter::All).await.unwrap(), ["", "first", "second"]);
    let subject = bob.user().unwrap().subject().to_owned();
    let sessions = kept.session.list(&RecordFilter::Subject(subject.clone())).await.unwrap();
    assert_eq!(sessions, ["first", "second"]);
    for name in sessions {
        kept.session.session(name).clear().await.unwrap();
    }
    assert_eq!(kept.session.list(&RecordFilter::Subject(subject)).await.unwrap(), [""; 0]);
    assert_eq!(kept.session.list(&RecordFilter::All).await.unwrap(), [""]);
}

/// J25: a custom store without lists returns an error.
#[tokio::test]
async fn a_store_that_cannot_list_its_records_says_so() {
    struct Unlisted(Memory);
    impl hallpass::store::CredentialsStore for Unlisted {
        async fn load(&self, key: &RecordKey) -> hallpass::Result<Option<Record>> {
            self.0.load(key).await
        }
        async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> hallpass::Result<bool> {
            self.0.save(key, expected, record).await
        }
        async fn remove(&self, key: &RecordKey) -> hallpass::Result<()> {
            self.0.remove(key).await
        }
    }
    let kept = logged_in().await;
    let session = CredentialsManager::new(kept.session.web_auth().clone(), std::sync::Arc::new(Unlisted(Memory::new())));
    let error = session.list(&RecordFilter::All).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains("list"), "{error}");
}

/// J26 — token: 0, discovery: 0
#[tokio::test]
async fn a_status_says_what_is_known_without_a_request() {
    let kept = logged_in().await;
    let nobody = kept.session.session("nobody").status().await.unwrap();
    assert!(!nobody.is_logged_in() && !nobody.can_renew() && nobody.expires_at().is_none() && nobody.failure().is_none());
    let status = kept.session.status().await.unwrap();
    assert!(status.is_logged_in() && status.can_renew() && status.failure().is_none());
    assert_eq!(status.expires_at(), kept.session.credentials().await.unwrap().expires_at());
    kept.clock.advance(HOUR);
    kept.provider.next(Endpoint::Token, Fault::status(503));
    kept.session.credentials().await.unwrap_err();
    let counts = (kept.asked(), kept.provider.count(Endpoint::Discovery));
    let status = kept.session.status().await.unwrap();
    let (since, error) = status.failure().unwrap();
    assert!(error.is_transient() && since > status.expires_at().unwrap(), "{status:?}");
    assert!(status.is_logged_in(), "the provider's trouble ends no session");
    assert_eq!((kept.asked(), kept.provider.count(Endpoint::Discovery)), counts);
    kept.session.renew().await.unwrap();
    assert!(kept.session.status().await.unwrap().failure().is_none());
}

/// K11 — token: 0: an empty cookie reaches no session
#[tokio::test]
async fn a_session_without_a_name_is_refused() {
    let kept = logged_in().await;
    let unnamed = kept.session.session("");
    let login = kept.session.credentials().await.unwrap();
    let errors = [
        unnamed.credentials().await.unwrap_err(),
        unnamed.renew().await.unwrap_err(),
        unnamed.user().await.unwrap_err(),
        unnamed.save(&login).await.unwrap_err(),
        unnamed.clear().await.unwrap_err(),
        unnamed.revoke().await.unwrap_err(),
        unnamed.login_if_needed().await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    }
    assert!(unnamed.cached().is_none());
    assert!(kept.session.is_logged_in().await.unwrap());
    assert_eq!(kept.provider.count(Endpoint::Authorize), 1);
}

/// A record of release 0.1.0, as it wrote it.
#[tokio::test]
async fn a_record_of_the_first_release_is_read() {
    let kept = logged_in_to(OddStore::default(), |provider| provider).await;
    let record = kept.store.record(&kept.key()).await.unwrap();
    let mut content: serde_json::Value = serde_json::from_slice(&record.as_bytes()[21..]).unwrap();
    let members = content.as_object_mut().unwrap();
    for new in ["session", "sub", "sid", "logged_in"] {
        members.remove(new);
    }
    members.insert("answer_lost".to_owned(), serde_json::json!({ "sent": 1_800_000_000_000_i64, "replayed": true }));
    let content = serde_json::to_vec(&content).unwrap();
    let mut bytes = record.as_bytes()[..13].to_vec();
    bytes.extend((content.len() as u64).to_be_bytes());
    bytes.extend(content);
    kept.store.put(&kept.key(), &Record::from_bytes(bytes).unwrap()).await;
    let session = kept.sibling();
    assert!(session.is_logged_in().await.unwrap());
    let before = kept.asked();
    kept.clock.advance(HOUR);
    assert!(session.credentials().await.unwrap_err().is_login_required(), "its refresh token was sent twice");
    assert_eq!(kept.asked(), before);
}
