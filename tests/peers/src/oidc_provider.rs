use std::process::Command;

use crate::process::Process;

/// oidc-provider: a certified OpenID provider with a login page, a consent page and a logout page. Any name with any
/// password is somebody; its clients and APIs are listed in `oidc-provider/server.mjs`.
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

    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}
