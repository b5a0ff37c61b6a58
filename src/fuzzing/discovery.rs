use std::sync::LazyLock;

use serde_json::Value;
use url::Url;

use super::errors;
use super::made_up::{ISSUER, json_reply, read_by_another};
use crate::origin;
use crate::provider::{Issuer, Metadata};

static SECURE: LazyLock<Issuer> = LazyLock::new(|| Issuer::parse(ISSUER, None).expect("it is an issuer"));
static LOOPBACK: LazyLock<Issuer> = LazyLock::new(|| Issuer::parse("http://127.0.0.1:8080", None).expect("it is an issuer"));

/// Metadata that is believed is the issuer's own, and names only places where secrets may go. The same bytes as an issuer's name are
/// an issuer only if they name such a place, too.
pub fn discovery(body: &[u8]) {
    let reply = json_reply(body);
    for issuer in [&*SECURE, &*LOOPBACK] {
        match Metadata::from_reply(&reply, issuer) {
            Ok(metadata) => check(body, issuer, &metadata),
            Err(error) => errors::check(&error, &[]),
        }
    }
    if let Ok(text) = std::str::from_utf8(body) {
        match Issuer::parse(text, None) {
            Ok(issuer) => check_issuer(&issuer),
            Err(error) => errors::check(&error, &[]),
        }
    }
}

fn check(body: &[u8], issuer: &Issuer, metadata: &Metadata) {
    let Some(document) = read_by_another(body) else { return };
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    assert_eq!(text("issuer"), Some(&*metadata.issuer));
    assert_eq!(metadata.issuer.trim_end_matches('/'), issuer.url().as_str().trim_end_matches('/'));
    if let Some(methods) = document.get("code_challenge_methods_supported").and_then(Value::as_array) {
        let is_usable = methods.iter().any(|method| method == "S256");
        assert!(is_usable || metadata.login_endpoint().is_err(), "PKCE by anything else protects nothing");
    }
    let own = [
        ("authorization_endpoint", &metadata.authorization_endpoint),
        ("token_endpoint", &metadata.token_endpoint),
        ("jwks_uri", &metadata.jwks_uri),
        ("userinfo_endpoint", &metadata.userinfo_endpoint),
        ("revocation_endpoint", &metadata.revocation_endpoint),
        ("device_authorization_endpoint", &metadata.device_authorization_endpoint),
        ("end_session_endpoint", &metadata.end_session_endpoint),
    ];
    for (name, endpoint) in own {
        let Ok(url) = endpoint.url() else { continue };
        assert_eq!(text(name).and_then(|text| Url::parse(text).ok()).as_ref(), Some(url), "{name}");
        for url in [url, metadata.for_mutual_tls(url)] {
            check_endpoint(url);
            assert!(url.scheme() == "https" || issuer.url().scheme() == "http", "{url}");
        }
    }
}

fn check_endpoint(url: &Url) {
    assert!(origin::is_confidential(url) && !origin::has_user_info(url) && url.fragment().is_none(), "{url}");
    assert!(url.host_str().is_some_and(|host| !host.is_empty()), "{url}");
    assert_eq!(Url::parse(url.as_str()).as_ref(), Ok(url), "it is read as it is written");
}

fn check_issuer(issuer: &Issuer) {
    check_endpoint(issuer.url());
    let url = issuer.metadata_url();
    check_endpoint(&url);
    assert_eq!(url.host_str(), issuer.url().host_str());
    assert_eq!(url.port_or_known_default(), issuer.url().port_or_known_default());
    assert!(url.path().ends_with("/.well-known/openid-configuration"), "{url}");
    assert!(issuer.accepts(issuer.url().as_str()) && !issuer.accepts("") && !issuer.accepts(&format!("{}1", issuer.url())));
}
