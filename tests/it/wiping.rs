//! A secret is gone from memory when it is dropped. The copies of hyper, rustls and the system are not checked.

use std::hint;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hallpass::store::Memory;
use hallpass::testing::{Endpoint, Fault, TestBrowser, TestProvider};
use hallpass::{AccessToken, Application, ClientAuth, CredentialsManager, ErrorKind, PendingLogin, Secret, WebAuth};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::counting_allocator::{left_behind, wipe_freed_blocks};
use crate::two_halves::TwoHalves;

const CANARY: &str = "4canary-0123456789-abcdefghijklmn";

/// The number of copies of the marker that remain after making and dropping a value.
fn by_dropping<T>(make: impl FnOnce(String) -> T) -> u64 {
    let canary = CANARY.to_owned();
    left_behind(CANARY, || drop(make(canary))).1
}

/// I5
#[test]
fn what_holds_a_secret_wipes_it() {
    wipe_freed_blocks();
    assert_eq!(by_dropping(|text| text), 1, "the test sees what is left behind");
    assert_eq!(by_dropping(|mut text| (text.reserve(1000), text.clear())), 2, "also by growing");

    assert_eq!(by_dropping(Secret::new), 0);
    let secret = Secret::new(CANARY);
    let clone = secret.clone();
    drop(secret);
    assert_eq!(clone.expose(), CANARY, "only the last clone wipes");
    assert_eq!(left_behind(CANARY, || drop(clone)).1, 0);
    assert_eq!(by_dropping(|text| AccessToken::bearer(text).unwrap()), 0);
    assert_eq!(by_dropping(|text| AccessToken::bearer(text).unwrap().header_value().clone()), 0);
    assert_eq!(by_dropping(|text| Application::new("acme.auth0.com", "id").client_auth(ClientAuth::client_secret_basic(text))), 0);
    assert_eq!(by_dropping(ClientAuth::client_secret_post), 0);
}

/// I5
#[test]
fn clones_that_are_dropped_at_the_same_moment_leave_nothing_behind() {
    const ROUNDS: usize = 2_000;
    wipe_freed_blocks();
    let arrived = AtomicUsize::new(0);
    // Without sleeping, which would part them again.
    let meet = |round: usize| {
        arrived.fetch_add(1, Ordering::SeqCst);
        while arrived.load(Ordering::SeqCst) < 2 * (round + 1) {
            hint::spin_loop();
        }
    };
    let clones: Vec<_> = (0..ROUNDS).map(|_| Secret::new(CANARY)).map(|secret| (secret.clone(), secret)).collect();
    let (left, right): (Vec<_>, Vec<_>) = clones.into_iter().unzip();
    let drop_all = |secrets: Vec<Secret>| secrets.into_iter().enumerate().for_each(|(round, secret)| (meet(round), drop(secret)).1);
    let drop_both = || {
        thread::scope(|scope| {
            let other = scope.spawn(|| drop_all(left));
            drop_all(right);
            other.join().unwrap();
        });
    };
    assert_eq!(left_behind(CANARY, drop_both).1, 0);
}

/// I5
#[tokio::test]
async fn a_login_kept_as_text_leaves_nothing_behind() {
    wipe_freed_blocks();
    let halves = TwoHalves::start().await;
    let login = halves.auth.begin().await.unwrap();
    let kept = login.to_secret_string();
    let json = BASE64_URL_SAFE_NO_PAD.decode(kept.expose().split_once('.').unwrap().1).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    let secrets = json["secrets"].as_str().unwrap();
    let verifier = &BASE64_URL_SAFE_NO_PAD.decode(secrets).unwrap()[64..];
    let verifier = BASE64_URL_SAFE_NO_PAD.encode(verifier);
    let end = &kept.expose()[kept.expose().len() - 40..];
    for secret in [secrets, end, &verifier] {
        let (_, left) = left_behind(secret, || drop(PendingLogin::from_secret_string(&login.to_secret_string()).unwrap()));
        assert_eq!(left, 0, "{secret}");
    }
    let (_, left) = left_behind(secrets, || drop((login, kept)));
    assert_eq!(left, 0);
}

