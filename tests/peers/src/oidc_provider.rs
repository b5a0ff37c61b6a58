use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use hallpass::client_auth::PrivateKey;

use crate::authority::{Authority, Certificate};
use crate::process::Process;

/// oidc-provider: a certified OpenID provider with a login page, a consent page and a logout page. Any name with any password is a
/// user; its clients and APIs are listed in `oidc-provider/server.mjs`.
pub struct OidcProvider {
    issuer: String,
    _process: Process,
}

impl OidcProvider {
    /// As `server.mjs` has it by default.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With the settings that the head of `server.mjs` names.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new("node");
        command.args(["--no-deprecation", "server.mjs"]).envs(settings.iter().copied());
        let (process, issuer) = Process::start("oidc-provider", &mut command, "ready ");
        Self { issuer, _process: process }
    }

    /// With these keys for the clients that sign.
    ///
    /// # Panics
    /// When the keys cannot be handed over in a file.
    pub fn knowing<'k>(keys: impl IntoIterator<Item = &'k PrivateKey>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let keys = keys.into_iter().map(|key| key.public_jwk().to_string()).collect::<Vec<_>>().join(",");
        let name = format!("hallpass-keys-{}-{}.json", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::write(&path, format!(r#"{{"keys":[{keys}]}}"#)).expect("the keys are written");
        let provider = Self::with(&[("CLIENT_JWKS", path.to_str().expect("the folder's name is text"))]);
        fs::remove_file(path).expect("the file is there");
        provider
    }

    /// On https, with a certificate of this authority. It asks for a client's certificate only at the addresses for mutual TLS
    /// that its metadata names. `client` is the certificate of `m2m-self-signed`.
    pub fn with_tls(authority: &Authority, client: &Certificate) -> Self {
        let server = authority.server("IP:127.0.0.1");
        let paths = [&server.certificate, &server.key, &authority.certificate(), &client.certificate]
            .map(|path| path.to_str().expect("the folder's name is text").to_owned());
        Self::with(&[("TLS_CERT", &paths[0]), ("TLS_KEY", &paths[1]), ("TLS_CA", &paths[2]), ("TLS_CLIENT_CERT", &paths[3])])
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}
