use super::errors;
use super::made_up::CANARY;
use crate::jose::base64url;
use crate::secret::Secret;
use crate::web_auth::pending::PendingLogin;

/// A kept login that is read at all is kept again in the same words.
///
/// The bytes are taken for the text, and for what is encoded in it.
pub fn pending_login(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(&Secret::from(text));
    }
    check(&Secret::new(format!("hallpass1.{}", base64url(bytes))));
}

fn check(text: &Secret) {
    let login = match PendingLogin::from_secret_string(text) {
        Ok(login) => login,
        Err(error) => return errors::check(&error, &[CANARY]),
    };
    let kept = login.to_secret_string();
    let again = PendingLogin::from_secret_string(&kept).expect("what was kept by this release is read by it");
    assert_eq!(again.to_secret_string(), kept);
    assert_eq!(again.url(), login.url());
    assert_eq!(*again.secrets.state(), *login.secrets.state());
    assert_eq!(login.secrets.state().len(), 64);
    let shown = format!("{login:?}");
    for secret in [&*login.secrets.state(), &*login.secrets.nonce(), &*login.secrets.code_verifier()] {
        // The texts beside them are the program's own.
        let given = [&login.issuer, &login.client_id, &login.redirect_uri].iter().any(|own| own.contains(secret));
        assert!(given || !shown.contains(secret), "{shown}");
    }
}