/// I5
#[tokio::test]
async fn credentials_leave_no_token_behind() {
    wipe_freed_blocks();
    let halves = TwoHalves::start().await.scope("openid offline_access");
    for which in 0..3 {
        let credentials = halves.log_in().await.unwrap();
        let token = match which {
            0 => credentials.access_token().expose(),
            1 => credentials.refresh_token().unwrap().expose(),
            _ => credentials.id_token().unwrap().raw().expose(),
        };
        let end = token[token.len() - 20..].to_owned();
        assert_eq!(left_behind(&end, || drop(credentials)).1, 0, "token {which}");
    }
}

/// I5: an answer that may repeat a secret is searched without a copy of the secret. The provider runs on another thread, and on the
/// wire the token is encoded.
#[test]
fn a_refused_request_leaves_no_secret_behind() {
    wipe_freed_blocks();
    let provider = provider_elsewhere();
    let canary = "~/1+canary=0123&456789";
    let (application, token) = (Application::new(provider.issuer(), provider.client_id()), Secret::new(canary));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (renewed, left) = left_behind(canary, || runtime.block_on(application.renew(&token)));
    assert_eq!((renewed.unwrap_err().kind(), left), (ErrorKind::LoginRequired, 0));
}

/// On another thread: its remains are not counted.
fn provider_elsewhere() -> TestProvider {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        Runtime::new().unwrap().block_on(async {
            sender.send(TestProvider::start().await).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

/// I5: an answer of unknown length is put together in memory that is wiped where it is too short. The token is in two pieces on
/// the wire, so that only what puts them together has it whole.
#[test]
fn an_answer_in_pieces_leaves_no_token_behind() {
    wipe_freed_blocks();
    let provider = provider_elsewhere();
    let (first, second) = CANARY.split_at(8);
    let pieces = [
        format!(r#"{{"token_type":"Bearer","access_token":"{first}"#),
        format!(r#"{second}","expires_in":60"#),
        " ".repeat(10_000),
        "}".to_owned(),
        String::new(),
    ];
    let chunks: String = pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())).collect();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    provider.next(Endpoint::Token, Fault::raw(format!("{head}{chunks}")));
    let (application, token) = (Application::new(provider.issuer(), provider.client_id()), Secret::new("refresh token"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let renew = || runtime.block_on(async { application.renew(&token).await.unwrap().access_token().expose().len() });
    assert_eq!(left_behind(CANARY, renew), (CANARY.len(), 0));
}

/// I5: what a manager writes, reads and renews.
#[tokio::test]
async fn a_stored_login_leaves_no_token_behind() {
    wipe_freed_blocks();
    let provider = TestProvider::start().await;
    let store = Memory::new();
    let manager = || {
        let auth = WebAuth::new(provider.issuer(), provider.client_id()).scope("openid offline_access").ephemeral_port();
        CredentialsManager::new(auth.browser(TestBrowser::new()), store.clone())
    };
    let credentials = manager().login_if_needed().await.unwrap();
    let tokens = [
        credentials.access_token().expose(),
        credentials.refresh_token().unwrap().expose(),
        credentials.id_token().unwrap().raw().expose(),
    ];
    for token in tokens {
        let end = &token[token.len() - 20..];
        let (managers, waker) = ((manager(), manager()), Waker::noop());
        let work = || {
            let (writer, reader) = managers;
            for _ in 0..2 {
                let saved = pin!(writer.save(&credentials)).poll(&mut Context::from_waker(waker));
                assert!(matches!(saved, Poll::Ready(Ok(()))));
                let read = pin!(reader.has_valid(Duration::ZERO)).poll(&mut Context::from_waker(waker));
                assert!(matches!(read, Poll::Ready(Ok(true))));
            }
        };
        assert_eq!(left_behind(end, work).1, 0);
    }
}
